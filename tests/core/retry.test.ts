import assert from "node:assert/strict";
import { test } from "node:test";
import { fromFailure, toFailure } from "../../src/core/failure.ts";
import { NonRetryableError } from "../../src/core/errors.ts";
import {
  afterFailure,
  mergeRetry,
  resolveRetry,
  retryDelayMs,
  retryFromData,
  retryToData,
  type RetryPolicy,
} from "../../src/core/retry.ts";

test("a policy that says nothing waits 1 s, doubles up to 60 s, and varies by a tenth", () => {
  assert.deepEqual(resolveRetry(undefined, 3), {
    maxAttempts: 3,
    initialDelayMs: 1_000,
    backoffFactor: 2,
    maxDelayMs: 60_000,
    jitter: 0.1,
    retryFor: undefined,
  });
});

test("the delay grows by the factor with each failure, up to maxDelay", () => {
  const policy = resolveRetry({ jitter: 0 }, 3);
  assert.deepEqual(
    [1, 2, 3, 6, 7, 8, 1_000].map((failures) => retryDelayMs(policy, failures, 0.5)),
    [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000],
  );
});

test("jitter takes or adds its share, and never goes below 0", () => {
  const policy = resolveRetry({ jitter: 0.1 }, 3);
  assert.deepEqual(
    [0, 0.5, 1].map((random) => retryDelayMs(policy, 1, random)),
    [900, 1_000, 1_100],
  );
  assert.deepEqual(
    [0, 0.5, 1].map((random) => retryDelayMs(resolveRetry({ jitter: 1 }, 3), 1, random)),
    [0, 1_000, 2_000],
  );
});

test("a delay of 0 stays 0 after any number of failures", () => {
  assert.equal(retryDelayMs(resolveRetry({ initialDelay: 0 }, 3), 5_000, 1), 0);
});

test("retries until the attempts are used up, the first included", () => {
  const policy = resolveRetry({ maxAttempts: 3, jitter: 0 }, 1);
  assert.deepEqual(afterFailure(policy, new Error("x"), 1, 0.5), { kind: "retry", delayMs: 1_000 });
  assert.deepEqual(afterFailure(policy, new Error("x"), 2, 0.5), { kind: "retry", delayMs: 2_000 });
  assert.deepEqual(afterFailure(policy, new Error("x"), 3, 0.5), { kind: "giveUp" });
  assert.deepEqual(afterFailure(resolveRetry(undefined, 1), new Error("x"), 1, 0.5), {
    kind: "giveUp",
  });
  assert.equal(
    afterFailure(resolveRetry({ maxAttempts: Infinity }, 1), new Error("x"), 1e6, 0.5).kind,
    "retry",
  );
});

test("a NonRetryableError, its subclasses, and what stands in for one in another process are never retried", () => {
  class Declined extends NonRetryableError {}
  class Worse extends Declined {}
  const always = resolveRetry({ maxAttempts: 9, retryFor: () => true }, 9);
  for (const error of [
    new NonRetryableError("x"),
    new Declined("x"),
    new Worse("x"),
    fromFailure(toFailure(new Worse("x"))),
    foreignNonRetryable(),
  ]) {
    assert.deepEqual(afterFailure(always, error, 1, 0), { kind: "giveUp" });
  }
});

test("retryFor classes are matched by instanceof, by name, and through inheritance", () => {
  class Busy extends Error {}
  class VeryBusy extends Busy {}
  const kind = (error: unknown, retryFor: RetryPolicy["retryFor"]): string =>
    afterFailure(resolveRetry(retryFor === undefined ? {} : { retryFor }, 3), error, 1, 0).kind;
  assert.equal(kind(new Busy("x"), [Busy]), "retry");
  assert.equal(kind(new VeryBusy("x"), [TypeError, Busy]), "retry");
  assert.equal(kind(new Error("x"), [Busy]), "giveUp");
  assert.equal(kind(fromFailure(toFailure(new VeryBusy("x"))), [Busy]), "retry");
  assert.equal(kind(Object.assign(new Error("x"), { name: "Busy" }), [Busy]), "retry");
  assert.equal(kind(new TypeError("x"), [Error]), "retry");
  assert.equal(kind("a string", [Error]), "giveUp");
  assert.equal(kind("a string", undefined), "retry");
  assert.equal(kind(undefined, [Busy]), "giveUp");
  assert.equal(kind(new Busy("x"), []), "giveUp");
});

test("a predicate is given the live error and the attempt, and may set the delay", () => {
  const seen: unknown[] = [];
  const error = new Error("429");
  const policy = resolveRetry(
    {
      retryFor: (thrown, attempt) => {
        seen.push([thrown, attempt]);
        return attempt === 1 ? { after: "5m" } : attempt === 2;
      },
      jitter: 0,
    },
    9,
  );
  assert.deepEqual(afterFailure(policy, error, 1, 1), { kind: "retry", delayMs: 300_000 });
  assert.deepEqual(afterFailure(policy, error, 2, 1), { kind: "retry", delayMs: 2_000 });
  assert.deepEqual(afterFailure(policy, error, 3, 1), { kind: "giveUp" });
  assert.deepEqual(seen, [
    [error, 1],
    [error, 2],
    [error, 3],
  ]);
});

test("a predicate that throws, or answers nonsense, ends the retries and says so", () => {
  const broken = new Error("broken predicate");
  const answer = (retryFor: unknown): ReturnType<typeof afterFailure> =>
    afterFailure(resolveRetry({ retryFor: retryFor as never }, 9), new Error("x"), 1, 0);
  assert.deepEqual(
    answer(() => {
      throw broken;
    }),
    { kind: "giveUp", predicateError: broken },
  );
  for (const nonsense of [
    async () => true,
    () => undefined,
    () => "yes",
    () => ({ after: "soon" }),
    () => ({}),
  ]) {
    const decision = answer(nonsense);
    assert.ok(decision.kind === "giveUp" && decision.predicateError instanceof Error);
  }
});

test("a wrong value is refused by the name of its option", () => {
  const cases: readonly [object, RegExp][] = [
    [{ maxAttempts: 0 }, /maxAttempts/],
    [{ maxAttempts: 1.5 }, /maxAttempts/],
    [{ maxAttempts: "3" }, /maxAttempts/],
    [{ maxAttempts: Number.NaN }, /maxAttempts/],
    [{ backoffFactor: -1 }, /backoffFactor/],
    [{ backoffFactor: Infinity }, /backoffFactor/],
    [{ jitter: 1.1 }, /jitter/],
    [{ jitter: "0" }, /jitter/],
    [{ initialDelay: "soon" }, /: initialDelay of retry: cannot read "soon"/],
    [{ maxDelay: -1 }, /: maxDelay of retry: cannot read "-1" as/],
    [{ maxDelay: null }, /maxDelay/],
    [{ maxAttempts: null }, /maxAttempts/],
    [{ retryFor: Error }, /\[Error\]/],
    [{ retryFor: [1] }, /retryFor/],
    [{ retryFor: {} }, /retryFor/],
  ];
  for (const [policy, message] of cases) assert.throws(() => resolveRetry(policy, 3), message);
  assert.throws(() => resolveRetry(5 as never, 3), /retry must be an object/);
  assert.throws(() => resolveRetry([] as never, 3), /retry must be an object/);
});

test("what is set at the place of call goes over the definition, and the rest stays", () => {
  const predicate = (): boolean => true;
  const merged = mergeRetry(
    { maxAttempts: 5, initialDelay: "2s", retryFor: predicate },
    { maxAttempts: 2 },
  );
  assert.deepEqual(merged, { maxAttempts: 2, initialDelay: "2s", retryFor: predicate });
  assert.deepEqual(mergeRetry(undefined, undefined), {});
  assert.deepEqual(mergeRetry({ jitter: 0 }, { jitter: undefined as never }), { jitter: 0 });
});

test("a policy travels as JSON: only what was set, delays in milliseconds, classes by name", () => {
  class Busy extends Error {}
  const data = retryToData({ maxAttempts: 5, initialDelay: "2s", retryFor: [Busy, TypeError] });
  assert.deepEqual(data, { maxAttempts: 5, initialDelay: 2_000, retryFor: ["Busy", "TypeError"] });
  const back = retryFromData(JSON.parse(JSON.stringify(data)) as typeof data);
  const policy = resolveRetry(mergeRetry({ maxAttempts: 2, jitter: 0 }, back), 3);
  assert.deepEqual(afterFailure(policy, new Busy("x"), 4, 0), { kind: "retry", delayMs: 16_000 });
  assert.deepEqual(afterFailure(policy, new Error("x"), 1, 0), { kind: "giveUp" });
  assert.ok(Number.isSafeInteger(retryToData({ maxAttempts: Infinity }).maxAttempts));
  assert.deepEqual(retryToData({}), {});
});

test("what another version added to a policy that has travelled is left alone", () => {
  const data = { maxAttempts: 5, wholly: "new" } as ReturnType<typeof retryToData>;
  assert.equal(resolveRetry(mergeRetry({}, retryFromData(data)), 3).maxAttempts, 5);
});

test("a predicate cannot travel", () => {
  assert.throws(() => retryToData({ retryFor: () => true }), TypeError);
});

/** As if from another copy of the package. */
function foreignNonRetryable(): Error {
  const NonRetryableError = class NonRetryableError extends Error {};
  return new (class Mine extends NonRetryableError {})("x");
}
