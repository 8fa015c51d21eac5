import assert from "node:assert/strict";
import { describe } from "node:test";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import { ended, entry, newChild, newTask, park, scene, type Scene } from "./scene.ts";

/** Asking executions to end, ending them by force, and deadlines. */
export function cancelConformance(backend: ConformanceBackend): void {
  describe("cancelling", () => {
    scene(backend, "ends what has not begun at once, with the reason", async (one) => {
      await one.dispatch({ id: "x" });
      assert.equal(await one.cancel("x", { reason: "why" }), "cancelled");
      assertPart(await one.row("x"), {
        state: "cancelled",
        result: "cancelled: why",
        endedAt: one.now,
      });
      assert.deepEqual(
        one.hints.ended.map((ended) => ended.id),
        ["x"],
      );
    });

    scene(
      backend,
      "of nobody is an answer, and of what has ended changes nothing (I2)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.end(held);
        assert.equal(await one.cancel("nobody"), "not-found");
        for (const force of [false, true])
          assert.equal(await one.cancel(held.id, { force }), "finished");
        assert.equal(await one.state(held.id), "completed");
      },
    );

    scene(
      backend,
      "of what is held tells its holder, and the first reason stands (I10)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        assert.equal(await one.cancel(held.id, { reason: "first" }), "cancelled");
        assert.deepEqual(one.hints.woken, [held.execution]);
        assert.equal(await one.cancel(held.id, { reason: "second" }), "cancelled");
        assertPart(await one.row(held.id), {
          state: "cancelling",
          cancelReason: '{"reason":"first"}',
          worker: session,
          wakeSeq: 1,
        });
      },
    );

    scene(
      backend,
      "of what is parked is due at once, and survives claims, parks and deaths (I10)",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session);
        await one.parked(held, { entries: [entry(1, { kind: "signal" })] });
        await one.cancel(held.id);
        const closing = await one.claimOne(session);
        assert.equal(closing.row.state, "cancelling");
        const live = await one.dies(session);
        const again = await one.claimOne(live);
        await one.parked(again, { knowsCancel: true }, one.now + 10);
        assert.equal(await one.state(held.id), "cancelling");
        one.clock.advance(10);
        await one.stored(await one.claimOne(live), { knowsCancel: true }, ended("cancelled"));
      },
    );

    scene(
      backend,
      "of a job that is held waits for it; if its worker dies it ends",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { kind: "activity" });
        await one.cancel(held.id, { reason: "why" });
        assert.equal(await one.state(held.id), "cancelling");
        await one.dies(session);
        assertPart(await one.row(held.id), { state: "cancelled", result: "cancelled: why" });
      },
    );

    scene(
      backend,
      "of a parent that is held or parked is its own turn's to hand on: children go on until then (I10)",
      async (one) => {
        const session = await one.register();
        const { parent, child } = await one.family(session);
        await one.cancel(parent.id);
        assert.equal(await one.state(child), "pending");
      },
    );

    scene(backend, "of a child leaves its parent an outcome", async (one) => {
      const session = await one.register();
      const { parent, child } = await one.family(session);
      await one.cancel(child, { reason: "why" });
      assertPart(await one.arrivals(parent.id), [{ seq: 1, status: 2, value: "cancelled: why" }]);
      assert.equal((await one.claimOne(session)).id, parent.id);
    });

    scene(backend, "by force ends the whole tree at once, whatever it does (I10)", async (one) => {
      const session = await one.register();
      const parent = await one.start(session, { id: "root" });
      const children = ["held", "pending", "parked"].map((id, index) =>
        newChild(index + 1, id, { priority: -index }),
      );
      await one.parked(parent, {
        entries: children.map(({ seq }) => entry(seq, { kind: "child" })),
        children,
      });
      const { executions } = await one.claim(session, { limit: 1 });
      assert.equal(executions[0]?.id, "held");
      const parked = (await one.claim(session)).executions.find((row) => row.id === "parked");
      await one.parked(
        { session, claim: 1, execution: parked?.key ?? 0, id: "parked", run: 1, wakeSeq: 0 },
        {
          entries: [entry(1), entry(2, { kind: "child" })],
          tasks: [newTask(1)],
          children: [newChild(2, "grandchild")],
        },
      );
      const task = await one.claimTask(session, {
        limit: 1,
        accepts: (lane) => lane.kind === "activity",
      });
      await one.cancel("root", { force: true, reason: "now" });
      for (const id of ["root", "held", "pending", "parked", "grandchild"])
        assertPart(await one.row(id), { state: "cancelled", result: "cancelled: now" });
      assert.deepEqual(one.hints.stopped, [task.key]);
      assert.equal(await one.count("arrivals"), 0);
      assert.deepEqual((await one.claim(session)).executions, []);
    });

    scene(backend, "by force ends one that is closing already", async (one) => {
      const session = await one.register();
      const held = await one.start(session);
      await one.cancel(held.id, { reason: "first" });
      await one.cancel(held.id, { force: true, reason: "second" });
      assertPart(await one.row(held.id), { state: "cancelled", result: "cancelled: second" });
      assert.deepEqual(await one.turn(held, { knowsCancel: true }, ended("cancelled")), {
        kind: "refused",
        reason: "lost",
      });
    });

    scene(backend, "by force ends a job and its attempt is refused", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { kind: "activity" });
      await one.cancel(held.id, { force: true });
      assert.deepEqual(one.hints.woken, [held.execution]);
      assert.deepEqual(await one.turn(held, {}, ended()), { kind: "refused", reason: "lost" });
    });
  });

  describe("a deadline", () => {
    const again = {
      kind: "again",
      delayMs: 100,
      failures: 1,
      result: undefined,
      newRun: false,
    } as const;

    scene(backend, "ends what has not begun, without its code, in batches", async (one) => {
      for (let index = 0; index < 5; index += 1)
        await one.dispatch({ id: `x-${index}`, maxDurationMs: 10 + index });
      await one.dispatch({ id: "none" });
      assert.equal(await isAnyPassed(one), false);
      assertPart(await one.one("expire", { limit: 9 }), { ended: 0 });
      one.clock.advance(13);
      assert.equal(await isAnyPassed(one), true);
      assertPart(await one.one("expire", { limit: 3 }), { ended: 3 });
      assertPart(await one.one("expire", { limit: 3 }), { ended: 1 });
      assertPart(await one.row("x-0"), {
        state: "timed_out",
        result: "timed out",
        endedAt: one.now,
      });
      assert.deepEqual([await one.state("x-4"), await one.state("none")], ["pending", "pending"]);
    });

    scene(backend, "counts from the scheduled start", async (one) => {
      await one.dispatch({ id: "x", delayMs: 100, maxDurationMs: 10 });
      one.clock.advance(109);
      assert.equal(await isAnyPassed(one), false);
      one.clock.advance(1);
      assert.equal(await isAnyPassed(one), true);
    });

    scene(
      backend,
      "of what has begun is its own turn's: it is due, and not ended from outside",
      async (one) => {
        const session = await one.register();
        const held = await one.start(session, { maxDurationMs: 10 });
        const other = await one.start(session, { maxDurationMs: 10 });
        await one.parked(other, { entries: [entry(1, { kind: "signal" })] });
        one.clock.advance(10);
        assert.equal(await isAnyPassed(one), false);
        assert.equal((await one.claimOne(session)).id, other.id);
        await one.end(held);
      },
    );

    for (const kind of ["activity", "workflow"] as const) {
      scene(
        backend,
        `passes between two attempts of a ${kind}, and does not wait for the next (I7)`,
        async (one) => {
          const session = await one.register();
          const held = await one.start(session, { kind, maxDurationMs: 10 });
          await one.stored(held, {}, { ...again, newRun: kind === "workflow" });
          one.clock.advance(10);
          assertPart(await one.one("expire", { limit: 9 }), { ended: 1 });
          assert.equal(await one.state(held.id), "timed_out");
        },
      );
    }

    scene(backend, "ends nothing that is being cancelled: the first reason stands", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { maxDurationMs: 10 });
      await one.stored(held, {}, { ...again, newRun: true });
      await one.cancel(held.id);
      one.clock.advance(10);
      assertPart(await one.one("expire", { limit: 9 }), { ended: 0 });
      await one.stored(await one.claimOne(session), { knowsCancel: true }, ended("cancelled"));
    });

    scene(backend, "of a child reaches its parent", async (one) => {
      const session = await one.register();
      const { parent } = await one.family(session, { maxDurationMs: 10 });
      one.clock.advance(10);
      await one.one("expire", { limit: 9 });
      assertPart(await one.arrivals(parent.id), [{ status: 2, value: "timed out" }]);
      assert.equal(parent.id, (await one.claimOne(session)).id);
    });

    scene(backend, "is not parked beyond, but for what is closing", async (one) => {
      const session = await one.register();
      const held = await one.start(session, { maxDurationMs: 10 });
      await one.cancel(held.id);
      await one.stored(await one.refreshed(held), { knowsCancel: true }, park(one.now + 30));
      assert.equal((await one.row(held.id)).dueAt, one.now + 30);
    });
  });
}

async function isAnyPassed(one: Scene): Promise<boolean> {
  return (await one.store.deadlines()).passed;
}
