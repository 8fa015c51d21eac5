import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { fork } from "../../../src/core/effects/fork.ts";
import { continueAsNew } from "../../../src/core/effects/lineage.ts";
import { compensate, shield, within } from "../../../src/core/effects/scope.ts";
import { Drive } from "./drive.ts";

describe("continueAsNew", () => {
  test("ends the run with the arguments of the next one", () => {
    const drive = new Drive(
      function* (round: number): Flow<void> {
        yield* call(step);
        yield* continueAsNew(round + 1, "more");
        throw new Error("nothing comes after it");
      },
      [1],
    );
    drive.value("1");
    assert.deepEqual(drive.continued, [2, "more"]);
    assert.deepEqual(
      drive.turn.entries.map(({ path, kind }) => [path, kind]),
      [["2", "continueAsNew"]],
    );
  });

  test("runs finally blocks, which may yield, and shows catch blocks nothing", () => {
    const drive = new Drive(function* (): Flow<void> {
      for (;;) {
        try {
          yield* continueAsNew("next");
        } catch {
          throw new Error("never seen");
        } finally {
          yield* call(step, "clean-up");
        }
      }
    });
    assert.deepEqual(drive.waiting, ["2 call(step)"]);
    drive.crash();
    drive.value("2");
    assert.deepEqual(drive.continued, ["next"]);
  });

  test("waits for forks, and fails with one that fails", () => {
    const forking = function* (): Flow<void> {
      yield* fork(call(step));
      yield* continueAsNew(1);
    };
    const drive = new Drive(forking);
    assert.deepEqual(drive.waiting, ["1.0 call(step)"]);
    drive.value("1.0");
    assert.deepEqual(drive.continued, [1]);

    const failing = new Drive(forking);
    failing.error("1.0", new Error("declined"));
    assert.equal(String(failing.failure.error), "Error: declined");
  });

  test("gives way to a cancel that comes before the run has ended, and then undo steps run", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(call(step, "undo"));
      try {
        yield* continueAsNew();
      } finally {
        yield* call(step, "clean-up");
      }
    });
    drive.cancel();
    assert.deepEqual(drive.waiting, ["undo.1 call(step)"]);
    drive.value("undo.1");
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("is a return: a finally block that returns or throws decides", () => {
    const returning = new Drive(function* (): Flow<number> {
      try {
        return yield* continueAsNew();
      } finally {
        return 5; // oxlint-disable-line no-unsafe-finally -- what is tried
      }
    });
    assert.equal(returning.result, 5);
    const throwing = new Drive(function* (): Flow<void> {
      try {
        yield* continueAsNew();
      } finally {
        throw new Error("in the end"); // oxlint-disable-line no-unsafe-finally -- what is tried
      }
    });
    assert.equal(String(throwing.failure.error), "Error: in the end");
  });

  test("is refused in a branch, a shield, a deadline, a fork, an undo step, and while the execution is closed", () => {
    const refused: unknown[] = [];
    const trying = function* (): Flow<void> {
      try {
        yield* continueAsNew();
      } catch (error) {
        refused.push(error);
      }
    };
    const drive = new Drive(function* (): Flow<void> {
      yield* all([trying(), continueAsNew()].slice(0, 1));
      yield* shield(trying());
      yield* within("1s", trying());
      yield* fork(trying());
      yield* compensate(trying());
      try {
        yield* call(step);
      } finally {
        yield* trying();
      }
    });
    const seen = refused.length;
    drive.cancel();
    assert.ok(seen >= 4);
    assert.ok(refused.length >= seen + 2);
    for (const error of refused)
      assert.ok(error instanceof TypeError && /yield it in the body/.test(error.message));
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("with arguments that cannot be stored throws at the yield, in replay too, and the run goes on", () => {
    let fits = false;
    const drive = new Drive(
      function* (): Flow<string> {
        try {
          return yield* continueAsNew(() => 1);
        } catch (error) {
          yield* call(step);
          return String(error);
        }
      },
      [],
      {
        encode: (value) => {
          if (!fits && Array.isArray(value) && typeof value[0] === "function")
            throw new TypeError("a function cannot be stored");
          return value;
        },
      },
    );
    fits = true; // asked only once
    drive.crash();
    drive.value("2");
    assert.equal(drive.result, "TypeError: a function cannot be stored");
  });

  test("yielded by a generator that the body runs inline counts as its own", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* inner();
    });
    assert.deepEqual(drive.continued, ["from inside"]);
  });
});

const step = activity("step", async (_what?: string) => 1);

function* inner(): Flow<void> {
  yield* continueAsNew("from inside");
}
