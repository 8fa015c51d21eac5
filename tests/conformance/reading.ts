import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Finished } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  change,
  completed,
  dispatchOf,
  ended,
  entry,
  newExecution,
  newTask,
  scene,
} from "./scene.ts";

/** Before everything that has ended. */
const first: Finished = { endedAt: -1, key: 0 };

/** Looking things up, dead letters, and removing what is over. */
export function readingConformance(backend: ConformanceBackend): void {
  describe("a journal for replay", () => {
    scene(backend, "is in order, and has nothing of what steps were given", async (one) => {
      const held = await one.start(await one.register());
      const cancel = {
        kind: "cancel",
        path: "cancel",
        input: "awaited",
        status: 2,
        value: "why",
      } as const;
      await one.stored(held, {
        entries: [
          entry(1, { status: 1, value: "done", delivery: 1 }),
          entry(2, { kind: "sendSignal", name: "go", input: "message" }),
          entry(3, cancel),
        ],
      });
      const rows = await one.store.journal(held.execution, held.run);
      assert.deepEqual(
        rows.map(({ seq, input, value }) => [seq, input, value]),
        [
          [1, null, "done"],
          [2, null, null],
          [3, "awaited", "why"],
        ],
      );
    });
  });

  describe("listing executions", () => {
    scene(backend, "is newest first, in pages", async (one) => {
      await one.one(
        "dispatch",
        dispatchOf(Array.from({ length: 25 }, (_, index) => newExecution({ id: `n-${index}` }))),
      );
      const seen: string[] = [];
      for (let before = Number.MAX_SAFE_INTEGER; ;) {
        const rows = await one.store.executions({ limit: 10, before });
        seen.push(...rows.map((row) => row.id));
        const last = rows.at(-1);
        if (last === undefined || rows.length < 10) break;
        before = last.key;
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 25 }, (_, index) => `n-${24 - index}`),
      );
      assert.equal((await one.store.executions({ limit: 10, offset: 20 })).length, 5);
      assert.equal(await one.store.countExecutions({}), 25);
    });

    scene(backend, "is by kind, state, name, queue, tag, parent, time and error", async (one) => {
      const session = await one.register();
      const { parent, child } = await one.family(session);
      const job = await one.start(session, {
        id: "job",
        kind: "activity",
        name: "work",
        queue: "q",
        tags: ["a", "b"],
      });
      one.clock.advance(10);
      await one.stored(job, {}, ended("failed"));
      await one.dispatch({ id: "late" });
      const found = async (query: object): Promise<string[]> => {
        const rows = await one.store.executions({ ...query, limit: 99 });
        assert.equal(await one.store.countExecutions(query), rows.length);
        return rows.map((row) => row.id).toSorted();
      };
      assert.deepEqual(await found({ kind: "activity" }), ["job"]);
      assert.deepEqual(await found({ states: ["failed", "running"] }), ["job", parent.id]);
      assert.deepEqual(await found({ states: [] }), []);
      assert.deepEqual(await found({ name: "work" }), ["job"]);
      assert.deepEqual(await found({ queue: "q" }), ["job"]);
      assert.deepEqual(await found({ queue: "default" }), ["late", parent.id, child]);
      assert.deepEqual(await found({ tag: "b" }), ["job"]);
      assert.deepEqual(await found({ parentId: parent.id }), [child]);
      assert.deepEqual(await found({ parentId: "nobody" }), []);
      assert.deepEqual(await found({ since: one.now }), ["late"]);
      assert.deepEqual(await found({ until: one.now - 1 }), ["job", parent.id, child]);
      assert.deepEqual(await found({ error: "RESULT" }), ["job"]);
      assert.equal((await one.row(child)).parentId, parent.id);
    });

    scene(backend, "answers which of many ids have ended or are gone, and how", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "a" });
      await one.dispatch({ id: "b" });
      await one.end(held);
      assert.deepEqual(await one.store.ended(["a", "b", "c"]), [
        { id: "a", state: "completed", result: "result completed" },
        { id: "c", state: undefined, result: undefined },
      ]);
      assert.deepEqual(await one.store.ended([]), []);
    });
  });

  describe("reading an execution", () => {
    scene(
      backend,
      "pages through its journal, from either end, and finds what waits",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, {
          entries: Array.from({ length: 9 }, (_, index) =>
            entry(index + 1, {
              here: true,
              kind: index === 4 ? "now" : index === 6 ? "progress" : "call",
              path: `p-${index}`,
              value: "long",
            }),
          ),
        });
        await one.stored(held, { changes: [1, 2, 3].map((seq) => change(seq, seq)) });
        const seqs = (rows: readonly { readonly seq: number }[]): number[] =>
          rows.map((row) => row.seq);
        assert.deepEqual(
          seqs(await one.store.entries(held.execution, 1, { after: 3, limit: 2 })),
          [4, 5],
        );
        assert.deepEqual(seqs(await one.store.entries(held.execution, 2)), []);
        assert.deepEqual(seqs(await one.store.newestEntries(held.execution, 1, 2)), [9, 8]);
        const steps = await one.store.newestSteps(held.execution, 1, 4);
        assert.deepEqual(seqs(steps), [9, 8, 7, 6]);
        assert.deepEqual(
          steps.map((step) => step.value),
          [undefined, undefined, "long", undefined],
        );
        assert.deepEqual(seqs(await one.store.pendingEntries(held.execution, 1, 3)), [4, 5, 6]);
        assertPart(await one.store.begunEntries({ execution: held.execution, seq: 7 }, 9), [
          { seq: 8, execution: held.execution, worker: session },
          { seq: 9 },
        ]);
      },
    );

    scene(backend, "pages through the items of a map", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 5);
      const task = await one.claimTask(session, { limit: 1 });
      await one.outcome(session, task, completed, 0);
      const [first, second] = await one.store.itemPage(held.execution, 1, 1, {
        after: -1,
        limit: 2,
      });
      assert.deepEqual(first, {
        item: 0,
        input: "in-0",
        status: 1,
        value: "done",
        attempt: 1,
        endedAt: one.now,
        apart: false,
      });
      assertPart(second, { item: 1, status: 0 });
      assert.equal(
        (await one.store.itemPage(held.execution, 1, 1, { after: 1, limit: 9 })).length,
        3,
      );
    });

    scene(
      backend,
      "lists tasks by execution, queue and whether they run, and counts what waits",
      async (one) => {
        const session = await one.register();
        await one.mapping(session, 10);
        const held = await one.start(session);
        await one.stored(held, {
          entries: [entry(1)],
          tasks: [newTask(1, { queue: "q", priority: 2, tags: ["t"] })],
        });
        await one.dispatch({ id: "pending" });
        await one.claimTask(session, {
          limit: 4,
          accepts: (lane) => lane.kind === "activity" && lane.queue === undefined,
        });
        const sizes = async (query: object): Promise<number> =>
          (await one.store.tasks({ ...query, limit: 9 })).length;
        assert.deepEqual(
          [
            await sizes({}),
            await sizes({ running: true }),
            await sizes({ running: false }),
            await sizes({ queue: "q" }),
            await sizes({ queue: "default" }),
          ],
          [3, 1, 2, 1, 2],
        );
        assertPart(await one.store.tasks({ execution: held.execution, limit: 9 }), [
          { executionId: held.id, queue: "q", priority: 2, tags: ["t"], path: "1", name: "work" },
        ]);
        assert.deepEqual(
          [
            await one.store.queueDepth(undefined),
            await one.store.queueDepth("q"),
            await one.store.queueDepth("default"),
          ],
          [12, 1, 11],
        );
      },
    );

    scene(backend, "lists its children of some states", async (one) => {
      const session = await one.register();
      const { parent, child } = await one.family(session);
      assert.deepEqual(
        (await one.store.children(parent.execution, ["running"], 9)).map((row) => row.id),
        [],
      );
      assert.deepEqual(
        (await one.store.children(parent.execution, ["running", "pending"], 9)).map(
          (row) => row.id,
        ),
        [child],
      );
      assert.deepEqual(
        (await one.store.children(parent.execution, ["pending"], 0)).map((row) => row.id),
        [],
      );
    });

    scene(backend, "of one that is not there is undefined", async (one) => {
      assert.deepEqual(
        [
          await one.store.execution("x"),
          await one.store.executionByKey(1),
          await one.store.outcome("x"),
          await one.store.deadLetter("x"),
        ],
        [undefined, undefined, undefined, undefined],
      );
    });
  });

  describe("dead letters", () => {
    scene(
      backend,
      "are kept with the end that made them, once a task, and can be discarded (I11)",
      async (one) => {
        const session = await one.register();
        for (const id of ["a", "b", "c"])
          await one.stored(
            await one.start(session, { id }),
            {},
            ended("failed", { deadLetter: id === "c" ? "b/1/1" : `${id}/1/1` }),
          );
        const letters = await one.store.deadLetters({ limit: 9 });
        assert.deepEqual(
          letters.map((letter) => [
            letter.task,
            letter.executionId,
            letter.reason,
            letter.error,
            letter.record,
          ]),
          [
            ["b/1/1", "b", "failed", "why", "{}"],
            ["a/1/1", "a", "failed", "why", "{}"],
          ],
        );
        assert.deepEqual(
          (await one.store.deadLetters({ limit: 9, before: letters[0]?.key ?? 0 })).map(
            (letter) => letter.task,
          ),
          ["a/1/1"],
        );
        assert.equal((await one.store.deadLetter("a/1/1"))?.executionId, "a");
        assert.equal(await one.one("discardDeadLetter", { task: "a/1/1" }), true);
        assert.equal(await one.one("discardDeadLetter", { task: "a/1/1" }), false);
      },
    );

    scene(backend, "are removed when they are old", async (one) => {
      const session = await one.register();
      await one.stored(await one.start(session), {}, ended("failed", { deadLetter: "t" }));
      one.clock.advance(10);
      const sweep = { gatesAfter: 0, limit: 9 };
      await one.one("sweep", { ...sweep, lettersBefore: one.now - 10 });
      assert.equal(await one.count("dead_letters"), 1);
      await one.one("sweep", { ...sweep, lettersBefore: one.now });
      assert.equal(await one.count("dead_letters"), 0);
    });
  });

  describe("removing", () => {
    scene(
      backend,
      "takes all that belongs to an execution, and leaves its neighbours",
      async (one) => {
        const session = await one.register();
        const other = await one.mapping(session, 2);
        const held = await one.mapping(session, 2);
        const { tasks } = await one.claim(session);
        const task = tasks.find((task) => task.execution === held.execution);
        assert.ok(task !== undefined);
        await one.outcome(session, task, { kind: "completed", value: "v", records: "r" }, 0);
        await one.signal(held.id, "1");
        const again = await one.claimOne(session);
        await one.stored(
          again,
          { counters: [{ name: "n", value: 1 }], state: [{ name: "s", value: "v" }] },
          ended("failed", { deadLetter: "t" }),
        );
        assert.deepEqual(await one.one("remove", { keys: [held.execution, other.execution] }), {
          removed: [held.id],
          looked: 2,
          left: false,
        });
        for (const table of ["counters", "state", "signals", "dead_letters", "arrivals"])
          assert.equal(await one.count(table), 0, table);
        for (const table of ["executions", "journal", "fanouts", "tasks"])
          assert.equal(await one.count(table), 1, table);
        assert.equal(await one.count("items"), 2);
      },
    );

    scene(
      backend,
      "takes the children of a finished root with it, and not before they have ended",
      async (one) => {
        const session = await one.register();
        const { parent, child } = await one.family(session);
        const held = await one.claimOne(session);
        await one.cancel(parent.id);
        await one.end(await one.claimOne(session), { knowsCancel: true }, "cancelled");
        const keys = [parent.execution];
        const nothing = { removed: [], looked: 1, left: false };
        assert.deepEqual(await one.one("remove", { keys }), nothing);
        await one.end(held);
        const { removed } = await one.one("remove", { keys });
        assert.deepEqual(removed.toSorted(), [child, parent.id].toSorted());
      },
    );

    scene(
      backend,
      "keeps the child of a current run while its root goes on; that of an earlier run goes",
      async (one) => {
        const session = await one.register();
        const { parent, child } = await one.family(session);
        const key = await one.key(child);
        await one.end(await one.claimOne(session));
        one.clock.advance(10);
        assert.deepEqual(await one.store.finishedBefore(one.now, first, 9), []);
        assert.deepEqual((await one.one("remove", { keys: [key] })).removed, []);
        const held = await one.claimOne(session);
        assert.equal(held.id, parent.id);
        await one.stored(
          held,
          {},
          { kind: "again", delayMs: 0, failures: 1, result: undefined, newRun: true },
        );
        assert.deepEqual(await one.store.finishedBefore(one.now, first, 9), [
          { key, endedAt: one.now - 10 },
        ]);
        assert.deepEqual((await one.one("remove", { keys: [key] })).removed, [child]);
      },
    );

    scene(backend, "finds roots that had ended by a time, in pages", async (one) => {
      const session = await one.register();
      const ends: Finished[] = [];
      for (let index = 0; index < 5; index += 1) {
        const held = await one.start(session, { id: `n-${index}` });
        await one.end(held);
        ends.push({ key: held.execution, endedAt: one.now });
        if (index !== 1) one.clock.advance(1);
      }
      assert.deepEqual(await one.store.finishedBefore(one.now - 2, first, 2), ends.slice(0, 2));
      assert.deepEqual(
        await one.store.finishedBefore(one.now - 2, ends[1] ?? first, 9),
        ends.slice(2, 4),
      );
    });

    scene(backend, "never gives a key out twice", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { id: "a" });
      await one.end(held);
      await one.one("remove", { keys: [held.execution] });
      assert.ok((await one.start(session, { id: "a" })).execution > held.execution);
      const task = (await one.calling(session, { id: "b" })).execution;
      const first = await one.claimTask(session);
      await one.outcome(session, first, completed);
      const again = await one.claimOne(session);
      assert.equal(again.execution, task);
      const [arrival] = await one.arrivals("b");
      await one.parked(again, {
        arrived: [arrival?.key ?? 0],
        changes: [change(1, 1)],
        entries: [entry(2)],
        tasks: [newTask(2)],
      });
      assert.ok((await one.claimTask(session)).key > first.key);
    });
  });
}
