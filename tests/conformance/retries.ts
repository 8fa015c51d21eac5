import assert from "node:assert/strict";
import { describe } from "node:test";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  change,
  completed,
  ended,
  entry,
  failed,
  newChild,
  newTask,
  park,
  scene,
  type Held,
  type Scene,
} from "./scene.ts";

/** Going on after a failure, and starting anew. */
export function retryConformance(backend: ConformanceBackend): void {
  describe("going on after a failure", () => {
    scene(
      backend,
      "is refused for nobody, for what is under way, and for what has nothing to go on from (I2)",
      async (one) => {
        const session = await one.register();
        const [a, b, c] = [
          await one.start(session),
          await one.start(session),
          await one.start(session),
        ];
        await one.end(b);
        await one.end(c, {}, "cancelled");
        assert.deepEqual(await one.retry("nobody"), { kind: "not-found" });
        assert.deepEqual(await one.retry(a.id), { kind: "running" });
        assert.deepEqual(
          [await one.retry(b.id), await one.retry(b.id, "start"), await one.retry(c.id)],
          [{ kind: "finished" }, { kind: "finished" }, { kind: "finished" }],
        );
        await one.end(a);
      },
    );

    scene(
      backend,
      "asks for what failed anew, and delivers again what has a value (I1)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { maxDurationMs: 1_000 });
        const here = { here: true, attempt: 1 };
        await one.stored(held, {
          entries: [
            entry(1, here),
            entry(2, { ...here, scheduledAt: one.now, dueAt: one.now + 40 }),
            entry(3, here),
            entry(4, here),
          ],
        });
        await one.stored(held, { changes: [change(1, 1)] });
        await one.stored(
          held,
          {
            changes: [
              change(2, 2, { status: 2, value: "error", attempt: 3, failures: 3 }),
              change(3, 3, { value: "three" }),
            ],
            withdrawn: [{ seq: 4, kind: "call" }],
          },
          ended("failed", { failedBy: 2, deadLetter: "t" }),
        );
        one.clock.advance(500);
        assert.deepEqual(await one.retry(held.id), { kind: "done" });
        const [first, second, third, fourth] = await one.store.entries(held.execution, 1);
        assertPart(first, { status: 1, delivery: 1, value: "value" });
        assertPart(second, {
          status: 0,
          delivery: undefined,
          value: undefined,
          attempt: 0,
          failures: 0,
          startedAt: undefined,
          endedAt: undefined,
          dueAt: one.now + 40,
        });
        assertPart(third, { status: 1, delivery: undefined, value: "three" });
        assertPart(fourth, { status: 0, delivery: undefined });
        assertPart(await one.row(held.id), {
          state: "running",
          run: 1,
          cut: 1,
          attempt: 1,
          failures: 0,
          result: undefined,
          endedAt: undefined,
          failedBy: undefined,
          dueAt: one.now,
          deadline: one.now + 1_000,
        });
        assert.deepEqual(await one.store.deadLetters({ limit: 9 }), []);
        const again = await one.claimOne(session);
        assert.deepEqual([again.row.cut, again.row.fresh], [1, false]);
        await one.stored(again, { entries: [entry(5)] });
        assert.equal((await one.store.entries(held.execution, 1)).at(-1)?.cut, 1);
      },
    );

    scene(backend, "lets a call of one attempt begin once more", async (one) => {
      const session = await one.register();
      const held = await one.calling(session);
      await one.outcome(session, await one.claimTask(session), failed);
      await failBy(one, session, held);
      await one.retry(held.id);
      const again = await one.claimOne(session);
      const [row] = await one.store.entries(held.execution, 1);
      await one.parked(again, { tasks: [newTask(1, { attempt: row?.attempt ?? 9 })] });
      assert.equal((await one.claimTask(session)).attempt, 1);
    });

    scene(
      backend,
      "takes back what was reached later: entries, counters, state and messages (I6)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, {
          entries: [
            entry(1, { here: true }),
            entry(2, {
              path: "1#n",
              kind: "counters.add",
              name: "n",
              input: undefined,
              value: "1",
              status: 1,
              reached: 0,
            }),
            entry(3, {
              path: "1#s",
              kind: "state.set",
              name: "s",
              input: undefined,
              value: '"a"',
              status: 1,
              reached: 0,
            }),
          ],
          counters: [{ name: "n", value: 1 }],
          state: [{ name: "s", value: '"a"' }],
        });
        await one.signal(held.id, "m");
        const fresh = await one.refreshed(held);
        const [message] = await one.store.inbox(held.execution, "go", 1);
        await one.stored(fresh, {
          changes: [change(1, 1, { status: 2, value: "error" })],
          entries: [
            entry(4, {
              kind: "counters.add",
              path: "2#n",
              name: "n",
              input: "1",
              value: "4",
              status: 1,
              reached: 1,
            }),
            entry(5, {
              kind: "state.set",
              path: "2#s",
              name: "s",
              input: '"a"',
              value: '"b"',
              status: 1,
              reached: 1,
            }),
            entry(6, {
              kind: "counters.add",
              path: "2#k",
              name: "k",
              input: undefined,
              value: "1",
              status: 1,
              reached: 1,
            }),
            entry(7, { kind: "signal", status: 1, value: "m", reached: 1, delivery: 2 }),
          ],
          counters: [
            { name: "n", value: 5 },
            { name: "k", value: 1 },
          ],
          state: [{ name: "s", value: '"b"' }],
          consumed: [{ signal: message?.key ?? 0, seq: 7 }],
        });
        await one.end(fresh, {}, "failed", 1);
        assert.deepEqual(await one.retry(held.id), { kind: "done" });
        assert.deepEqual(await one.store.counters(held.execution), [{ name: "n", value: 1 }]);
        assert.deepEqual(await one.store.state(held.execution), [{ name: "s", value: '"a"' }]);
        assert.deepEqual(
          (await one.store.inbox(held.execution, "go", 9)).map((row) => row.payload),
          ["m"],
        );
        assert.deepEqual(
          (await one.store.entries(held.execution, 1)).map((row) => row.seq),
          [1, 2, 3],
        );
      },
    );

    scene(backend, "leaves alone what had lost its race before the failure", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      const loser = newChild(2, "loser");
      await one.stored(held, {
        entries: [entry(1, { here: true }), entry(2, { kind: "child" }), entry(3, { here: true })],
        children: [loser],
      });
      await one.stored(held, {
        changes: [change(1, 1)],
        withdrawn: [
          { seq: 2, kind: "child" },
          { seq: 3, kind: "call" },
        ],
        entries: [entry(4, { here: true, reached: 1 }), entry(5, { status: 3, reached: 1 })],
      });
      assert.equal(await one.state("loser"), "cancelled");
      await one.stored(
        held,
        { changes: [change(4, 2, { status: 2, value: "error" })] },
        ended("failed", { failedBy: 2 }),
      );
      await one.retry(held.id);
      assert.deepEqual(
        (await one.store.entries(held.execution, 1)).map((row) => row.status),
        [1, 3, 3, 0, 3],
      );
      assert.equal(await one.state("loser"), "cancelled");
    });

    scene(
      backend,
      "is refused where something was done in the world since, and forced all the same",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, { entries: [entry(1, { here: true })] });
        const release = entry(2, { name: "release", here: true, reached: 1 });
        await one.stored(held, {
          changes: [change(1, 1, { status: 2, value: "error" })],
          entries: [release],
        });
        await one.stored(held, { changes: [change(2, 2)] }, ended("failed", { failedBy: 1 }));
        assert.deepEqual(await one.retry(held.id), {
          kind: "cleaned-up",
          executionId: held.id,
          steps: ["call(release)"],
        });
        assert.equal(await one.state(held.id), "failed");
        assert.deepEqual(await one.retry(held.id, "failure", true), { kind: "done" });
        assert.deepEqual(
          (await one.store.entries(held.execution, 1)).map((row) => row.seq),
          [1],
        );
      },
    );

    scene(
      backend,
      "keeps the items of a map that have a result, and asks for the others",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 5);
        const task = await one.claimTask(session);
        await one.outcome(session, task, completed, 1);
        await one.outcome(session, task, completed, 3);
        await one.outcome(session, task, failed, 0);
        await failBy(one, session, held);
        await one.retry(held.id);
        const again = await one.claim(session);
        assert.deepEqual(
          again.tasks.map((task) => [task.attempt, task.items.map(({ item }) => item)]),
          [
            [1, [0]],
            [1, [2]],
            [1, [4]],
          ],
        );
        for (const task of again.tasks)
          await one.outcome(session, task, completed, task.items[0]?.item);
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      },
    );

    scene(backend, "of a job begins it at once, with its attempts counted anew", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { kind: "activity" });
      await one.stored(
        held,
        {},
        { kind: "again", delayMs: 0, failures: 1, result: "e", newRun: false },
      );
      await one.end(await one.claimOne(session), {}, "failed");
      await one.retry(held.id);
      assertPart((await one.claimOne(session)).row, { attempt: 1, failures: 0, cut: 0, run: 1 });
    });

    scene(
      backend,
      "opens the child by which a parent failed, and all its parents, up to the root",
      async (one) => {
        const { root, middle, leaf } = await failedFamily(one);
        await one.retry(leaf.id);
        for (const id of [root.id, middle.id, leaf.id])
          assert.equal(await one.state(id), "running");
        assertPart(await one.store.entries(root.execution, 1), [
          { status: 0, delivery: undefined },
        ]);
      },
    );

    scene(
      backend,
      "of a root opens the child by which it failed, down to the task",
      async (one) => {
        const { root, middle, leaf } = await failedFamily(one);
        await one.retry(root.id);
        for (const id of [root.id, middle.id, leaf.id])
          assert.equal(await one.state(id), "running");
      },
    );

    scene(backend, "refuses all where one is to be refused, and names it", async (one) => {
      const { root, middle, leaf } = await failedFamily(one, { cleaned: true });
      for (const id of [leaf.id, root.id]) {
        assert.deepEqual(await one.retry(id), {
          kind: "cleaned-up",
          executionId: middle.id,
          steps: ["call(release)"],
        });
      }
      for (const id of [root.id, middle.id, leaf.id]) assert.equal(await one.state(id), "failed");
    });

    scene(backend, "of a child leaves a parent alone that bore its failure", async (one) => {
      const session = await one.register();
      const { parent } = await one.family(session);
      const child = await one.claimOne(session);
      await one.end(child, {}, "failed");
      const held = await one.claimOne(session);
      const [arrival] = await one.arrivals(parent.id);
      await one.stored(held, {
        arrived: [arrival?.key ?? 0],
        changes: [change(1, 1, { status: 2, value: "error" })],
      });
      await one.end(held);
      await one.retry(child.id);
      assert.deepEqual(
        [await one.state(parent.id), await one.state(child.id)],
        ["completed", "running"],
      );
    });

    scene(
      backend,
      "of a child takes back an outcome that its parent has not seen yet",
      async (one) => {
        const session = await one.register();
        const { parent } = await one.family(session);
        const child = await one.claimOne(session);
        await one.end(child, {}, "failed");
        await one.retry(child.id);
        assert.deepEqual(await one.arrivals(parent.id), []);
        const { executions } = await one.claim(session);
        const again = executions.find((row) => row.id === child.id);
        const mother = executions.find((row) => row.id === parent.id);
        await one.parked({ ...parent, claim: mother?.claim ?? 0, wakeSeq: mother?.wakeSeq ?? 0 });
        await one.end({ ...child, claim: again?.claim ?? 0 });
        assertPart(await one.arrivals(parent.id), [{ status: 1 }]);
      },
    );

    scene(backend, "waits for siblings that are still closing", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      const children = [newChild(1, "bad"), newChild(2, "sibling")];
      await one.parked(held, {
        entries: [entry(1, { kind: "child" }), entry(2, { kind: "child" })],
        children,
      });
      const { executions } = await one.claim(session);
      const [bad, sibling] = executions.map((row): Held => ({
        session,
        claim: row.claim,
        execution: row.key,
        id: row.id,
        run: 1,
        wakeSeq: 0,
      }));
      assert.ok(bad !== undefined && sibling !== undefined);
      await one.end(bad, {}, "failed");
      const parent = await one.claimOne(session);
      const [arrival] = await one.arrivals(held.id);
      await one.stored(
        parent,
        {
          arrived: [arrival?.key ?? 0],
          changes: [change(1, 1, { status: 2, value: "error" })],
          withdrawn: [{ seq: 2, kind: "child" }],
        },
        ended("failed", { failedBy: 1 }),
      );
      assert.deepEqual(await one.retry(held.id), { kind: "running" });
      assert.equal(await one.state("bad"), "failed");
      await one.stored(await one.refreshed(sibling), { knowsCancel: true }, ended("cancelled"));
      assert.deepEqual(await one.retry(held.id), { kind: "done" });
      assertPart(await one.row("sibling"), { state: "pending", run: 2 });
    });

    scene(backend, "of a timeout goes back to before the close", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { maxDurationMs: 50 });
      await one.stored(held, {
        entries: [entry(1, { here: true }), entry(2, { here: true, dueAt: one.now + 70 })],
      });
      await one.stored(held, { changes: [change(1, 1)] });
      const close = entry(3, {
        path: "cancel",
        kind: "cancel",
        status: 2,
        reached: 2,
        delivery: 2,
      });
      await one.stored(
        held,
        { entries: [close], withdrawn: [{ seq: 2, kind: "call" }] },
        ended("timed_out"),
      );
      one.clock.advance(10);
      await one.retry(held.id);
      assert.deepEqual(
        (await one.store.entries(held.execution, 1)).map((row) => [
          row.seq,
          row.status,
          row.delivery,
        ]),
        [
          [1, 1, 1],
          [2, 0, undefined],
        ],
      );
      assert.equal((await one.row(held.id)).deadline, one.now + 50);
    });
  });

  describe("starting anew", () => {
    for (const state of ["failed", "timed_out", "cancelled"] as const) {
      scene(
        backend,
        `is a new run of what ended as ${state}, with its input, from the top`,
        async (one) => {
          const session = await one.register();
          const held = await one.start(session, { input: "[1]", maxDurationMs: 50 });
          await one.stored(held, {
            entries: [entry(1, { here: true })],
            counters: [{ name: "n", value: 1 }],
            state: [{ name: "s", value: "v" }],
          });
          await one.signal(held.id, "1");
          await one.stored(
            await one.refreshed(held),
            { knowsCancel: true },
            ended(state, { failedBy: 0, deadLetter: "t" }),
          );
          one.clock.advance(10);
          assert.deepEqual(await one.retry(held.id, "start"), { kind: "done" });
          assertPart(await one.row(held.id), {
            state: "pending",
            run: 2,
            attempt: 1,
            failures: 0,
            input: "[1]",
            deadline: one.now + 50,
            cancelReason: undefined,
            startedAt: undefined,
          });
          assert.equal(
            (await one.count("counters")) +
              (await one.count("state")) +
              (await one.count("dead_letters")),
            0,
          );
          assert.equal((await one.store.inbox(held.execution, "go", 9)).length, 1);
          const again = await one.claimOne(session);
          assert.deepEqual([again.row.fresh, again.row.run], [true, 2]);
        },
      );
    }

    scene(
      backend,
      "of what is blocked cancels the children that nobody waits for any more",
      async (one) => {
        const session = await one.register();
        const { parent, child } = await one.family(session);
        await one.signal(parent.id, "1");
        const { executions } = await one.claim(session);
        const [held, begun] = [
          executions.find((row) => row.id === parent.id),
          executions.find((row) => row.id === child),
        ];
        await one.stored(
          { ...parent, claim: held?.claim ?? 0, wakeSeq: held?.wakeSeq ?? 0 },
          {},
          { kind: "block", reason: "{}", deadLetter: undefined },
        );
        assert.deepEqual(await one.retry(parent.id, "start"), { kind: "done" });
        assertPart(await one.row(parent.id), { state: "pending", run: 2, blocked: undefined });
        assert.equal(await one.state(child), "cancelling");
        await one.stored(
          await one.refreshed({
            session,
            claim: begun?.claim ?? 0,
            execution: begun?.key ?? 0,
            id: child,
            run: 1,
            wakeSeq: 0,
          }),
          { knowsCancel: true },
          ended("cancelled"),
        );
        assert.equal(await one.count("arrivals"), 0);
      },
    );

    scene(backend, "of what is blocked and held shuts out its holder", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, {}, { kind: "block", reason: "{}", deadLetter: undefined });
      await one.signal(held.id, "1");
      const again = await one.claimOne(session);
      await one.retry(held.id, "start");
      assert.deepEqual(await one.turn(again, {}, park()), { kind: "refused", reason: "lost" });
    });

    scene(
      backend,
      "is not offered to a blocked one that goes on from where it stands",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(
          held,
          {},
          { kind: "block", reason: JSON.stringify({ kind: "poison" }), deadLetter: undefined },
        );
        assert.deepEqual(await one.retry(held.id), { kind: "done" });
        assertPart(await one.claimOne(session), { row: { blocked: false, run: 1, marks: 0 } });
      },
    );
  });
}

/** What has arrived is delivered, and the execution fails by it. */
async function failBy(one: Scene, session: number, held: Held): Promise<void> {
  const again = await one.claimOne(session);
  const [arrival] = await one.arrivals(held.id);
  await one.stored(
    again,
    { arrived: [arrival?.key ?? 0], changes: [change(1, 1, { status: 2, value: "error" })] },
    ended("failed", { failedBy: 1 }),
  );
}

/** A root that failed by its child, which failed by its own, which failed by a call. */
async function failedFamily(
  one: Scene,
  { cleaned = false } = {},
): Promise<{ readonly root: Held; readonly middle: Held; readonly leaf: Held }> {
  const session = await one.register();
  const root = await one.start(session, { id: "root" });
  await one.parked(root, {
    entries: [entry(1, { kind: "child" })],
    children: [newChild(1, "middle")],
  });
  const middle = await one.claimOne(session);
  await one.parked(middle, {
    entries: [entry(1, { kind: "child" })],
    children: [newChild(1, "leaf")],
  });
  const leaf = await one.claimOne(session);
  await one.stored(leaf, { entries: [entry(1, { here: true })] });
  await one.stored(
    leaf,
    { changes: [change(1, 1, { status: 2, value: "error" })] },
    ended("failed", { failedBy: 1 }),
  );
  const again = await one.claimOne(session);
  const [arrival] = await one.arrivals("middle");
  const failure = {
    arrived: [arrival?.key ?? 0],
    changes: [change(1, 1, { status: 2, value: "error" })],
  };
  if (cleaned) {
    await one.stored(again, {
      ...failure,
      entries: [entry(2, { name: "release", here: true, reached: 1 })],
    });
    await one.stored(again, { changes: [change(2, 2)] }, ended("failed", { failedBy: 1 }));
  } else await one.stored(again, failure, ended("failed", { failedBy: 1 }));
  await failBy(one, session, root);
  return { root, middle, leaf };
}
