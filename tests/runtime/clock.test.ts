import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, test } from "node:test";
import { delay, monotonicMs, systemClock } from "../../src/runtime/clock.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";

describe("the system's clock", () => {
  test("tells milliseconds since 1970", () => {
    const before = Date.now();
    const now = systemClock.now();
    assert.ok(now >= before && now <= Date.now());
  });

  test("never fires early", async () => {
    for (const afterMs of [0, 0.4, 1, 1.6, 3]) {
      const startedAt = monotonicMs();
      await new Promise<void>((resolve) => {
        systemClock.schedule(afterMs, resolve);
      });
      assert.ok(monotonicMs() - startedAt >= afterMs);
    }
  });

  test("does not fire what was taken back", async () => {
    let fired = false;
    const unschedule = systemClock.schedule(1, () => {
      fired = true;
    });
    unschedule();
    await new Promise<void>((resolve) => {
      systemClock.schedule(5, resolve);
    });
    assert.equal(fired, false);
  });

  test("takes a time that has passed as now", async () => {
    await new Promise<void>((resolve) => {
      systemClock.schedule(-1_000, resolve);
    });
  });

  test("waits for longer than one timeout can", (t) => {
    const timeouts: number[] = [];
    const steps: (() => void)[] = [];
    let monotonic = 0;
    const month = 30 * 86_400_000;
    t.mock.method(performance, "now", () => monotonic);
    t.mock.method(globalThis, "setTimeout", (step: () => void, ms: number) => {
      timeouts.push(ms);
      steps.push(step);
    });
    let fired = 0;

    systemClock.schedule(month, () => {
      fired += 1;
    });
    monotonic += 2 ** 31 - 1;
    steps.shift()?.();
    assert.equal(fired, 0);
    monotonic = month;
    steps.shift()?.();

    assert.equal(fired, 1);
    assert.deepEqual(timeouts, [2 ** 31 - 1, month - (2 ** 31 - 1)]);
  });

  test("can be scheduled for ever, and taken back", () => {
    const unschedule = systemClock.schedule(Infinity, () => assert.fail());
    unschedule();
  });
});

test("monotonic time goes on and never back", () => {
  let last = monotonicMs();
  for (let look = 0; look < 1_000; look += 1) {
    const now = monotonicMs();
    assert.ok(now >= last);
    last = now;
  }
});

describe("a delay", () => {
  test("ends after its time", async () => {
    const clock = new ManualClock();
    const progress = watch(delay(clock, 1_000, new AbortController().signal));
    await clock.advanceAsync(999);
    assert.equal(progress.done, false);
    await clock.advanceAsync(1);
    await settled();
    assert.equal(progress.done, true);
  });

  test("ends early when its signal fires, without an error and without a timer left behind", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const waiting = delay(clock, 1_000, controller.signal);
    controller.abort(new Error("stop"));
    await waiting;
    assert.equal(clock.pending, 0);
  });

  test("does not begin when its signal has fired", async () => {
    const clock = new ManualClock();
    await delay(clock, 1_000, AbortSignal.abort());
    assert.equal(clock.pending, 0);
  });

  test("leaves no listener on a signal that lives longer", async () => {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    const waiting = delay(clock, 1, signal);
    assert.equal(getEventListeners(signal, "abort").length, 1);
    clock.advance(1);
    await waiting;
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});

function watch(promise: Promise<void>): { done: boolean } {
  const progress = { done: false };
  void promise.finally(() => {
    progress.done = true;
  });
  return progress;
}
