import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClaimAnswer, ClaimedTask } from "../../src/store/store.ts";
import { Claimer } from "../../src/worker/claimer.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

test("the first word of another process makes it look at once", async () => {
  const { claimer, looks } = claiming();
  claimer.hint();
  await settled();
  assert.equal(looks(), 1);
});

test("words of others that come to nothing make it look less and less often, but soon", async () => {
  const { claimer, clock, looks } = claiming();
  for (let ms = 0; ms < 1_000; ms += 1) {
    claimer.hint();
    await clock.advanceAsync(1);
  }
  // Rests of 4, 8, 16 and then 32 ms.
  assert.ok(looks() >= 30 && looks() <= 36, `looked ${looks()} times`);
});

test("what was said during a rest is looked for at its end", async () => {
  const { claimer, clock, looks } = claiming();
  claimer.hint();
  await settled();
  claimer.hint();
  await settled();
  assert.equal(looks(), 1);
  await clock.advanceAsync(4);
  assert.equal(looks(), 2);
  await clock.advanceAsync(100);
  assert.equal(looks(), 2);
});

test("words of others that come true are followed at once", async () => {
  const { claimer, looks, found } = claiming();
  found.tasks = [{} as ClaimedTask];
  for (let count = 0; count < 10; count += 1) {
    claimer.hint();
    await settled();
  }
  assert.equal(looks(), 10);
});

test("what this process itself has made ready is looked for at once, also during a rest", async () => {
  const { claimer, looks } = claiming();
  claimer.hint();
  await settled();
  claimer.wake();
  await settled();
  assert.equal(looks(), 2);
});

test("what is said while it looks is looked for after a rest", async () => {
  const { claimer, clock, looks } = claiming();
  claimer.hint();
  for (let count = 0; count < 5; count += 1) claimer.hint();
  await settled();
  assert.equal(looks(), 1);
  await clock.advanceAsync(4);
  assert.equal(looks(), 2);
});

test("a stopped one looks no more", async () => {
  const { claimer, clock, looks } = claiming();
  claimer.hint();
  await settled();
  claimer.hint();
  claimer.stop();
  claimer.hint();
  await clock.advanceAsync(10_000);
  assert.equal(looks(), 1);
  assert.equal(clock.pending, 0);
});

function claiming(): {
  claimer: Claimer;
  clock: ManualClock;
  looks: () => number;
  found: { tasks: ClaimedTask[] };
} {
  const clock = new ManualClock();
  const found: { tasks: ClaimedTask[] } = { tasks: [] };
  let looks = 0;
  const claimer = new Claimer({
    async claim(): Promise<ClaimAnswer> {
      looks += 1;
      const { tasks } = found;
      const rest = { executions: [], more: false, nextDueAt: undefined, now: clock.now() };
      return { kind: "claimed", tasks, ...rest };
    },
    taken: () => undefined,
    now: () => clock.now(),
    schedule: (afterMs, fn) => clock.schedule(afterMs, fn),
    polling: { minMs: 5_000, maxMs: 5_000, factor: 1 },
  });
  return { claimer, clock, looks: () => looks, found };
}
