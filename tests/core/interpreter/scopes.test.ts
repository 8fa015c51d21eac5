import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { cancelled, shield, within } from "../../../src/core/effects/scope.ts";
import { sleep } from "../../../src/core/effects/time.ts";
import { CancelledError, ExpiryError, TurnLimitError } from "../../../src/core/errors.ts";
import { Drive } from "./drive.ts";

describe("within", () => {
  test("gives the branch's value if it ends in time, and withdraws its timer", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return [yield* within("1s", call(step, "a")), yield* call(step, "b")];
    });
    assert.deepEqual(drive.waiting, ["1 within", "1.0 call(step)"]);
    drive.value("1.0", "A");
    assert.deepEqual(drive.turn.cancelled, ["1"]);
    assert.deepEqual(drive.waiting, ["2 call(step)"]);
    drive.value("2", "B");
    assert.deepEqual(drive.result, ["A", "B"]);
  });

  test("passes on the branch's error", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        return yield* within("1s", call(step));
      } catch (error) {
        return String(error);
      }
    });
    drive.error("1.0", new Error("declined"));
    assert.equal(drive.result, "Error: declined");
  });

  test("closes everything below it at its deadline, then throws an ExpiryError", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        return yield* within("1s", tidy());
      } catch (error) {
        return [error instanceof ExpiryError && error.code, String(error)];
      }
    });
    assert.deepEqual(drive.waiting, ["1 within", "1.0.1.0 call(step)", "1.0.1.1 sleep"]);
    expire(drive);
    assert.deepEqual(drive.turn.cancelled, ["1.0.1.0", "1.0.1.1"]);
    assert.deepEqual(drive.waiting, ["1.0.2 call(step)"]);
    drive.value("1.0.2");
    assert.deepEqual(drive.result, [
      "WAIT_EXPIRED",
      "ExpiryError: the branch under within did not end in its 1000 ms, and was closed",
    ]);
    assert.equal(seen.at(-1), "ExpiryError");
  });

  test("records its due time once", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* within("1s", sleep("1h"));
    });
    const { kind, dueAt, outcome } = drive.journal.get("1") ?? {};
    assert.deepEqual(
      { kind, dueAt, outcome },
      { kind: "within", dueAt: 1_001_001, outcome: undefined },
    );
    assert.equal(drive.turn.wakeAt, dueAt);
  });

  test("that failed the workflow is what retry goes back to, whatever its clean-up was given since", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* call(step);
      yield* within("1s", tidy());
    });
    drive.value("1");
    expire(drive, "2");
    drive.value("2.0.2");
    assert.equal(drive.failure.failedBy, 2);
    assert.ok(drive.failure.error instanceof ExpiryError);
  });

  test("of several, the inner and the outer end for themselves", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const tries: string[] = [];
      for (let n = 0; n < 2; n += 1) {
        try {
          yield* within("1m", branch(withinAnHour, tries));
        } catch (error) {
          tries.push((error as Error).name);
        }
      }
      return tries;
    });
    expire(drive, "1.0.1");
    expire(drive, "1");
    expire(drive, "2");
    assert.deepEqual(drive.result, ["ExpiryError", "ExpiryError", "ExpiryError"]);
  });

  test("does not interrupt the clean-up of what is closed from outside", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* within("1s", tidy());
    });
    drive.cancel();
    assert.deepEqual(drive.turn.cancelled, ["1", "1.0.1.0", "1.0.1.1"]);
    assert.deepEqual(drive.waiting, ["1.0.2 call(step)"]);
    drive.value("1.0.2");
    assert.equal(drive.closed.reason.message, "stop");
    assert.equal(seen.at(-1), "CancelledError");
  });

  test("puts what its clean-up throws into errors of its own", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* within("1s", branch(untidy));
    });
    expire(drive);
    assert.deepEqual(
      (drive.failure.error as ExpiryError & { errors: Error[] }).errors.map(String),
      ["Error: clean-up"],
    );
  });

  test("takes a generator once, and nothing that is no branch", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const errors: string[] = [];
      const flow = tidy();
      for (const wrong of [flow, flow, 3 as never]) {
        try {
          yield* race({ a: within("1s", wrong), b: sleep(0) });
        } catch (error) {
          errors.push((error as Error).name);
        }
      }
      return errors;
    });
    drive.value("1.1");
    drive.value("1.0.0.2");
    assert.deepEqual(drive.result, ["TypeError", "TypeError"]);
  });
});

describe("shield", () => {
  test("is not interrupted by a cancel; its value is delivered, and the workflow closed at its next effect", () => {
    let value: unknown;
    const drive = new Drive(function* (): Flow<void> {
      value = yield* shield(call(step));
      yield* call(step, "never");
    });
    drive.cancel();
    assert.deepEqual(drive.turn.cancelled, []);
    assert.deepEqual(drive.waiting, ["1.0 call(step)"]);
    drive.value("1.0", "done");
    assert.equal(value, "done");
    assert.equal(drive.closed.reason.message, "stop");
    assert.deepEqual([...drive.journal.keys()].toSorted(), ["1.0", "cancel"]);
  });

  test("covers everything that its branch does, which knows nothing of the cancel", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* shield(tidy());
    });
    drive.cancel();
    drive.value("1.0.1.0");
    drive.value("1.0.1.1");
    assert.deepEqual(drive.waiting, ["1.0.2 call(step)"]);
    drive.value("1.0.2");
    assert.equal(seen.at(-1), "nothing");
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("that fails after a cancel closes the workflow; the error stands in errors", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        return yield* shield(call(step));
      } catch {
        return yield* call(step, "caught");
      }
    });
    drive.cancel();
    drive.error("1.0", new Error("late"));
    assert.deepEqual(drive.closed.errors.map(String), ["Error: late"]);
  });

  test("holds up a race, a failed all and a deadline until it has ended", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const { winner } = yield* race({ a: shield(call(step)), b: sleep("1s") });
      try {
        yield* all([shield(call(step)), call(step)]);
      } catch {
        // the sibling's
      }
      try {
        yield* within("1s", shield(call(step)));
      } catch (error) {
        return [winner, (error as Error).name];
      }
      return undefined;
    });
    drive.value("1.1");
    assert.deepEqual(drive.waiting, ["1.0.0 call(step)"]);
    drive.value("1.0.0", "kept");
    drive.error("2.1", new Error("sibling"));
    assert.deepEqual(drive.waiting, ["2.0.0 call(step)"]);
    drive.value("2.0.0");
    expire(drive, "3");
    assert.deepEqual(drive.waiting, ["3.0.0 call(step)"]);
    drive.value("3.0.0");
    assert.deepEqual(drive.result, ["b", "ExpiryError"]);
  });

  test("passes on value and error where nothing is cancelled", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const value = yield* shield(call(step));
      try {
        yield* shield(call(step));
      } catch (error) {
        return [value, String(error)];
      }
      return undefined;
    });
    drive.value("1.0", 1);
    drive.error("2.0", new CancelledError("child"));
    assert.deepEqual(drive.result, [1, "CancelledError: child"]);
  });

  test("bounds nothing: a loop of them that never waits is cut off", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        for (;;) yield* shield(all([]));
      } catch (error) {
        return error instanceof TurnLimitError;
      }
    });
    assert.equal(drive.result, true);
  });
});

const step = activity("step", async (what?: string) => what);
const seen: string[] = [];

function* withinAnHour(tries: string[]): Flow<void> {
  try {
    yield* within("1s", sleep("1h"));
  } catch (error) {
    tries.push((error as Error).name);
  }
  yield* sleep("1h");
}

function* untidy(): Flow<void> {
  try {
    yield* sleep("1h");
  } finally {
    // oxlint-disable-next-line no-unsafe-finally -- this is what is tested
    throw new Error("clean-up");
  }
}

/** Two things at once, and a clean-up that waits. */
function* tidy(): Flow<unknown> {
  try {
    return yield* all([call(step), sleep("1h")]);
  } finally {
    seen.push((yield* cancelled())?.name ?? "nothing");
    yield* call(step, "clean-up");
  }
}

/** The timer at a path is over. */
function expire(drive: Drive, path = "1"): void {
  drive.value(path);
}
