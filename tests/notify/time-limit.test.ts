import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { withinTime } from "../../src/notify/time-limit.ts";
import { ManualClock } from "../support/manual-clock.ts";

describe("a time limit", () => {
  test("leaves what settles in time as it is, and no timer", async () => {
    const clock = new ManualClock();
    const limit = { clock, limitMs: 10, what: "it", signal: new AbortController().signal };
    assert.equal(await withinTime(Promise.resolve(1), limit), 1);
    await assert.rejects(withinTime(Promise.reject(new Error("no")), limit), { message: "no" });
    assert.equal(clock.pending, 0);
  });

  test("says what took too long", async () => {
    const clock = new ManualClock();
    const late = withinTime(never, { clock, limitMs: 10, what: "waiting" });
    clock.advance(10);
    await assert.rejects(late, { message: "waiting took longer than 10 ms" });
    assert.equal(clock.pending, 0);
  });

  test("gives up when its signal fires, or has fired already", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const limit = { clock, limitMs: 10, what: "it", signal: controller.signal };
    const waiting = withinTime(never, limit);
    controller.abort(new Error("closed"));
    await assert.rejects(waiting, { message: "closed" });
    await assert.rejects(withinTime(never, limit), { message: "closed" });
    assert.equal(clock.pending, 0);
  });
});

const never = new Promise<never>(() => undefined);
