import assert from "node:assert/strict";
import { describe } from "node:test";
import type { ClaimedTask, Transition } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  again,
  change,
  completed,
  entry,
  failed,
  newTask,
  park,
  scene,
  taskOutcome,
  type Held,
  type Scene,
} from "./scene.ts";

/** Tasks of calls, and the items of maps. */
export function mapConformance(backend: ConformanceBackend): void {
  describe("the outcome of a task", () => {
    scene(
      backend,
      "waits for its execution, wakes it, and takes the task out of the queue (I4)",
      async (one) => {
        const session = await one.register();
        const held = await one.calling(session);
        const task = await one.claimTask(session);
        const done = { kind: "completed", value: "v", records: "r" } as const;
        await one.outcome(session, task, done);
        assert.equal(await one.count("tasks"), 0);
        const again = await one.claimOne(session);
        const [arrival] = await one.arrivals(held.id);
        assertPart(arrival, {
          seq: 1,
          kind: "outcome",
          status: 1,
          value: "v",
          records: "r",
          attempt: 1,
          failures: 0,
        });
        await one.end(again, { arrived: [arrival?.key ?? 0], changes: [change(1, 1)] });
        assert.deepEqual(await one.arrivals(held.id), []);
      },
    );

    scene(
      backend,
      "is refused under another claim, from another session, or a second time (I4)",
      async (one) => {
        const [a, b] = [await one.register(), await one.register()];
        await one.calling(a);
        const task = await one.claimTask(a);
        assert.equal(await one.outcome(b, task, completed), "refused");
        assert.equal(await one.outcome(a, { ...task, claim: 2 }, completed), "refused");
        assert.equal(await one.outcome(a, task, completed), "stored");
        assert.equal(await one.outcome(a, task, completed), "refused");
      },
    );

    scene(
      backend,
      "of a session that was found dead is refused, and the task begins again elsewhere (I3)",
      async (one) => {
        const dead = await one.register();
        await one.calling(dead);
        const task = await one.claimTask(dead);
        const live = await one.dies(dead);
        assert.equal(await one.outcome(dead, task, completed), "refused");
        const second = await one.claimTask(live);
        assertPart(second, { key: task.key, claim: 2, attempt: 2, failures: 0, marks: 1 });
        assert.equal(await one.outcome(live, second, completed), "stored");
        assert.equal(await one.count("marks"), 0);
      },
    );

    scene(backend, "of what nobody waits for any more is refused", async (one) => {
      const session = await one.register();
      const held = await one.calling(session);
      const task = await one.claimTask(session);
      await one.signal(held.id, "1");
      const again = await one.claimOne(session);
      await one.stored(again, { withdrawn: [{ seq: 1, kind: "call" }] });
      assert.deepEqual(one.hints.stopped, [task.key]);
      assert.equal(await one.outcome(session, task, completed), "refused");
      assertPart(await one.store.entries(held.execution, 1), [{ status: 3 }]);
      await one.end(again);
    });

    scene(backend, "that has arrived already goes with what is withdrawn", async (one) => {
      const session = await one.register();
      const held = await one.calling(session);
      await one.outcome(session, await one.claimTask(session), completed);
      const again = await one.claimOne(session);
      await one.stored(again, { withdrawn: [{ seq: 1, kind: "call" }] });
      assert.deepEqual(await one.arrivals(held.id), []);
      await one.end(again);
    });
  });

  describe("a map", () => {
    scene(backend, "ends once, with the last of its items, over many claims", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 7);
      for (let left = 7; left > 0;) {
        const task = await one.claimTask(session, { limit: 3 });
        for (const { item } of task.items) {
          assert.equal((await one.arrivals(held.id)).length, 0);
          await one.outcome(
            session,
            task,
            { kind: "completed", value: `out-${item}`, records: undefined },
            item,
          );
          left -= 1;
        }
      }
      assertPart(await one.arrivals(held.id), [{ kind: "map", seq: 1, status: 1 }]);
      assert.deepEqual(
        (await one.store.items(held.execution, 1, 1)).map((row) => row.value),
        Array.from({ length: 7 }, (_, item) => `out-${item}`),
      );
      assert.equal((await one.count("tasks")) + (await one.count("fanouts")), 0);
    });

    scene(backend, "that ends within one commit, from two workers, ends once", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 6);
      const [a, b] = [await one.claimTask(session, { limit: 3 }), await one.claimTask(session)];
      await one.commit(...outcomesOf(session, a), ...outcomesOf(session, b));
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(backend, "takes each item's outcome once", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3);
      const task = await one.claimTask(session);
      await one.outcome(session, task, completed, 0);
      await one.outcome(session, task, completed, 0);
      await one.outcome(session, task, failed, 0);
      assertPart(await one.query('select "left", failed from stent_fanouts'), [
        { left: 2, failed: 0 },
      ]);
      assertPart((await one.store.items(held.execution, 1, 1))[0], { status: 1, value: "done" });
    });

    scene(
      backend,
      "loses no item whose outcome is stored after the one that was called the last",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 3);
        const task = await one.claimTask(session);
        await one.outcome(session, task, completed, 0);
        await one.outcome(session, task, completed, 2);
        assert.equal(await one.outcome(session, task, completed, 1), "stored");
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      },
    );

    scene(backend, "puts an item apart for its retry, and its range goes on", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3);
      const task = await one.claimTask(session);
      await one.outcome(session, task, again(50), 1);
      await one.outcome(session, task, completed, 0);
      await one.outcome(session, task, completed, 2);
      assert.deepEqual((await one.claim(session)).tasks, []);
      one.clock.advance(50);
      const apart = await one.claimTask(session);
      assertPart(apart, {
        apart: true,
        path: "1.1",
        attempt: 2,
        failures: 1,
        items: [{ item: 1, input: "in-1" }],
      });
      await one.outcome(session, apart, again(50), 1);
      one.clock.advance(50);
      const third = await one.claimTask(session);
      assertPart(third, { key: apart.key, attempt: 3, failures: 2 });
      await one.outcome(session, third, completed, 1);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(backend, "goes on with what is left after its worker died in the middle", async (one) => {
      const dead = await one.register();
      const held = await one.mapping(dead, 5);
      const task = await one.claimTask(dead);
      await one.outcome(dead, task, completed, 1);
      await one.outcome(dead, task, again(0), 2);
      const live = await one.dies(dead);
      assert.equal(await one.outcome(dead, task, completed, 3), "refused");
      const { tasks } = await one.claim(live);
      assert.deepEqual(
        tasks.map((task) => [task.apart, task.items.map(({ item }) => item)]),
        [
          [true, [2]],
          [false, [0, 3, 4]],
        ].toReversed(),
      );
      await one.commit(...tasks.flatMap((task) => outcomesOf(live, task)));
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(backend, "with a bound puts as many into the queue as have ended", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 7, { tolerated: 0, released: 2 });
      const seen: (number | undefined)[] = [];
      for (let round = 0; round < 4; round += 1) {
        const { tasks } = await one.claim(session);
        const items = tasks.flatMap((task) => task.items.map(({ item }) => item));
        assert.ok(items.length <= 2);
        seen.push(...items);
        await one.commit(...tasks.flatMap((task) => outcomesOf(session, task)));
      }
      assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6]);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(
      backend,
      "with a bound counts an item that waits for its retry as in flight",
      async (one) => {
        const session = await one.register();
        await one.mapping(session, 4, { tolerated: 0, released: 1 });
        await one.outcome(session, await one.claimTask(session), again(50), 0);
        assert.deepEqual((await one.claim(session)).tasks, []);
      },
    );

    scene(
      backend,
      "fails at the first failure that counts; what runs is told, the rest is never started",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 6, { tolerated: 0, released: 4 });
        const [a, b] = [
          await one.claimTask(session, { limit: 2 }),
          await one.claimTask(session, { limit: 1 }),
        ];
        await one.outcome(session, a, failed, 0);
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2, value: "error" }]);
        assert.deepEqual(
          one.hints.stopped.toSorted((x, y) => x - y),
          [a.key, b.key].toSorted((x, y) => x - y),
        );
        assert.equal((await one.count("tasks")) + (await one.count("fanouts")), 0);
        assert.equal(await one.outcome(session, b, failed, 2), "refused");
        assert.equal((await one.arrivals(held.id)).length, 1);
      },
    );

    scene(backend, "fails once when several items fail in one commit", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 4, { tolerated: 1 });
      const task = await one.claimTask(session);
      const settled = await one.commit(...outcomesOf(session, task, failed));
      assert.deepEqual(
        settled.slice(0, 2).map((one) => "answer" in one && one.answer),
        ["stored", "stored"],
      );
      assert.equal((await one.arrivals(held.id)).length, 1);
    });

    scene(backend, "bears as many failures as it tolerates", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3, { tolerated: 2 });
      const task = await one.claimTask(session);
      await one.commit(
        ...outcomesOf(session, task, failed).slice(0, 2),
        ...outcomesOf(session, task).slice(2),
      );
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      assert.deepEqual(
        (await one.store.items(held.execution, 1, 1)).map((row) => row.status),
        [2, 2, 1],
      );
    });

    scene(backend, "bears any number where that is said", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3, { tolerated: undefined });
      await one.commit(...outcomesOf(session, await one.claimTask(session), failed));
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(
      backend,
      "keeps what its items leave in counters and state until it ends",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 2);
        const task = await one.claimTask(session);
        await one.outcome(session, task, { kind: "completed", value: "v", records: "r0" }, 0);
        await one.outcome(session, task, { kind: "completed", value: "v", records: "r1" }, 1);
        const rows = await one.arrivals(held.id);
        assert.deepEqual(
          rows.map((row) => [row.kind, row.records]),
          [
            ["records", "r0"],
            ["records", "r1"],
            ["map", undefined],
          ],
        );
      },
    );

    scene(
      backend,
      "that is withdrawn is gone with its tasks and what has arrived; its items keep what they have",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 4);
        const task = await one.claimTask(session, { limit: 2 });
        await one.outcome(session, task, { kind: "completed", value: "v", records: "r" }, 0);
        const parent = await woken(one, session, held);
        await one.stored(parent, { withdrawn: [{ seq: 1, kind: "map" }] });
        assert.equal(await one.outcome(session, task, completed, 1), "refused");
        assert.equal(
          (await one.count("tasks")) + (await one.count("fanouts")) + (await one.count("arrivals")),
          0,
        );
        await one.end(parent);
      },
    );

    scene(backend, "has ten thousand items", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 10_000);
      for (let left = 10_000; left > 0; left -= 2_500) {
        const task = await one.claimTask(session, { limit: 2_500 });
        await one.commit(...outcomesOf(session, task));
      }
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });
  });

  describe("work that is told to stop", () => {
    scene(backend, "is waited for where it runs", async (one) => {
      const session = await one.register();
      const held = await one.calling(session);
      const task = await one.claimTask(session);
      const parent = await closing(one, session, held);
      await one.parked(
        parent,
        { told: [{ seq: 1, kind: "call" }], knowsCancel: true },
        one.now + 30_000,
      );
      assert.deepEqual(one.hints.stopped, [task.key]);
      assertPart(await one.store.held(session), { tasks: [{ key: task.key, cancelled: true }] });
      assert.equal(await one.outcome(session, task, completed), "stored");
      assertPart(await one.arrivals(held.id), [{ status: 1 }]);
    });

    scene(backend, "is not tried again", async (one) => {
      const session = await one.register();
      const held = await one.calling(session);
      const task = await one.claimTask(session);
      const parent = await closing(one, session, held);
      await one.parked(
        parent,
        { told: [{ seq: 1, kind: "call" }], knowsCancel: true },
        one.now + 30_000,
      );
      await one.outcome(session, task, again(10));
      assert.equal(await one.count("tasks"), 0);
      assertPart(await one.arrivals(held.id), [{ status: 2, value: "error" }]);
    });

    scene(
      backend,
      "is not begun again when its worker dies: who waits is told so at once",
      async (one) => {
        const dead = await one.register();
        const held = await one.calling(dead);
        await one.claimTask(dead);
        const parent = await closing(one, dead, held);
        await one.parked(
          parent,
          { told: [{ seq: 1, kind: "call" }], knowsCancel: true },
          one.now + 30_000,
        );
        const live = await one.dies(dead);
        assert.deepEqual((await one.claim(live)).tasks, []);
        assertPart(await one.arrivals(held.id), [{ status: 2 }]);
      },
    );

    scene(
      backend,
      "and waits for its retry ends at once, and the turn that told it goes on (S3)",
      async (one) => {
        const session = await one.register();
        const held = await one.calling(session);
        await one.outcome(session, await one.claimTask(session), again(10_000));
        const parent = await closing(one, session, held);
        const answer = await one.stored(
          parent,
          { told: [{ seq: 1, kind: "call" }], knowsCancel: true },
          park(one.now + 30_000),
        );
        assert.equal(answer.released, false);
        assertPart(await one.arrivals(held.id), [
          { status: 2, value: "error", attempt: 1, failures: 1 },
        ]);
      },
    );

    scene(
      backend,
      "of a map is waited for as far as it has begun, and then it has failed",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 10, { tolerated: undefined, released: 6 });
        const [running, other] = [
          await one.claimTask(session, { limit: 2 }),
          await one.claimTask(session, { limit: 1 }),
        ];
        await one.outcome(session, running, again(1_000), 0);
        const parent = await closing(one, session, held);
        await one.parked(
          parent,
          { told: [{ seq: 1, kind: "map" }], knowsCancel: true },
          one.now + 30_000,
        );
        assert.equal(await one.count("tasks"), 2);
        await one.outcome(session, running, completed, 1);
        assert.deepEqual(await one.arrivals(held.id), []);
        await one.outcome(session, other, again(5), 2);
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2 }]);
        assert.deepEqual(
          (await one.store.items(held.execution, 1, 1)).map((row) => row.status),
          [3, 1, 2, 3, 3, 3, 3, 3, 3, 3],
        );
      },
    );

    scene(backend, "of a map of which nothing has begun ends it at once (S3)", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3);
      const parent = await closing(one, session, held);
      const answer = await one.stored(
        parent,
        { told: [{ seq: 1, kind: "map" }], knowsCancel: true },
        park(one.now + 30_000),
      );
      assert.equal(answer.released, false);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2 }]);
    });

    scene(backend, "of a map ends with the worker that ran the last of it", async (one) => {
      const dead = await one.register();
      const held = await one.mapping(dead, 4);
      await one.claimTask(dead, { limit: 2 });
      const parent = await closing(one, dead, held);
      await one.parked(
        parent,
        { told: [{ seq: 1, kind: "map" }], knowsCancel: true },
        one.now + 30_000,
      );
      const live = await one.dies(dead);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2 }]);
      assert.deepEqual((await one.claim(live)).tasks, []);
    });
  });

  describe("an entry that is asked for again", () => {
    scene(
      backend,
      "moves from its holder into the queue without being there twice (I4, I11)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, { entries: [entry(1, { here: true, attempt: 1 })] });
        const retried = change(1, 0, {
          status: 0,
          delivery: undefined,
          value: "error",
          attempt: 1,
          failures: 1,
        });
        await one.parked(held, {
          changes: [retried],
          tasks: [newTask(1, { attempt: 1, failures: 1, delayMs: 100, error: "error" })],
        });
        one.clock.advance(100);
        assertPart(await one.claimTask(session), { attempt: 2, failures: 1 });
      },
    );
  });
}

function outcomesOf(session: number, task: ClaimedTask, outcome = completed): Transition[] {
  return task.items.map(({ item }) => ({
    kind: "task",
    request: taskOutcome(session, task, outcome, item),
  }));
}

/** Its holder again, after a message. */
async function woken(one: Scene, session: number, held: Held): Promise<Held> {
  await one.signal(held.id, "1");
  const { executions } = await one.claim(session, { limit: 0 });
  const [row] = executions;
  assert.ok(row !== undefined && executions.length === 1);
  return { ...held, session, claim: row.claim, wakeSeq: row.wakeSeq };
}

/** Its holder again, after a cancel. */
async function closing(one: Scene, session: number, held: Held): Promise<Held> {
  await one.cancel(held.id);
  const { executions } = await one.claim(session, { limit: 0 });
  const [row] = executions;
  assert.ok(row !== undefined && row.state === "cancelling");
  return { ...held, session, claim: row.claim, wakeSeq: row.wakeSeq };
}
