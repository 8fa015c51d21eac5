import assert from "node:assert/strict";
import { describe } from "node:test";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import {
  change,
  completed,
  ended,
  entry,
  hold,
  newChild,
  newTask,
  park,
  scene,
  turnOf,
} from "./scene.ts";

/** What a holder stores, and what becomes of the execution. */
export function turnConformance(backend: ConformanceBackend): void {
  describe("a turn", () => {
    scene(backend, "stores entries, outcomes, counters and state together", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, {
        entries: [
          entry(1, { here: true, attempt: 1, dueAt: one.now + 5 }),
          entry(2, { kind: "sleep", dueAt: one.now + 7 }),
        ],
      });
      await one.stored(held, {
        changes: [change(1, 1, { value: "v" })],
        counters: [{ name: "n", value: 1.5 }],
        state: [{ name: "s", value: "x" }],
      });
      await one.stored(held, {
        counters: [{ name: "n", value: 3 }],
        state: [{ name: "s", value: "y" }],
      });
      const [first, second] = await one.store.entries(held.execution, 1);
      assertPart(first, {
        seq: 1,
        status: 1,
        value: "v",
        delivery: 1,
        worker: undefined,
        dueAt: one.now + 5,
      });
      assertPart(second, { seq: 2, status: 0, delivery: undefined });
      assert.deepEqual(await one.store.counters(held.execution), [{ name: "n", value: 3 }]);
      assert.deepEqual(await one.store.state(held.execution), [{ name: "s", value: "y" }]);
      await one.end(held);
    });

    scene(backend, "cannot change what has been delivered (I1)", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, { entries: [entry(1, { here: true })] });
      await one.stored(held, { changes: [change(1, 1)] });
      await assert.rejects(
        one.turn(held, { changes: [change(1, 2, { value: "other" })] }),
        /delivered already/,
      );
      assert.equal((await one.store.entries(held.execution, 1))[0]?.value, "value");
      await one.end(held);
    });

    scene(
      backend,
      "of a stale claim, another session or an earlier run is refused (S2)",
      async (one) => {
        const session = await one.register();
        const other = await one.register();
        const held = await one.start(session);
        const turns = [
          { ...held, claim: 0 },
          { ...held, claim: 2 },
          { ...held, session: other },
          { ...held, run: 2 },
          { ...held, execution: 99 },
        ];
        for (const stale of turns) {
          assert.deepEqual(await one.turn(stale, { entries: [entry(1)] }), {
            kind: "refused",
            reason: "lost",
          });
        }
        assert.equal(await one.count("journal"), 0);
      },
    );

    scene(backend, "of an execution that was let go is refused", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.parked(held, { entries: [entry(1, { kind: "signal" })] });
      assert.deepEqual(await one.turn(held, {}), { kind: "refused", reason: "lost" });
    });

    scene(backend, "of a dead session is refused (I3, S1)", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.dies(session);
      assert.deepEqual(await one.turn(held, { entries: [entry(1)] }), {
        kind: "refused",
        reason: "session",
      });
    });

    scene(
      backend,
      "that ends or begins work is refused if there is a cancel that it has not seen (I10)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, { entries: [entry(1, { here: true })] });
        await one.cancel(held.id);
        const refused = { kind: "refused", reason: "cancelled" };
        const fresh = await one.refreshed(held);
        assert.deepEqual(await one.turn(fresh, {}, ended()), refused);
        assert.deepEqual(
          await one.turn(
            fresh,
            {},
            { kind: "again", delayMs: 0, failures: 0, result: undefined, newRun: false },
          ),
          refused,
        );
        assert.deepEqual(await one.turn(fresh, { entries: [entry(2, { here: true })] }), refused);
        assert.deepEqual(
          await one.turn(fresh, { entries: [entry(2)], tasks: [newTask(2)] }),
          refused,
        );
        assert.deepEqual(
          await one.turn(fresh, {
            entries: [entry(2, { kind: "child" })],
            children: [newChild(2, "c")],
          }),
          refused,
        );
        assert.deepEqual(
          await one.turn(fresh, {
            sends: [{ seq: 2, executionId: "c", name: "go", payload: "1", dedupe: "d" }],
          }),
          refused,
        );
        assert.deepEqual(
          await one.turn(fresh, {
            changes: [change(1, 1, { status: 0, delivery: undefined, here: true })],
          }),
          refused,
        );
        assert.equal((await one.turn(fresh, { changes: [change(1, 1)] })).kind, "stored");
        assert.equal(
          (await one.turn(fresh, { knowsCancel: true }, ended("cancelled"))).kind,
          "stored",
        );
      },
    );
  });

  describe("parking", () => {
    scene(backend, "lets go of it until its time", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.parked(
        held,
        { entries: [entry(1, { kind: "sleep", dueAt: one.now + 100 })] },
        one.now + 100,
      );
      const early = await one.claim(session);
      assert.deepEqual([early.executions, early.nextDueAt], [[], one.now + 100]);
      one.clock.advance(100);
      const { row } = await one.claimOne(session);
      assert.deepEqual([row.claim, row.fresh, row.state], [2, false, "running"]);
    });

    scene(
      backend,
      "fails if something has arrived since arrivals were read: no wake-up is lost (S3)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.signal(held.id, "1");
        const answer = await one.stored(held, { entries: [entry(1, { kind: "signal" })] }, park());
        assert.equal(answer.released, false);
        const row = await one.row(held.id);
        assert.deepEqual([row.worker, row.wakeSeq], [session, 1]);
        await one.parked(await one.refreshed(held));
      },
    );

    scene(
      backend,
      "fails if what arrives stands in the same commit before it, and is undone by what stands after it",
      async (one) => {
        const session = await one.register();
        const [a, b] = [
          await one.start(session, { id: "a" }),
          await one.start(session, { id: "b" }),
        ];
        const waiting = { entries: [entry(1, { kind: "signal" })] };
        const [, first, second] = await one.commit(
          {
            kind: "signal",
            request: { executionId: "a", name: "go", payload: "1", dedupe: undefined },
          },
          { kind: "turn", request: turnOf(a, waiting, park()) },
          { kind: "turn", request: turnOf(b, waiting, park()) },
          {
            kind: "signal",
            request: { executionId: "b", name: "go", payload: "1", dedupe: undefined },
          },
        );
        assertPart(
          [first, second],
          [{ answer: { released: false } }, { answer: { released: true } }],
        );
        assert.deepEqual(one.hints.woken, [a.execution]);
        assert.equal((await one.row("b")).dueAt, one.now);
      },
    );

    scene(
      backend,
      "fails if the turn itself brought something about: a child that ended at once (S3)",
      async (one) => {
        const session = await one.register();
        const { parent, child } = await one.family(session);
        await one.cancel(parent.id);
        const { executions } = await one.claim(session, { accepts: () => true, limit: 0 });
        const held = {
          ...parent,
          claim: executions[0]?.claim ?? 0,
          wakeSeq: executions[0]?.wakeSeq ?? 0,
        };
        const answer = await one.stored(
          held,
          { told: [{ seq: 1, kind: "child" }], knowsCancel: true },
          park(one.now + 30_000),
        );
        assert.equal(await one.state(child), "cancelled");
        assert.equal(answer.released, false);
        const [arrival] = await one.arrivals(parent.id);
        assertPart(arrival, { seq: 1, status: 2 });
      },
    );

    scene(backend, "ends no later than its deadline", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { maxDurationMs: 50 });
      await one.parked(held, { entries: [entry(1, { kind: "signal" })] });
      assert.equal((await one.row(held.id)).dueAt, one.now + 50);
    });
  });

  describe("an end", () => {
    scene(backend, "is for ever, and shuts out its holder (I2)", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, { entries: [entry(1)], tasks: [newTask(1)] }, ended("completed"));
      assertPart(await one.row(held.id), {
        state: "completed",
        result: "result completed",
        endedAt: one.now,
        worker: undefined,
        dueAt: undefined,
      });
      assert.deepEqual(one.hints.ended, [
        { id: held.id, state: "completed", result: "result completed" },
      ]);
      assert.deepEqual(await one.turn(held, {}, ended("failed")), {
        kind: "refused",
        reason: "lost",
      });
      assert.equal(await one.cancel(held.id), "finished");
      assert.equal(await one.signal(held.id, "1"), "finished");
      assert.equal((await one.claim(session)).executions.length, 0);
      assert.equal(await one.state(held.id), "completed");
    });

    scene(
      backend,
      "takes its tasks, fan-outs and arrivals along, also those that nobody withdrew",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        const fanout = { seq: 2, inputs: ["1", "2"], tolerated: 0, released: 2 };
        await one.parked(held, {
          entries: [entry(1), entry(2, { kind: "map" })],
          tasks: [newTask(1), newTask(2, { itemFrom: 0, itemTo: 2 })],
          fanouts: [fanout],
        });
        const { tasks } = await one.claim(session);
        const [call] = tasks;
        assert.ok(call !== undefined);
        await one.outcome(session, call, completed);
        const again = await one.claimOne(session);
        await one.end(again);
        assert.deepEqual(one.hints.stopped, [tasks[1]?.key]);
        for (const table of ["tasks", "fanouts", "arrivals"])
          assert.equal(await one.count(table), 0);
      },
    );

    scene(
      backend,
      "of a child reaches a parent that is parked, wakes it, and is read with its outcome",
      async (one) => {
        const session = await one.register();
        const { parent, child } = await one.family(session);
        const held = await one.claimOne(session);
        assert.equal(held.id, child);
        await one.end(held, {}, "failed");
        const again = await one.claimOne(session);
        assert.equal(again.id, parent.id);
        const [arrival] = await one.arrivals(parent.id);
        assertPart(arrival, { seq: 1, kind: "outcome", status: 2, value: "result failed" });
        await one.end(again, {
          arrived: [arrival?.key ?? 0],
          changes: [change(1, 1, { status: 2 })],
        });
      },
    );

    scene(backend, "of a child reaches a parent that is held, as a hint", async (one) => {
      const session = await one.register();
      const { parent } = await one.family(session);
      const child = await one.claimOne(session);
      await one.signal(parent.id, "1");
      const held = await one.claimOne(session);
      await one.end(child);
      assert.deepEqual(one.hints.woken, [parent.execution]);
      assert.equal((await one.stored(held, {}, park())).released, false);
    });

    scene(
      backend,
      "of a child that its parent does not wait for any more leaves nothing",
      async (one) => {
        const session = await one.register();
        const { parent } = await one.family(session);
        const child = await one.claimOne(session);
        await one.signal(parent.id, "1");
        const held = await one.claimOne(session);
        await one.stored(held, { withdrawn: [{ seq: 1, kind: "child" }] });
        assert.equal(await one.state(child.id), "cancelling");
        await one.stored(await one.refreshed(child), { knowsCancel: true }, ended("cancelled"));
        assert.equal(await one.count("arrivals"), 0);
        await one.end(held);
      },
    );

    scene(
      backend,
      "of a child is no news to a parent that has ended or begun another run",
      async (one) => {
        const session = await one.register();
        const { parent } = await one.family(session);
        const child = await one.claimOne(session);
        await one.cancel(parent.id, { force: true });
        assert.equal(await one.state(child.id), "cancelled");
        const second = await one.family(session);
        const held = await one.claimOne(session);
        await one.signal(second.parent.id, "1");
        const mother = await one.claimOne(session);
        await one.stored(
          mother,
          {},
          { kind: "again", delayMs: 0, failures: 1, result: undefined, newRun: true },
        );
        await one.end(held);
        assert.equal(await one.count("arrivals"), 0);
      },
    );
  });

  describe("another attempt", () => {
    const next = {
      kind: "again",
      delayMs: 100,
      failures: 1,
      result: "why",
      newRun: false,
    } as const;

    scene(
      backend,
      "of a job begins no earlier than its delay, and a signal does not hurry it (I5, I7)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { kind: "activity" });
        await one.stored(held, {}, next);
        assertPart(await one.row(held.id), {
          run: 1,
          attempt: 2,
          failures: 1,
          result: "why",
          dueAt: one.now + 100,
        });
        await one.signal(held.id, "1");
        assert.deepEqual((await one.claim(session)).executions, []);
        one.clock.advance(99);
        assert.deepEqual((await one.claim(session)).executions, []);
        one.clock.advance(1);
        const { row } = await one.claimOne(session);
        assert.deepEqual([row.attempt, row.failures, row.claim], [2, 1, 2]);
      },
    );

    scene(
      backend,
      "of a workflow is a new run without counters, state and work, with what waits in its inbox",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.signal(held.id, "1");
        await one.stored(held, {
          entries: [entry(1)],
          tasks: [newTask(1)],
          counters: [{ name: "n", value: 1 }],
          state: [{ name: "s", value: "v" }],
        });
        await one.stored(held, {}, { ...next, newRun: true });
        assertPart(await one.row(held.id), { state: "running", run: 2, attempt: 2, failures: 1 });
        for (const table of ["tasks", "counters", "state"]) assert.equal(await one.count(table), 0);
        assert.equal((await one.store.inbox(held.execution, "go", 9)).length, 1);
        one.clock.advance(100);
        const again = await one.claimOne(session);
        assert.equal(again.run, 2);
        await one.stored(again, { entries: [entry(1)] }, hold);
      },
    );

    scene(backend, "is cancelled at once: nothing of it runs", async (one) => {
      const session = await one.register();
      const job = await one.start(session, { kind: "activity" });
      await one.stored(job, {}, next);
      await one.cancel(job.id);
      assert.equal(await one.state(job.id), "cancelled");
    });

    scene(
      backend,
      "of a workflow that is cancelled meanwhile is due at once, to be closed (I7)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, {}, { ...next, newRun: true });
        await one.cancel(held.id);
        assert.equal((await one.claimOne(session)).row.state, "cancelling");
      },
    );
  });

  describe("children", () => {
    scene(backend, "are started with the turn that asks for them, and once (I11)", async (one) => {
      const session = await one.register();
      const { parent, child } = await one.family(session, { queue: "q", priority: 3, tags: ["t"] });
      assertPart(await one.row(child), {
        parentId: parent.id,
        queue: "q",
        priority: 3,
        tags: ["t"],
      });
      const listed = await one.store.children(parent.execution, ["pending"], 9);
      assert.deepEqual(
        listed.map((row) => row.id),
        [child],
      );
    });

    scene(
      backend,
      "whose id is a stranger's are not started, and the stranger is left alone",
      async (one) => {
        const session = await one.register();
        await one.dispatch({ id: "taken", input: "[9]" });
        const held = await one.start(session);
        const entries = [entry(1, { kind: "child" }), entry(2, { kind: "child" })];
        const answer = await one.stored(
          held,
          { entries, children: [newChild(1, "taken"), newChild(2, "free")] },
          park(),
        );
        assert.deepEqual([answer.strangers, answer.released], [[1], false]);
        assert.deepEqual(
          [(await one.row("taken")).parentId, (await one.row("free")).parentId],
          [undefined, held.id],
        );
      },
    );
  });

  describe("blocking", () => {
    const block = {
      kind: "block",
      reason: JSON.stringify({ kind: "non-determinism" }),
      deadLetter: undefined,
    } as const;

    scene(
      backend,
      "leaves it with nobody until something happens; a new session tries it once",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.stored(held, {}, block);
        assert.deepEqual((await one.claim(session)).executions, []);
        await one.register();
        const again = await one.claimOne(session);
        assert.equal(again.row.blocked, true);
        await one.stored(again, {}, block);
        assert.deepEqual((await one.claim(session)).executions, []);
      },
    );

    scene(backend, "of a poison is not tried again by a new session", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, {}, { ...block, reason: JSON.stringify({ kind: "poison" }) });
      await one.register();
      assert.deepEqual((await one.claim(session)).executions, []);
    });

    scene(backend, "is over with the next turn that is stored", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, {}, block);
      await one.register();
      const again = await one.claimOne(session);
      await one.stored(again, { entries: [entry(1, { here: true })] }, hold);
      assert.equal((await one.row(held.id)).blocked, undefined);
    });

    scene(backend, "keeps a cancel, which ends it by force only", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.stored(held, {}, block);
      await one.cancel(held.id);
      const again = await one.claimOne(session);
      await one.stored(again, { knowsCancel: true }, block);
      assert.equal(await one.state(held.id), "cancelling");
      assert.deepEqual(await one.retry(held.id, "start"), { kind: "running" });
      await one.cancel(held.id, { force: true });
      assert.equal(await one.state(held.id), "cancelled");
    });
  });
}
