import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { progress, state } from "../../../src/core/effects/record.ts";
import { cancelled } from "../../../src/core/effects/scope.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { CancelledError, ExpiryError, TurnLimitError } from "../../../src/core/errors.ts";
import { maxUnwaitedEffects } from "../../../src/core/interpreter/refusals.ts";
import {
  maxClosingEffects,
  maxClosingEffectsAfterError,
} from "../../../src/core/interpreter/frame.ts";
import { Drive } from "./drive.ts";

describe("closing an execution", () => {
  test("runs its finally blocks, which may yield, and shows its catch blocks nothing", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        try {
          return yield* call(step, "work");
        } catch {
          return yield* call(step, "caught");
        } finally {
          yield* call(step, "inner clean-up");
        }
      } finally {
        yield* call(step, "outer clean-up");
      }
    });
    drive.cancel();
    assert.deepEqual(drive.turn.cancelled, ["1"]);
    assert.deepEqual(drive.waiting, ["2 call(step)"]);
    drive.value("2");
    assert.deepEqual(drive.waiting, ["3 call(step)"]);
    drive.value("3");
    assert.equal(drive.closed.reason.message, "stop");
    assert.deepEqual(drive.closed.errors, []);
  });

  test("is one entry of the journal, with the reason and a delivery number", () => {
    const drive = new Drive(waiting);
    const reason = new ExpiryError("EXECUTION_TIMED_OUT", "too long");
    drive.cancel(["1", "9"], reason);
    const { path, kind, input, reached, delivery, outcome } = drive.journal.get("cancel") ?? {};
    assert.deepEqual(
      { path, kind, input, reached, delivery },
      { path: "cancel", kind: "cancel", input: ["1"], reached: 1, delivery: 1 },
    );
    assert.equal(outcome?.ok === false && String(outcome.error), String(reason));
  });

  test("gets through a loop that catches everything", () => {
    const drive = new Drive(function* (): Flow<void> {
      for (;;) {
        try {
          yield* call(step, "for ever");
        } catch {
          continue;
        }
      }
    });
    drive.error("1", new Error("caught"));
    drive.cancel();
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("is told to finally blocks, in the body and in branches, and to nobody before", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* state.set("before", String(yield* cancelled()));
      try {
        yield* all([askingWhy("in a branch"), call(step, "b")]);
      } finally {
        yield* state.set("in the body", String(yield* cancelled()));
        yield* all([askingWhy("in a branch of the clean-up")]);
      }
    });
    drive.cancel();
    drive.value("2.0.1");
    assert.ok(drive.closed);
    assert.deepEqual(Object.fromEntries(drive.state), {
      before: "undefined",
      "in a branch": "CancelledError: stop",
      "in the body": "CancelledError: stop",
      "in a branch of the clean-up": "CancelledError: stop",
    });
  });

  test("closes branches first, then the generator around them", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* all([tidy("a"), race({ b: tidy("b"), c: sleep("1h") }), allSettled([tidy("d")])]);
      } finally {
        yield* progress("outer");
      }
    });
    drive.cancel();
    assert.deepEqual(drive.pending, ["1.0.2", "1.1.0.2", "1.2.0.2"]);
    drive.value("1.2.0.2");
    drive.value("1.1.0.2");
    assert.deepEqual(drive.progress, ["d", "b"]);
    drive.value("1.0.2");
    assert.deepEqual(drive.progress, ["d", "b", "a", "outer"]);
    assert.ok(drive.closed);
  });

  test("ends as closed whatever a finally block returns or throws; what it throws goes to errors", () => {
    const returning = new Drive(function* (): Flow<unknown> {
      try {
        return yield* call(step, "work");
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what this is about
        return "all is well";
      }
    });
    returning.cancel();
    assert.deepEqual(returning.closed.errors, []);

    const throwing = new Drive(function* (): Flow<unknown> {
      try {
        yield* all([failingTidy("a"), failingTidy("b"), call(step, "c")]);
      } finally {
        // oxlint-disable-next-line no-unsafe-finally -- what this is about
        throw new Error("from the body");
      }
    });
    throwing.cancel();
    assert.equal(throwing.closed.reason.message, "stop");
    assert.deepEqual(throwing.closed.errors.map(String), [
      "Error: from a",
      "Error: from b",
      "Error: from the body",
    ]);
  });

  test("keeps its first reason, and refuses another one", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* call(step, "work");
      } finally {
        yield* call(step, "tidy");
      }
    });
    drive.cancel();
    assert.equal(drive.cancel([], new CancelledError("second")).refused.length, 1);
    assert.deepEqual(drive.pending, ["2"]);
    assert.equal(drive.coroutine.closingReason?.message, "stop");
    drive.value("2");
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("in one advance with outcomes takes them in their order", () => {
    const cancel = { kind: "cancel", reason: new CancelledError("stop"), awaited: [] } as const;
    const first = new Drive(twoSteps);
    const outcome = { kind: "outcome", path: "1", outcome: { ok: true, value: 1 } } as const;
    first.deliver(outcome, cancel);
    assert.deepEqual(first.turn.cancelled, ["2"]);
    assert.deepEqual(first.turn.scheduled, []);
    const second = new Drive(twoSteps);
    assert.deepEqual(second.deliver(cancel, outcome).refused, [outcome]);
    const third = new Drive(twoSteps);
    third.deliver({ ...cancel, awaited: ["1"] }, outcome);
    assert.ok(third.closed);
    assert.deepEqual(
      third.turn.delivered.map(({ path }) => path),
      ["1"],
    );
  });

  test("before anything was waited for closes what the start led to", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* call(step, "work");
    });
    drive.cancel();
    assert.ok(drive.closed);
  });
});

describe("a generator that does not end when it is closed", () => {
  test("may yield 1,000 more effects, then return() is called at every yield", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* call(step, "work");
      } finally {
        for (;;) yield* now();
      }
    });
    drive.cancel();
    const [error] = drive.closed.errors;
    assert.ok(error instanceof TurnLimitError);
    assert.match(
      error.message,
      /1000 effects while it was being closed, and its clean-up was cut short/,
    );
    assert.equal(drive.journal.size, 2 + maxClosingEffects);
  });

  test("may yield 100 once an error has been delivered into it, whether at the yield or later", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* call(step, "work");
      } finally {
        for (;;) {
          try {
            yield* call(step, "again");
          } catch {
            continue;
          }
        }
      }
    });
    drive.cancel();
    while (drive.turn.done === undefined) drive.error(drive.pending[0] ?? "", new Error("no"));
    assert.ok(drive.closed.errors[0] instanceof TurnLimitError);
    assert.equal(drive.journal.size, 2 + 1 + maxClosingEffectsAfterError);

    const nonsense = new Drive(function* (): Flow<void> {
      try {
        yield* call(step, "work");
      } finally {
        for (;;) {
          try {
            yield 5 as never;
          } catch {
            continue;
          }
        }
      }
    });
    nonsense.cancel();
    assert.ok(nonsense.closed.errors[0] instanceof TurnLimitError);
  });

  test("is ended without being asked where nothing closes it", () => {
    const drive = new Drive(function* (): Flow<void> {
      for (;;) {
        try {
          yield* call(step, "work");
        } finally {
          // oxlint-disable-next-line no-unsafe-finally -- what this is about
          continue;
        }
      }
    });
    drive.cancel();
    while (drive.turn.done === undefined) drive.value(drive.pending[0] ?? "");
    assert.equal(drive.closed.reason.message, "stop");
    assert.equal(drive.closed.errors.length, 1);
  });

  test("is ended as closed also where it only does what takes no time", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* call(step, "charge");
      for (;;) {
        try {
          yield* cancelled();
        } catch {
          continue;
        }
      }
    });
    drive.cancel(["1"]);
    drive.value("1");
    assert.equal(drive.closed.reason.message, "stop");
    assert.match(
      String(drive.closed.errors[0]),
      new RegExp(`${maxUnwaitedEffects} effects in a row`),
    );
  });
});

const step = activity("step", async (name: string) => name);

function* waiting(): Flow<void> {
  yield* sleep("1h");
}

function* twoSteps(): Flow<void> {
  yield* call(step, "a");
  yield* call(step, "b");
}

function* tidy(name: string): Flow<unknown> {
  try {
    return yield* call(step, name);
  } finally {
    yield* call(step, `tidy ${name}`);
    yield* progress(name);
  }
}

function* failingTidy(name: string): Flow<unknown> {
  try {
    return yield* call(step, name);
  } finally {
    // oxlint-disable-next-line no-unsafe-finally -- what the tests are about
    throw new Error(`from ${name}`);
  }
}

function* askingWhy(name: string): Flow<void> {
  try {
    yield* call(step, name);
  } finally {
    yield* state.set(name, String(yield* cancelled()));
  }
}
