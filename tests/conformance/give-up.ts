import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Expired, NewExecution } from "../../src/store/store.ts";
import { assertPart } from "../support/assert-part.ts";
import type { ConformanceBackend } from "./backend.ts";
import { again, completed, ended, failed, scene, type Held, type Scene } from "./scene.ts";

/** The totalTimeout of work that no worker takes. */
export function giveUpConformance(backend: ConformanceBackend): void {
  describe("the totalTimeout of a job", () => {
    scene(
      backend,
      "passes while nobody holds it, and leaves its failure and its dead letter (I7)",
      async (one) => {
        await one.dispatch(job({ id: "x" }));
        one.clock.advance(9);
        assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 1 });
        assertPart(await expire(one), { ended: 0 });
        one.clock.advance(1);
        assert.deepEqual(await one.store.deadlines(), { passed: true, nextInMs: undefined });
        const { ended: count, deadLetters } = await expire(one);
        assert.deepEqual([count, deadLetters.map((letter) => letter.task)], [1, ["x/1/1"]]);
        assertPart(await one.row("x"), {
          state: "failed",
          result: "out of time",
          endedAt: one.now,
          failedBy: undefined,
        });
        assertPart(await one.store.deadLetters({ limit: 9 }), [
          { task: "x/1/1", executionId: "x", reason: "attempt 1", error: "out of time" },
        ]);
        assertPart(one.hints.ended, [{ id: "x", state: "failed", result: "out of time" }]);
        assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: undefined });
      },
    );

    scene(backend, "counts from the scheduled start", async (one) => {
      await one.dispatch(job({ id: "x", delayMs: 100 }));
      one.clock.advance(109);
      assertPart(await expire(one), { ended: 0 });
      one.clock.advance(1);
      assertPart(await expire(one), { ended: 1 });
    });

    scene(backend, "ends as many at once as it is told to, the first first", async (one) => {
      for (let index = 0; index < 5; index += 1)
        await one.dispatch(job({ id: `x-${index}`, totalTimeoutMs: 50 - index }));
      await one.dispatch({ id: "none", kind: "activity" });
      await one.dispatch({ id: "late", maxDurationMs: 10 });
      one.clock.advance(50);
      assertPart(await expire(one, 3), { ended: 3 });
      assert.deepEqual(
        [await one.state("late"), await one.state("x-3"), await one.state("x-2")],
        ["timed_out", "failed", "pending"],
      );
      assertPart(await expire(one, 3), { ended: 3 });
      assertPart(await expire(one, 3), { ended: 0 });
      assert.equal(await one.state("none"), "pending");
    });

    scene(backend, "of one that is held is its worker's to meet", async (one) => {
      const session = await one.register();
      const held = await one.start(session, job());
      one.clock.advance(10);
      assertPart(await one.store.deadlines(), { passed: false });
      assertPart(await expire(one), { ended: 0 });
      await one.end(held);
    });

    scene(backend, "passes once its worker has died and nobody takes it", async (one) => {
      const session = await one.register();
      const held = await one.start(session, job());
      one.clock.advance(5);
      await one.dies(session);
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 5 });
      one.clock.advance(5);
      assertPart(await expire(one), { ended: 1, deadLetters: [{ reason: "attempt 2" }] });
      assert.equal(await one.state(held.id), "failed");
      assert.equal(await one.count("marks"), 0);
    });

    scene(backend, "passes between two attempts, and is not counted anew by them", async (one) => {
      const session = await one.register();
      const held = await one.start(session, job());
      one.clock.advance(5);
      await one.stored(held, {}, nextAttempt);
      one.clock.advance(5);
      assertPart(await expire(one), { ended: 1, deadLetters: [{ reason: "attempt 2" }] });
      assert.equal(await one.state(held.id), "failed");
    });

    for (const from of ["failure", "start"] as const) {
      scene(backend, `is counted anew by a retry from its ${from}`, async (one) => {
        await one.dispatch(job({ id: "x" }));
        one.clock.advance(1_000);
        await expire(one);
        assert.deepEqual(await one.retry("x", from), { kind: "done" });
        one.clock.advance(9);
        assertPart(await expire(one), { ended: 0 });
        one.clock.advance(1);
        assertPart(await expire(one), { ended: 1 });
        assert.equal((await one.store.deadLetters({ limit: 9 })).length, 1);
      });
    }

    scene(backend, "is what a restart says, from then on", async (one) => {
      const options = { ifExists: "restart-if-failed" } as const;
      await one.dispatch(job({ id: "x" }));
      one.clock.advance(10);
      await expire(one);
      await one.dispatch(job({ id: "x", totalTimeoutMs: 20 }), options);
      one.clock.advance(19);
      assertPart(await expire(one), { ended: 0 });
      one.clock.advance(1);
      assertPart(await expire(one), { ended: 1 });
      await one.dispatch({ id: "x", kind: "activity" }, options);
      one.clock.advance(1_000);
      assertPart(await expire(one), { ended: 0 });
    });

    scene(backend, "is of no account once its maxDuration has passed too", async (one) => {
      await one.dispatch(job({ id: "x", maxDurationMs: 12 }));
      await one.dispatch(job({ id: "y", maxDurationMs: 13 }));
      one.clock.advance(12);
      assertPart(await expire(one), { ended: 2 });
      assert.deepEqual([await one.state("x"), await one.state("y")], ["timed_out", "failed"]);
    });

    scene(backend, "is of no account once it has ended (I2)", async (one) => {
      const session = await one.register();
      await one.end(await one.start(session, job()));
      await one.dispatch(job({ id: "cancelled" }));
      await one.cancel("cancelled");
      one.clock.advance(10);
      assertPart(await one.store.deadlines(), { passed: false });
      assertPart(await expire(one), { ended: 0 });
    });
  });

  describe("the totalTimeout of a map's items", () => {
    scene(backend, "fails the map by the first where it bears no failure (I7)", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3, { tolerated: 0, totalTimeout: 10 });
      one.clock.advance(9);
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 1 });
      one.clock.advance(1);
      assert.deepEqual(await one.store.deadlines(), { passed: true, nextInMs: undefined });
      assertPart(await expire(one), { ended: 1, deadLetters: [] });
      assertPart(await one.arrivals(held.id), [
        { kind: "map", status: 2, value: failure, attempt: 1, failures: 1 },
      ]);
      assert.deepEqual(await statuses(one, held), [2, 0, 0]);
      assert.equal((await one.count("tasks")) + (await one.count("fanouts")), 0);
      assert.equal((await one.claimOne(session)).id, held.id);
    });

    scene(backend, "fails each of them where the map bears it", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3, { tolerated: undefined, totalTimeout: 10 });
      one.clock.advance(10);
      assertPart(await expire(one), { ended: 3 });
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      assertPart(
        await one.store.items(held.execution, 1, 1),
        [0, 1, 2].map((item) => ({ item, status: 2, value: failure })),
      );
      assert.equal((await one.count("tasks")) + (await one.count("fanouts")), 0);
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: undefined });
    });

    scene(backend, "fails the map by the first that it does not bear", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 5, { tolerated: 2, totalTimeout: 10 });
      await one.outcome(session, await one.claimTask(session, { limit: 1 }), failed, 0);
      one.clock.advance(10);
      assertPart(await expire(one), { ended: 2 });
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2, value: failure }]);
      assert.deepEqual(await statuses(one, held), [2, 2, 2, 0, 0]);
    });

    scene(backend, "is met for some of a long range at a time", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 8, { tolerated: undefined, totalTimeout: 10 });
      await one.outcome(session, await one.claimTask(session, { limit: 1 }), completed, 0);
      one.clock.advance(10);
      assertPart(await expire(one, 3), { ended: 3 });
      assert.deepEqual(await statuses(one, held), [1, 2, 2, 2, 0, 0, 0, 0]);
      assert.deepEqual(await one.arrivals(held.id), []);
      assertPart(await one.store.mapProgress(held.execution, 1, 1), { left: 4, failed: 3 });
      assertPart(await expire(one, 3), { ended: 3 });
      assertPart(await expire(one, 3), { ended: 1 });
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(
      backend,
      "of those that run is their worker's to meet, until it dies and nobody takes them",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 5, { tolerated: undefined, totalTimeout: 10 });
        const running = await one.claimTask(session, { limit: 2 });
        one.clock.advance(10);
        assertPart(await expire(one), { ended: 3 });
        assert.deepEqual(await statuses(one, held), [0, 0, 2, 2, 2]);
        assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: undefined });
        await one.outcome(session, running, completed, 0);
        await one.dies(session);
        assert.deepEqual(await one.store.deadlines(), { passed: true, nextInMs: undefined });
        assertPart(await expire(one), { ended: 1 });
        assert.equal(await one.count("marks"), 0);
        assert.deepEqual(await statuses(one, held), [1, 2, 2, 2, 2]);
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      },
    );

    scene(
      backend,
      "counts from the first time that they were put into the queue, retries included",
      async (one) => {
        const session = await one.register();
        const held = await one.mapping(session, 3, { tolerated: undefined, totalTimeout: 10 });
        const task = await one.claimTask(session);
        one.clock.advance(5);
        await one.outcome(session, task, again(60), 1);
        await one.outcome(session, task, completed, 0);
        await one.outcome(session, task, completed, 2);
        assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 5 });
        one.clock.advance(5);
        assertPart(await expire(one), { ended: 1 });
        assertPart(await one.store.itemPage(held.execution, 1, 1, { after: 0, limit: 1 }), [
          { item: 1, status: 2, value: failure, attempt: 2 },
        ]);
        assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
      },
    );

    scene(backend, "leaves an item alone that has a later place in the queue", async (one) => {
      const session = await one.register();
      const bounds = { tolerated: undefined, released: 2, totalTimeout: 10 };
      const held = await one.mapping(session, 5, bounds);
      one.clock.advance(4);
      const running = await one.claimTask(session, { limit: 1 });
      await one.outcome(session, running, completed, 0);
      one.clock.advance(6);
      assertPart(await expire(one), { ended: 1 });
      assert.deepEqual(await statuses(one, held), [1, 2, 0, 0, 0]);
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 4 });
      one.clock.advance(4);
      assertPart(await expire(one), { ended: 1 });
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 6 });
      one.clock.advance(10);
      assertPart(await expire(one), { ended: 2 });
      assert.deepEqual(await statuses(one, held), [1, 2, 2, 2, 2]);
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 1 }]);
    });

    scene(backend, "is met for several tasks of one map in one commit", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 4, { tolerated: 2, totalTimeout: 10 });
      const task = await one.claimTask(session);
      await one.outcome(session, task, again(60), 0);
      await one.outcome(session, task, again(60), 1);
      await one.dies(session);
      one.clock.advance(10);
      assertPart(await expire(one), { ended: 3 });
      assertPart(await one.arrivals(held.id), [{ kind: "map", status: 2, value: failure }]);
      assert.equal((await one.arrivals(held.id)).length, 1);
      assert.equal((await one.count("tasks")) + (await one.count("fanouts")), 0);
    });

    scene(backend, "is counted anew when the map goes on after its failure", async (one) => {
      const session = await one.register();
      const held = await one.mapping(session, 3, { tolerated: 0, totalTimeout: 10 });
      one.clock.advance(10);
      await expire(one);
      const woken = await one.claimOne(session);
      const [arrival] = await one.arrivals(held.id);
      assert.ok(arrival !== undefined);
      await one.stored(
        woken,
        { arrived: [arrival.key], changes: [delivered] },
        ended("failed", { failedBy: 1 }),
      );
      one.clock.advance(1_000);
      assert.deepEqual(await one.retry(held.id), { kind: "done" });
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: 10 });
      one.clock.advance(10);
      assertPart(await expire(one), { ended: 1 });
      assert.deepEqual(await statuses(one, held), [2, 0, 0]);
    });

    scene(backend, "is of no account for calls: their workflow knows their time", async (one) => {
      const session = await one.register();
      await one.calling(session);
      one.clock.advance(1_000_000);
      assert.deepEqual(await one.store.deadlines(), { passed: false, nextInMs: undefined });
      assertPart(await expire(one), { ended: 0 });
    });
  });
}

/** What the scene's store gives for an item of its map. */
const failure = "out of time: work 1/1";

const nextAttempt = {
  kind: "again",
  delayMs: 100,
  failures: 1,
  result: undefined,
  newRun: false,
} as const;

const delivered = {
  seq: 1,
  status: 2,
  value: failure,
  delivery: 1,
  startedAt: 1,
  endedAt: 1,
  attempt: 1,
  failures: 1,
  here: false,
} as const;

function job(parts: Partial<NewExecution> = {}): Partial<NewExecution> {
  return { kind: "activity", name: "work", totalTimeoutMs: 10, ...parts };
}

function expire(one: Scene, limit = 99): Promise<Expired> {
  return one.one("expire", { limit });
}

async function statuses(one: Scene, held: Held): Promise<number[]> {
  return (await one.store.items(held.execution, 1, 1)).map(({ status }) => status);
}
