import assert from "node:assert/strict";
import { test } from "node:test";
import { Result } from "../../src/core/result.ts";

test("a Result tells by ok whether it holds a value or an error", () => {
  const ok = Result.Ok(1);
  const failed = Result.Error(new TypeError("no"));
  assert.deepEqual([ok.ok, ok.value, ok.error], [true, 1, undefined]);
  assert.deepEqual([failed.ok, failed.value], [false, undefined]);
  assert.deepEqual(Object.keys(ok), ["ok", "value", "error"]);
});

test("unwrap gives the value, or throws the error itself, or an Error of its text", () => {
  assert.equal(Result.Ok(undefined).unwrap(), undefined);
  const error = new TypeError("no");
  assert.throws(
    () => Result.Error(error).unwrap(),
    (thrown) => thrown === error,
  );
  assert.throws(() => Result.Error("declined").unwrap(), { name: "Error", message: "declined" });
});

test("unwrapOr gives the fallback only where there is no value", () => {
  assert.equal(Result.Ok(0).unwrapOr(1), 0);
  assert.equal(Result.Error("no").unwrapOr(1), 1);
});

test("map and flatMap work on the value and leave an error as it is", () => {
  const double = (n: number): number => n * 2;
  assert.deepEqual(Result.Ok(2).map(double), Result.Ok(4));
  assert.deepEqual(Result.Error("no").map(double), Result.Error("no"));
  assert.deepEqual(
    Result.Ok(2).flatMap((n) => Result.Ok(n + 1)),
    Result.Ok(3),
  );
  assert.deepEqual(
    Result.Ok(2).flatMap(() => Result.Error("late")),
    Result.Error("late"),
  );
  assert.deepEqual(
    Result.Error("no").flatMap(() => Result.Ok(1)),
    Result.Error("no"),
  );
});

test("equal Results are deep-equal, others are not", () => {
  assert.deepStrictEqual(Result.Ok({ a: 1 }), Result.Ok({ a: 1 }));
  assert.notDeepStrictEqual(Result.Ok(1), Result.Ok(2));
  assert.notDeepStrictEqual(Result.Ok(undefined), Result.Error(undefined));
});

test("instanceof recognises Results of this and of another copy of the package, and nothing else", async () => {
  const other = (await import(new URL("../../src/core/result.ts?copy", import.meta.url).href)) as {
    readonly Result: typeof Result;
  };
  assert.notEqual(other.Result, Result);
  assert.ok(Result.Ok(1) instanceof Result);
  assert.ok(other.Result.Error(1) instanceof Result);
  for (const value of [
    { ok: true, value: 1, error: undefined },
    undefined,
    null,
    1,
    "ok",
    [],
    () => 1,
  ]) {
    assert.ok(!((value as unknown) instanceof Result));
  }
});
