import assert from "node:assert/strict";
import { describe } from "node:test";
import type { ClaimAnswer, Lane, Transition } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  again,
  completed,
  dispatchOf,
  ended,
  entry,
  failed,
  newExecution,
  newTask,
  park,
  scene,
  taskOutcome,
} from "./scene.ts";

/** Who gets what, and in which order. */
export function claimConformance(backend: ConformanceBackend): void {
  describe("claiming", () => {
    scene(backend, "takes each execution once", async (one) => {
      const [a, b] = [await one.register(), await one.register()];
      await one.dispatch({ id: "x" });
      const claim = (session: number): Transition => ({
        kind: "claim",
        request: { session, limit: 9, turns: 9, accepts: () => true, suspects: true },
      });
      const settled = await one.commit(claim(a), claim(b), claim(a));
      const counts = settled.map((one) =>
        "answer" in one ? (one.answer as ClaimAnswer).executions.length : -1,
      );
      assert.deepEqual(counts, [1, 0, 0]);
    });

    scene(
      backend,
      "never uses a claim number twice, whatever happens in between (S2)",
      async (one) => {
        const session = await one.register();
        const held = await one.calling(session, { id: "x" });
        const seen = [1];
        const claimed = async (by: number): Promise<void> => {
          await one.signal("x", "1");
          const { claim } = await one.claimOne(by);
          seen.push(claim);
        };
        const task = await one.claimTask(session);
        await claimed(session);
        const second = await one.dies(session);
        const { executions } = await one.claim(second);
        seen.push(executions[0]?.claim ?? 0);
        await one.cancel("x", { force: true });
        await one.dispatch({ id: "x" }, { ifExists: "restart-if-failed" });
        seen.push((await one.claimOne(second)).claim);
        await one.cancel("x", { force: true });
        await one.retry("x", "start");
        seen.push((await one.claimOne(second)).claim);
        assert.deepEqual(
          seen,
          [...new Set(seen)].toSorted((x, y) => x - y),
        );
        assert.equal(await one.outcome(session, task, completed), "refused");
        assert.equal(held.execution, await one.key("x"));
      },
    );

    scene(backend, "of a dead session takes nothing (I3)", async (one) => {
      const dead = await one.register();
      await one.dies(dead);
      await one.dispatch();
      assertPart(await one.claim(dead), { kind: "refused", executions: [], tasks: [] });
    });

    scene(
      backend,
      "takes higher priorities first, then what has been due longest, over lanes, executions and tasks",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { id: "caller" });
        const order: string[] = [];
        const dispatch = (id: string, priority: number, name = "flow"): Promise<unknown> =>
          one.dispatch({ id, priority, name });
        await dispatch("low", -5);
        one.clock.advance(1);
        await dispatch("b1", 0, "other");
        one.clock.advance(1);
        await one.parked(held, {
          entries: [entry(1), entry(2)],
          tasks: [newTask(1), newTask(2, { priority: 9 })],
        });
        one.clock.advance(1);
        await dispatch("b2", 0);
        await dispatch("high", 9, "third");
        for (let left = 6; left > 0; left -= 1) {
          const { executions, tasks, more } = await one.claim(session, { limit: 1, turns: 0 });
          order.push(
            ...executions.map((row) => row.id),
            ...tasks.map((task) => `task ${task.path}`),
          );
          assert.equal(more, left > 1);
        }
        assert.deepEqual(order, ["task 2", "high", "b1", "task 1", "b2", "low"]);
      },
    );

    scene(backend, "takes nothing before its time, and says when that is (I7)", async (one) => {
      const session = await one.register();
      await one.dispatch({ id: "later", delayMs: 50 });
      await one.dispatch({ id: "soon", delayMs: 20, name: "other" });
      assertPart(await one.claim(session), {
        executions: [],
        more: false,
        nextDueAt: one.now + 20,
      });
      assertPart(await one.store.peek(() => true), {
        due: false,
        turns: false,
        wakes: false,
        nextDueAt: one.now + 20,
        now: one.now,
      });
      assertPart(await one.store.peek((lane) => lane.name === "flow"), { nextDueAt: one.now + 50 });
      one.clock.advance(20);
      assertPart(await one.store.peek(() => true), { due: true, nextDueAt: one.now + 30 });
      assert.equal((await one.claimOne(session)).id, "soon");
    });

    scene(
      backend,
      "looks where a look has found something, and nowhere else; what others have taken meanwhile is gone",
      async (one) => {
        const a = await one.register();
        const b = await one.register();
        await one.dispatch({ id: "low" });
        await one.dispatch({ id: "high", priority: 9 });
        const { due, heads } = await one.store.peek(() => true);
        assert.equal(due, true);
        await one.dispatch({ id: "other", name: "other" });
        assert.deepEqual(ids(await one.claim(a, { heads, limit: 1 })), ["high"]);
        const rest = await one.claim(b, { heads });
        assert.deepEqual([ids(rest), rest.more], [["low"], false]);
        const late = await one.claim(a, { heads });
        assert.deepEqual([ids(late), late.more], [[], false]);
        assert.ok(late.nextDueAt !== undefined && late.nextDueAt <= one.now + 10, "look again");
        assert.deepEqual(ids(await one.claim(a)), ["other"]);
      },
    );

    scene(
      backend,
      "takes only lanes that are accepted, whatever stands before them",
      async (one) => {
        const session = await one.register();
        const dispatches = Array.from({ length: 300 }, (_, index) =>
          newExecution({ id: `foreign-${index}`, name: `foreign-${index % 50}`, priority: 100 }),
        );
        await one.one("dispatch", dispatchOf(dispatches));
        await one.dispatch({ id: "mine" });
        const answer = await one.claim(session, {
          limit: 1,
          accepts: (lane) => lane.name === "flow",
        });
        assert.deepEqual([answer.executions.map((row) => row.id), answer.more], [["mine"], false]);
      },
    );

    scene(
      backend,
      "takes workflows that have begun beside what needs a slot, however long the queue is",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { id: "begun" });
        await one.parked(held, { entries: [entry(1, { kind: "signal" })] });
        await one.one(
          "dispatch",
          dispatchOf(Array.from({ length: 500 }, (_, index) => newExecution({ id: `n-${index}` }))),
        );
        one.clock.advance(1);
        await one.signal("begun", "1");
        const answer = await one.claim(session, { limit: 0, turns: 10 });
        assert.deepEqual([answer.executions.map((row) => row.id), answer.more], [["begun"], true]);
      },
    );

    scene(backend, "counts items of a range against the limit, and splits it", async (one) => {
      const session = await one.register();
      await one.mapping(session, 10);
      const first = await one.claim(session, { limit: 4 });
      assert.deepEqual(
        first.tasks.map((task) => task.items.map(({ item }) => item)),
        [[0, 1, 2, 3]],
      );
      assert.equal(first.more, true);
      const second = await one.claim(session, { limit: 4 });
      const third = await one.claim(session, { limit: 4 });
      assert.deepEqual(
        [second, third].map(({ tasks, more }) => [tasks[0]?.items.map(({ item }) => item), more]),
        [
          [[4, 5, 6, 7], true],
          [[8, 9], false],
        ],
      );
      assert.deepEqual(second.tasks[0]?.items[0], { item: 4, input: "in-4" });
      assert.equal(
        new Set([...first.tasks, ...second.tasks, ...third.tasks].map((task) => task.key)).size,
        3,
      );
    });

    scene(backend, "begins a workflow that has a slot, and says that it is fresh", async (one) => {
      const session = await one.register();
      await one.dispatch({ id: "x", maxDurationMs: 70 });
      const { row } = await one.claimOne(session);
      assertPart(row, {
        state: "running",
        fresh: true,
        blocked: false,
        marks: 0,
        attempt: 1,
        run: 1,
        cut: 0,
        deadline: one.now + 70,
        wakeSeq: 0,
      });
      assert.equal((await one.row("x")).startedAt, one.now);
    });

    scene(
      backend,
      "passes over a task whose execution has nothing for it any more",
      async (one) => {
        const session = await one.register();
        await one.calling(session, { id: "x" });
        await one.cancel("x", { force: true });
        assert.deepEqual((await one.claim(session)).tasks, []);
      },
    );
  });

  describe("lanes", () => {
    scene(
      backend,
      "are as many as there are combinations of function, version, queue and tags",
      async (one) => {
        const session = await one.register();
        const parts = [
          {},
          { version: "1" },
          { queue: "q" },
          { tags: ["a"] },
          { tags: ["a", "b"] },
          { name: "other" },
          { kind: "activity" as const },
        ];
        for (const [round, prefix] of ["x", "y"].entries()) {
          for (const [index, part] of parts.entries())
            await one.dispatch({ id: `${prefix}-${index}`, ...part });
          assert.equal((await one.store.lanes()).length, parts.length, `round ${round}`);
        }
        const seen: Lane[] = [];
        await one.claim(session, { limit: 0, accepts: (lane) => (seen.push(lane), false) });
        const { key: _key, ...last } = seen.find((lane) => lane.tags.length === 2) ?? { key: 0 };
        assert.deepEqual(last, {
          kind: "workflow",
          name: "flow",
          version: undefined,
          queue: undefined,
          tags: ["a", "b"],
        });
      },
    );

    scene(backend, "tell a name with a comma, a quote or NUL from two", async (one) => {
      await one.dispatch({ id: "1", tags: ["a,b"] });
      await one.dispatch({ id: "2", tags: ["a", "b"] });
      await one.dispatch({ id: "3", name: 'f"', queue: "q" });
      await one.dispatch({ id: "4", name: "f", queue: '"q' });
      assert.equal((await one.store.lanes()).length, 4);
    });

    scene(
      backend,
      "made by a transition that is refused are not known afterwards under another's key",
      async (one) => {
        const session = await one.register();
        await one.dispatch({ id: "taken" });
        const held = await one.start(session, { id: "h" });
        const seen: string[] = [];
        const accepts = (lane: Lane): boolean => (seen.push(lane.name), lane.name === "mine");
        const bad: Transition = {
          kind: "dispatch",
          request: dispatchOf([
            newExecution({ id: "p", name: "lost" }),
            newExecution({ id: "q", name: "mine", input: undefined as never }),
          ]),
        };
        const claim: Transition = {
          kind: "claim",
          request: { session, limit: 9, turns: 9, accepts, suspects: true },
        };
        const [first] = await one.commit(bad, claim);
        assert.ok(first !== undefined && "error" in first);
        await one.dispatch({ id: "r", name: "foreign" });
        await one.dispatch({ id: "s", name: "mine" });
        const { executions } = await one.claim(session, { accepts });
        assert.deepEqual(
          executions.map((row) => [row.id, row.name]),
          [["s", "mine"]],
        );
        await one.end(held);
      },
    );

    scene(backend, "of ten queues, ten tags and three priorities are all served", async (one) => {
      const session = await one.register();
      const all = Array.from({ length: 300 }, (_, index) =>
        newExecution({
          id: `n-${index}`,
          queue: `q-${index % 10}`,
          tags: [`t-${Math.floor(index / 10) % 10}`],
          priority: Math.floor(index / 100),
        }),
      );
      await one.one("dispatch", dispatchOf(all));
      const { executions } = await one.claim(session, {
        limit: 300,
        accepts: (lane) => lane.queue !== "q-3",
      });
      assert.equal(executions.length, 270);
      const priorities = executions.map((row) => row.priority);
      assert.deepEqual(
        priorities,
        priorities.toSorted((a, b) => b - a),
      );
      assertPart(await one.store.peek((lane) => lane.queue === "q-3"), { due: true });
    });
  });

  describe("a task whose end is told twice in one commit", () => {
    scene(backend, "has ended by the first, and the second is refused", async (one) => {
      const session = await one.register();
      for (const [first, second] of [
        [completed, completed],
        [failed, again(5)],
        [again(5), completed],
      ] as const) {
        const held = await one.calling(session);
        const task = await one.claimTask(session);
        const told = [first, second].map((outcome): Transition => {
          return { kind: "task", request: taskOutcome(session, task, outcome) };
        });
        assert.deepEqual(await one.commit(...told), [{ answer: "stored" }, { answer: "refused" }]);
        const ended = first.kind === "again" ? 0 : 1;
        assert.equal((await one.arrivals(held.id)).length, ended);
        assert.equal(await one.count("tasks", `execution = ${held.execution}`), 1 - ended);
        await one.cancel(held.id, { force: true });
      }
    });
  });

  describe("retrying a task", () => {
    scene(backend, "puts it back for its time, with what is known of it (I5, I7)", async (one) => {
      const session = await one.register();
      const held = await one.calling(session);
      const task = await one.claimTask(session);
      assertPart(task, {
        attempt: 1,
        failures: 0,
        marks: 0,
        seq: 1,
        path: "1",
        executionId: held.id,
        items: [{ item: undefined, input: "[]" }],
      });
      await one.outcome(session, task, again(100));
      const [waiting] = await one.store.tasks({ execution: held.execution, limit: 9 });
      assertPart(waiting, {
        attempt: 1,
        failures: 1,
        dueAt: one.now + 100,
        worker: undefined,
        error: "error",
        startedAt: undefined,
      });
      assert.deepEqual((await one.claim(session)).tasks, []);
      one.clock.advance(100);
      const second = await one.claimTask(session);
      assertPart(second, { key: task.key, claim: 2, attempt: 2, failures: 1 });
      assert.equal(await one.outcome(session, task, completed), "refused");
      assert.equal(await one.outcome(session, second, completed), "stored");
    });
  });

  describe("a job", () => {
    scene(
      backend,
      "needs a slot for every attempt, and counts each that was begun",
      async (one) => {
        const session = await one.register();
        await one.dispatch({ id: "job", kind: "activity" });
        assert.equal((await one.claim(session, { limit: 0 })).more, true);
        const first = await one.claimOne(session);
        const second = await one.dies(session);
        assert.deepEqual((await one.claim(second, { limit: 0 })).executions, []);
        const held = await one.claimOne(second);
        assert.deepEqual(
          [first.row.attempt, held.row.attempt, held.row.failures, held.row.marks],
          [1, 2, 0, 1],
        );
        await one.stored(held, { clearMarks: true }, ended());
        assert.equal(await one.count("marks"), 0);
      },
    );
  });

  describe("a task taken with its turn", () => {
    scene(backend, "is held by the session at once, as its first claim", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      const parts = {
        entries: [entry(1, { kind: "map" })],
        fanouts: [{ seq: 1, inputs: ["a", "b", "c"], tolerated: 0, released: 3 }],
      };
      const tasks = [
        newTask(1, { itemFrom: 0, itemTo: 2, here: true }),
        newTask(1, { itemFrom: 2, itemTo: 3 }),
      ];
      const { taken } = await one.stored(held, { ...parts, tasks }, park());
      const [row, rest] = await one.store.tasks({ execution: held.execution, limit: 9 });
      assert.deepEqual(taken, [{ key: row?.key, claim: 1 }]);
      assertPart(row, { worker: session, attempt: 1, itemFrom: 0, itemTo: 2 });
      assertPart(rest, { worker: undefined, attempt: 0 });
    });
  });
}

function ids({ executions }: ClaimAnswer): string[] {
  return executions.map(({ id }) => id);
}
