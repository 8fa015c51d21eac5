import assert, { AssertionError } from "node:assert";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { activity, call, CancelledError, sleep, workflow, type Flow } from "stentjs";
import { step } from "stentjs/testing";

describe("step", () => {
  test("answers effect after effect, and tells what the workflow returned", () => {
    step(order, "book")
      .expect(call(reserve, "book"))
      .resolve("hold")
      .expect(sleep("1d"))
      .resolve()
      .expect(call(charge, "hold", 1_200))
      .resolve("paid")
      .returns("paid");
  });

  test("shows the effect that waits", () => {
    const steps = step(order, "book");
    assert.deepEqual(steps.effect, call(reserve, "book"));
    assert.equal(steps.done, false);
  });

  test("throws an error at the yield", () => {
    step(order, "book").reject(new RangeError("sold out")).throws(RangeError);
    step(order, "book")
      .reject(new RangeError("sold out"))
      .throws(/sold out/);
  });

  test("closes as a cancel does: finally blocks yield, catch blocks do not see it", () => {
    step(careful, "book")
      .expect(call(charge, "book", 1))
      .cancel()
      .expect(call(release, "book"))
      .resolve()
      .throws(CancelledError);
  });

  test("ends a closed workflow as cancelled, whatever its finally block returns or throws", () => {
    step(returning).cancel().throws(CancelledError);
    assert.throws(() => step(returning).cancel().returns("too late"), /but it was cancelled/);
  });

  test("throws back what is no effect, as the engine does", () => {
    step(forgetful).throws(/a promise, which a crash would lose/);
  });

  test("shows the expected effect and the yielded one, and the line of the yield", () => {
    const error = failureOf(() => step(order, "book").expect(call(reserve, "boat")));
    assert.match(
      error.message,
      /workflow "step order" yielded another call\(step reserve\) than was expected/,
    );
    assert.match(error.message, /\+ {5}'book'/);
    assert.match(error.message, /- {5}'boat'/);
    const line = lineOf("const hold = yield* call(reserve, sku);");
    assert.match(error.message, new RegExp(String.raw`at \S*step\.test\.ts:${line}:`));
  });

  test("gives the line in the workflow where a flow that it runs inline has yielded", () => {
    const error = failureOf(() => step(outer).expect(sleep(1)));
    const line = lineOf("yield* inner(); // here");
    assert.match(error.message, new RegExp(String.raw`step\.test\.ts:${line}:`));
  });

  test("says how the workflow ended where an effect was expected", () => {
    const ended = step(order, "book").reject(new Error("sold out"));
    assert.match(
      failureOf(() => ended.expect(sleep(1))).message,
      /yielded sleep, but it threw Error: sold out/,
    );
    assert.match(failureOf(() => ended.effect).message, /waits for nothing/);
    assert.match(failureOf(() => ended.resolve()).message, /waits for no answer/);
    assert.match(failureOf(() => ended.returns("paid")).message, /should have returned/);
    assert.match(failureOf(() => ended.throws(RangeError)).message, /but it threw Error: sold out/);
  });

  test("says what it waits for where an end was expected", () => {
    const waiting = step(order, "book");
    assert.match(
      failureOf(() => waiting.returns("paid")).message,
      /waits for call\(step reserve\)/,
    );
    assert.match(failureOf(() => waiting.throws(Error)).message, /waits for call\(step reserve\)/);
  });

  test("shows what came back where something else was expected", () => {
    const steps = step(order, "book").resolve("hold").resolve().resolve("paid");
    const { actual, expected } = failureOf(() => steps.returns("free"));
    assert.deepEqual({ actual, expected }, { actual: "paid", expected: "free" });
  });

  test("says what it takes where it is given something else", () => {
    const refused = (act: () => unknown, message: RegExp): void =>
      assert.throws(act, { name: "TypeError", message });
    refused(() => step(reserve as never), /takes a workflow, and "step reserve" is an activity/);
    refused(() => step((() => sleep(1)) as never), /step takes an activity or a workflow/);
    refused(
      () => step(order, "book").expect(reserve as never),
      /takes an effect, .* activity "step/,
    );
    refused(() => step(order, "book").expect("reserve" as never), /takes an effect, .* "reserve"/);
    const failed = step(order, "book").reject(new Error("sold out"));
    for (const wrong of ["sold out", undefined, new Error("sold out")])
      refused(() => failed.throws(wrong as never), /takes a class of errors, or a pattern/);
  });

  test("lets nothing interrupt a workflow that is being closed", () => {
    const closing = step(careful, "book").cancel();
    assert.match(failureOf(() => closing.cancel()).message, /is being closed already/);
  });
});

const reserve = activity("step reserve", (sku: string) => `hold-${sku}`);
const charge = activity("step charge", (hold: string, cents: number) => `${cents} for ${hold}`);
const release = activity("step release", (_hold: string) => undefined);

const order = workflow("step order", function* (sku: string) {
  const hold = yield* call(reserve, sku);
  yield* sleep("1d");
  return yield* call(charge, hold, 1_200);
});

const careful = workflow("step careful", function* (hold: string) {
  try {
    return yield* call(charge, hold, 1);
  } catch {
    return "caught";
  } finally {
    yield* call(release, hold);
  }
});

const returning = workflow("step returning", function* () {
  try {
    yield* sleep(1);
    return "in time";
  } finally {
    // oxlint-disable-next-line no-unsafe-finally -- what it is about
    return "too late";
  }
});

const forgetful = workflow("step forgetful", function* (): Flow<unknown> {
  yield Promise.resolve() as never;
  return undefined;
});

const outer = workflow("step outer", function* () {
  yield* inner(); // here
});

function* inner(): Flow<void> {
  yield* sleep(2);
}

function failureOf(act: () => unknown): AssertionError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof AssertionError, String(error));
    return error;
  }
  return assert.fail("nothing was thrown");
}

/** Where this stands in this file, from 1. */
function lineOf(code: string): number {
  const lines = readFileSync(import.meta.filename, "utf8").split("\n");
  return lines.findIndex((line) => line.includes(code) && !line.includes("lineOf")) + 1;
}
