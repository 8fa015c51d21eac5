import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as errors from "../../src/core/errors.ts";
import { stentErrors, type StentError } from "../../src/core/errors.ts";

test("every error class has its own name, and the code that the docs list for it", () => {
  for (const { className, code, error } of samples) {
    assert.equal(error.name, className);
    assert.equal(error.code, code);
    assert.ok(error instanceof errors.StentError && error instanceof Error, className);
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(!Object.keys(error).includes("name"), "the name is not an enumerable property");
    assert.ok(error.stack?.includes(error.message));
  }
});

test("docs/errors.md lists every class and code, and nothing else", () => {
  const listed = docs().filter(({ code }) => code !== "–");
  const thrown = samples.map(({ className, code }) => `${className} ${code}`);
  assert.deepEqual(
    listed.map(({ className, code }) => `${className} ${code}`).toSorted(),
    thrown.toSorted(),
  );
});

test("docs/errors.md lists every class that is exported", () => {
  assert.deepEqual(
    [...new Set(docs().map(({ className }) => className))].toSorted(),
    Object.keys(stentErrors).toSorted(),
  );
  for (const [name, errorClass] of Object.entries(errors)) {
    if (typeof errorClass === "function" && errorClass.prototype instanceof Error)
      assert.ok(name in stentErrors, name);
  }
});

test("a cancel without a reason says that the execution was cancelled", () => {
  assert.equal(new errors.CancelledError().message, "Execution cancelled");
  assert.equal(new errors.CancelledError().reason, undefined);
  assert.equal(new errors.CancelledError("no stock").message, "no stock");
});

test("what else went wrong stands in errors, which is not enumerable", () => {
  const also = new Error("finally failed");
  const error = new errors.CancelledError("stop", { errors: [also], cause: "why" });
  assert.deepEqual(error.errors, [also]);
  assert.equal(error.cause, "why");
  assert.deepEqual(Object.keys(error).toSorted(), ["code", "reason"]);
  assert.ok(!("errors" in new errors.CancelledError()));
});

test("an unregistered function is named together with those that are registered", () => {
  const error = new errors.UnregisteredFunctionError("chrage", ["charge", "refund"]);
  assert.equal(error.functionName, "chrage");
  assert.match(error.message, /"chrage".*charge, refund/);
  assert.match(new errors.UnregisteredFunctionError("a", []).message, /registered: none/);
  assert.match(
    new errors.UnregisteredFunctionError("a", Array<string>(30).fill("f")).message,
    /and 10 more/,
  );
});

test("non-determinism names both effects, the path, and what to do", () => {
  const recorded = { kind: "call", name: "reserve" };
  const yielded = { kind: "sleep" };
  const error = new errors.NonDeterminismError({ path: "3.0.2", recorded, yielded });
  assert.match(error.message, /path 3\.0\.2 .*call "reserve".*sleep.*patched/);
  assert.deepEqual([error.path, error.recorded, error.yielded], ["3.0.2", recorded, yielded]);
});

test("a user may subclass NonRetryableError", () => {
  class Declined extends errors.NonRetryableError {}
  const error = new Declined("no", { cause: 1 });
  assert.ok(error instanceof errors.NonRetryableError);
  assert.deepEqual([error.code, error.cause], ["NON_RETRYABLE", 1]);
});

function docs(): { className: string; code: string }[] {
  const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  return [...text.matchAll(/^\| `(\w+)`\s*\| `?([A-Z_–]+)`?\s*\|/gm)].map(
    ([, className = "", code = ""]) => ({ className, code }),
  );
}

const samples: readonly { className: string; code: string; error: StentError }[] = [
  sample("UNREGISTERED_FUNCTION", new errors.UnregisteredFunctionError("f", ["g"])),
  sample("DUPLICATE_FUNCTION", new errors.DuplicateFunctionError("f", "2")),
  sample("WAIT_EXPIRED", new errors.ExpiryError("WAIT_EXPIRED", "too long")),
  sample("EXECUTION_TIMED_OUT", new errors.ExpiryError("EXECUTION_TIMED_OUT", "too long")),
  sample("ATTEMPT_TIMED_OUT", new errors.ExpiryError("ATTEMPT_TIMED_OUT", "too long")),
  sample("CANCELLED", new errors.CancelledError()),
  sample("LEASE_LOST", new errors.LeaseLostError("lost")),
  sample("DRAINING", new errors.DrainError()),
  sample("DEADLOCK", new errors.DeadlockError("a waits for b")),
  sample("POISON", new errors.PoisonError("5 sessions died")),
  sample("CLEANED_UP", new errors.CleanedUpError("released", ["release"])),
  ...(
    [
      "DATABASE_UNREACHABLE",
      "DATABASE_MISSING",
      "DATABASE_READ_ONLY",
      "DATABASE_FULL",
      "DATABASE_CORRUPT",
      "DRIVER_MISSING",
      "COMMIT_UNKNOWN",
    ] as const
  ).map((code) =>
    sample(code, new errors.DatabaseError(code, "down", { cause: new Error("ECONNREFUSED") })),
  ),
  sample("CLOSED", new errors.ClosedError()),
  sample(
    "VALIDATION_FAILED",
    new errors.ValidationError("refused: total: not a number", [
      { message: "not a number", path: ["total"] },
    ]),
  ),
  sample("NON_RETRYABLE", new errors.NonRetryableError("no")),
  sample(
    "NON_DETERMINISM",
    new errors.NonDeterminismError({
      path: "1",
      recorded: { kind: "call" },
      yielded: { kind: "sleep" },
    }),
  ),
  sample("EXECUTION_NOT_FOUND", new errors.ExecutionNotFoundError("x")),
  sample("EXECUTION_EXISTS", new errors.ExecutionExistsError("taken")),
  sample("EXECUTION_RUNNING", new errors.ExecutionRunningError("running")),
  sample("EXECUTION_FINISHED", new errors.ExecutionFinishedError("finished")),
  sample("DEAD_LETTER_NOT_FOUND", new errors.DeadLetterNotFoundError("t")),
  sample("INVALID_DURATION", new errors.InvalidDurationError("soon")),
  sample("SERIALIZATION", new errors.SerializationError("no", { path: "args[0]" })),
  sample("SCHEMA_MISMATCH", new errors.SchemaMismatchError("old")),
  sample("NO_CONTEXT", new errors.NoContextError()),
  sample("TURN_LIMIT", new errors.TurnLimitError("10,000 effects")),
  sample("NOT_SUPPORTED", new errors.NotSupportedError("not yet")),
  sample("REMOTE_ERROR", new errors.RemoteError("CardDeclined", "declined")),
];

function sample(
  code: string,
  error: StentError,
): { className: string; code: string; error: StentError } {
  return { className: error.constructor.name, code, error };
}
