import assert from "node:assert/strict";
import { describe } from "node:test";
import type { ServedFunction, Transition } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  change,
  completed,
  ended,
  entry,
  failed,
  newTask,
  scene,
  taskOutcome,
  turnOf,
  type Held,
} from "./scene.ts";

const served: readonly ServedFunction[] = [
  { kind: "workflow", name: "f", version: undefined },
  { kind: "activity", name: "g", version: "2" },
];

/** Sessions, what they hold, and what their deaths leave. */
export function sessionConformance(backend: ConformanceBackend): void {
  describe("a session", () => {
    scene(backend, "is listed as it registered, and its heartbeat is counted", async (one) => {
      const key = await one.one("register", {
        id: "s",
        name: "w",
        host: "h",
        pid: 7,
        process: '{"a":1}',
        leaseMs: 5,
        queues: ["q"],
        tags: [],
        functions: served,
        former: undefined,
      });
      one.clock.advance(3);
      assert.equal(await one.one("heartbeat", { session: key }), true);
      assert.deepEqual(await one.store.sessions(), [
        {
          key,
          id: "s",
          name: "w",
          host: "h",
          pid: 7,
          process: '{"a":1}',
          leaseMs: 5,
          queues: ["q"],
          tags: [],
          functions: served,
          state: "live",
          beat: 1,
          startedAt: one.now - 3,
          seenAt: one.now,
        },
      ]);
    });

    scene(backend, "that is dead cannot beat, and is reaped once", async (one) => {
      const session = await one.register();
      await one.start(session);
      assert.deepEqual(await one.one("reap", { session, died: true }), { released: 1 });
      assert.deepEqual(await one.one("reap", { session, died: true }), { released: 0 });
      assert.equal(await one.one("heartbeat", { session }), false);
      assert.equal(await one.one("heartbeat", { session: 99 }), false);
      assertPart(await one.store.sessions(), [{ state: "dead" }]);
    });

    scene(backend, "that has beaten since it was looked at is not reaped (L2)", async (one) => {
      const session = await one.register();
      await one.start(session);
      const [seen] = await one.store.sessions();
      const beat = seen?.beat ?? 0;
      assert.equal(await one.one("heartbeat", { session }), true);
      const late = { session, died: true, beat };
      assert.deepEqual(await one.one("reap", late), { released: 0, lives: true });
      assertPart(await one.store.sessions(), [{ state: "live" }]);
      assert.deepEqual(await one.one("reap", { ...late, beat: beat + 1 }), { released: 1 });
      assert.deepEqual(await one.one("reap", late), { released: 0 }, "nobody is reaped twice");
    });

    scene(
      backend,
      "that is reaped in a commit stores nothing that stands behind it there (I3, S1)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { id: "a" });
        const beat: Transition = { kind: "heartbeat", request: { session } };
        const store: Transition = {
          kind: "turn",
          request: turnOf(held, { counters: [{ name: "n", value: 1 }] }),
        };
        const settled = await one.commit(
          beat,
          store,
          { kind: "reap", request: { session, died: false } },
          store,
          beat,
        );
        assert.deepEqual(settled.map((one) => "answer" in one && one.answer).slice(3), [
          { kind: "refused", reason: "session" },
          false,
        ]);
      },
    );

    scene(backend, "lists what it holds", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.calling(session);
      const task = await one.claimTask(session);
      await one.signal(held.id, "1");
      assert.deepEqual(await one.store.held(session), {
        executions: [{ key: held.execution, run: 1, wakeSeq: 1, claim: 1 }],
        tasks: [{ key: task.key, cancelled: false }],
      });
    });

    scene(
      backend,
      "that ends gives everything back at once, unmarked, and begun jobs count",
      async (one) => {
        const session = await one.register();
        const [flow, job] = [
          await one.start(session, { id: "flow" }),
          await one.start(session, { id: "job", kind: "activity" }),
        ];
        await one.calling(session, { id: "caller" });
        const task = await one.claimTask(session);
        assert.deepEqual(await one.one("reap", { session, died: false }), { released: 3 });
        assert.equal(one.hints.ready, true);
        assert.equal(await one.count("marks"), 0);
        const next = await one.register();
        const { executions, tasks } = await one.claim(next);
        assert.deepEqual(
          executions.map((row) => [row.id, row.claim, row.attempt, row.failures]),
          [
            ["job", 2, 2, 0],
            ["flow", 2, 1, 0],
          ],
        );
        assertPart(tasks[0], { key: task.key, claim: 2, attempt: 2, failures: 0 });
        for (const stale of [flow, job])
          assert.deepEqual(await one.turn({ ...stale, session: next }, {}), {
            kind: "refused",
            reason: "lost",
          });
      },
    );

    scene(
      backend,
      "that dies wakes what it held, so that nothing is parked over its head",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        const live = await one.dies(session);
        const again = await one.claimOne(live);
        assert.equal(again.wakeSeq, held.wakeSeq + 1);
        assert.equal((await one.row(held.id)).dueAt, one.now);
      },
    );

    scene(backend, "that is dead for long is removed, a live one never", async (one) => {
      const dead = await one.register();
      const live = await one.dies(dead);
      one.clock.advance(1_000);
      await one.one("sweep", { sessionsBefore: one.now, gatesAfter: 0, limit: 9 });
      assert.deepEqual(
        (await one.store.sessions()).map((row) => row.key),
        [live],
      );
    });
  });

  describe("results", () => {
    scene(
      backend,
      "that have expired are removed, but for those that somebody waits for",
      async (one) => {
        const session = await one.register();
        const gates = (key: string): string =>
          JSON.stringify({ result: { name: `["once","work","${key}"]`, ttlMs: 10 } });
        const keys = ["x", "y"];
        for (const key of keys) {
          const work = { entries: [entry(1)], tasks: [newTask(1, { gates: gates(key) })] };
          await one.parked(await one.start(session, { id: key }), work);
          const stored = { ...completed, stored: "kept" };
          await one.one("task", taskOutcome(session, await one.claimTask(session), stored));
        }
        const rows = await one.query<{ key: number; name: string }>("select * from stent_results");
        const waited = rows.find(({ name }) => name.includes('"y"'));
        await one.query(
          `insert into stent_waits (gate, holder, lane, rank, due_at) values (${-Number(waited?.key)}, 1, 1, 0, 0) returning gate`,
        );
        const sweep = { gatesAfter: 0, limit: 9 };
        await one.one("sweep", sweep);
        assert.equal(await one.count("results"), 2);
        one.clock.advance(10);
        await one.one("sweep", sweep);
        assert.deepEqual(
          (await one.query<{ name: string }>("select name from stent_results")).map(
            ({ name }) => name,
          ),
          ['["once","work","y"]'],
        );
      },
    );
  });

  describe("marks", () => {
    scene(backend, "count deaths in the turn; any commit clears them", async (one) => {
      let session = await one.register();
      await one.dispatch({ id: "x" });
      for (let deaths = 0; deaths < 3; deaths += 1) {
        const held = await one.claimOne(session);
        assert.equal(held.row.marks, deaths);
        session = await one.dies(session);
      }
      assert.equal((await one.store.marks(await one.key("x"), 1)).length, 3);
      await one.parked(await one.claimOne(session), {
        clearMarks: true,
        entries: [entry(1, { kind: "signal" })],
      });
      assert.equal(await one.count("marks"), 0);
    });

    scene(
      backend,
      "stay with an attempt that is begun anew until it has an outcome",
      async (one) => {
        let session = await one.register();
        let held: Held = await one.start(session);
        await one.stored(held, { entries: [entry(1, { here: true, attempt: 1 })] });
        for (let deaths = 1; deaths < 4; deaths += 1) {
          session = await one.dies(session);
          const claimed = await one.claimOne(session);
          assert.equal(claimed.row.marks, deaths);
          assert.deepEqual(
            (await one.store.marks(held.execution, 1)).map((mark) => mark.seq),
            Array.from({ length: deaths }, () => 1),
          );
          held = claimed;
          const begun = {
            ...change(1, 0),
            status: 0 as const,
            value: undefined,
            delivery: undefined,
            endedAt: undefined,
            attempt: deaths + 1,
            here: true,
          };
          await one.stored(held, { clearMarks: true, changes: [begun] });
        }
        await one.stored(held, { changes: [change(1, 1)] });
        assert.equal(await one.count("marks"), 0);
      },
    );

    scene(backend, "stay with a lost attempt that moves into the queue", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, { entries: [entry(1, { here: true, attempt: 1 })] });
      const live = await one.dies(session);
      const moved = {
        ...change(1, 0),
        status: 0 as const,
        value: undefined,
        delivery: undefined,
        endedAt: undefined,
      };
      await one.parked(await one.claimOne(live), {
        clearMarks: true,
        changes: [moved],
        tasks: [newTask(1, { attempt: 1 })],
      });
      const task = await one.claimTask(live);
      assert.deepEqual([task.marks, task.attempt], [1, 2]);
      await one.outcome(live, task, completed);
      assert.equal(await one.count("marks"), 0);
    });

    scene(
      backend,
      "that a frozen worker's former session left are removed when it registers anew",
      async (one) => {
        const session = await one.register();
        await one.start(session);
        await one.calling(session);
        await one.claimTask(session);
        await one.one("reap", { session, died: true });
        assert.equal(await one.count("marks"), 2);
        await one.register({ former: session });
        assert.equal(await one.count("marks"), 0);
      },
    );

    scene(
      backend,
      "are each item's own: suspects of a range are taken one by one, and only the poison is left",
      async (one) => {
        let session = await one.register();
        const held = await one.mapping(session, 5);
        for (let deaths = 0; deaths < 2; deaths += 1) {
          assert.equal((await one.claimTask(session)).items.length, 5);
          session = await one.dies(session);
        }
        let poison = await one.claimTask(session);
        for (let deaths = 2; deaths < 5;) {
          assert.equal(poison.items.length, 1);
          const item = poison.items[0]?.item ?? 0;
          if (item === 3) {
            assert.equal(poison.marks, deaths++);
            session = await one.dies(session);
          } else await one.outcome(session, poison, completed, item);
          poison = await one.claimTask(session);
        }
        assert.deepEqual([poison.marks, poison.items.map(({ item }) => item)], [5, [3]]);
        await one.outcome(session, poison, failed, 3);
        assert.equal(await one.count("marks"), 0);
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2 }]);
      },
    );

    scene(
      backend,
      "make a suspect, of which one is taken at a time, and none beside another",
      async (one) => {
        let session = await one.register();
        for (const id of ["a", "b", "c"]) await one.dispatch({ id });
        for (let deaths = 0; deaths < 2; deaths += 1) {
          await one.claim(session);
          session = await one.dies(session);
        }
        await one.dispatch({ id: "innocent" });
        const first = await one.claim(session, { limit: 2 });
        assert.deepEqual(
          first.executions.map((row) => [row.id, row.marks]),
          [
            ["innocent", 0],
            ["a", 2],
          ],
        );
        assert.deepEqual((await one.claim(session, { suspects: false })).executions, []);
        assert.deepEqual(
          (await one.claim(session)).executions.map((row) => row.id),
          ["b"],
        );
      },
    );

    scene(backend, "of many suspects hide nothing that stands behind them", async (one) => {
      let session = await one.register();
      for (let index = 0; index < 20; index += 1) await one.dispatch({ id: `s-${index}` });
      for (let deaths = 0; deaths < 2; deaths += 1) {
        await one.claim(session);
        session = await one.dies(session);
      }
      one.clock.advance(1);
      await one.dispatch({ id: "innocent" });
      const { executions } = await one.claim(session, { limit: 1, suspects: false });
      assert.deepEqual(
        executions.map((row) => row.id),
        ["innocent"],
      );
    });

    scene(
      backend,
      "made in a commit count for a claim that stands behind them there",
      async (one) => {
        const [a, b] = [await one.register(), await one.register()];
        await one.start(a, { id: "x" });
        const reap: Transition = { kind: "reap", request: { session: a, died: true } };
        const claim: Transition = {
          kind: "claim",
          request: { session: b, limit: 9, turns: 9, accepts: () => true, suspects: true },
        };
        const settled = await one.commit(claim, reap, claim);
        assertPart(settled[2], { answer: { executions: [{ marks: 1 }] } });
      },
    );

    scene(backend, "go with the execution's end", async (one) => {
      const session = await one.register();
      await one.start(session);
      const live = await one.dies(session);
      await one.stored(await one.claimOne(live), {}, ended());
      assert.equal(await one.count("marks"), 0);
    });
  });
}
