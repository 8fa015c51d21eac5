import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { fork } from "../../../src/core/effects/fork.ts";
import { continueAsNew } from "../../../src/core/effects/lineage.ts";
import { counters } from "../../../src/core/effects/record.ts";
import { cancelled, compensate, shield, within } from "../../../src/core/effects/scope.ts";
import { sleep } from "../../../src/core/effects/time.ts";
import { CancelledError, TurnLimitError } from "../../../src/core/errors.ts";
import { Drive } from "./drive.ts";

describe("undo steps", () => {
  test("do not run when the workflow succeeds, and are dropped when it continues as new", () => {
    const done = new Drive(function* (): Flow<string> {
      yield* compensate(call(release, "a"));
      return yield* call(reserve);
    });
    done.value("1", "reserved");
    assert.equal(done.result, "reserved");

    const continued = new Drive(function* (): Flow<void> {
      yield* compensate(call(release, "a"));
      yield* continueAsNew();
    });
    assert.deepEqual(continued.continued, []);
  });

  test("take no number, and run one at a time, newest first, when the workflow fails", () => {
    const drive = new Drive(booking);
    assert.deepEqual(drive.waiting, ["1 call(reserve)"]);
    drive.value("1");
    assert.deepEqual(drive.waiting, ["2 call(reserve)"]);
    drive.value("2");
    const declined = new Error("declined");
    drive.error("3", declined);
    assert.equal(drive.turn.done, undefined);
    assert.deepEqual(drive.waiting, ["undo.2.1 call(release)"]);
    drive.value("undo.2.1");
    assert.deepEqual(drive.waiting, ["undo.2.2 sleep"]);
    drive.value("undo.2.2");
    assert.deepEqual(drive.waiting, ["undo.1 call(release)"]);
    drive.value("undo.1");
    assert.equal(drive.failure.error, declined);
    assert.equal(drive.failure.failedBy, 3);
  });

  test("run when the execution is cancelled, after its finally blocks, and learn why", () => {
    const reasons: unknown[] = [];
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(
        (function* (): Flow<void> {
          reasons.push(yield* cancelled());
          yield* call(release, "x");
        })(),
      );
      try {
        yield* sleep("1h");
      } finally {
        yield* call(reserve, "clean-up");
      }
    });
    drive.cancel();
    assert.deepEqual(drive.waiting, ["2 call(reserve)"]);
    drive.value("2");
    assert.deepEqual(drive.waiting, ["undo.1.1 call(release)"]);
    assert.ok(reasons.every((reason) => reason instanceof CancelledError));
    drive.value("undo.1.1");
    assert.equal(drive.closed.reason.message, "stop");
    assert.deepEqual(drive.closed.errors, []);
  });

  test("of what a late value has led to run too: the classic order is safe", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* call(reserve);
      yield* compensate(call(release));
      yield* call(pay);
    });
    drive.cancel(["1"]);
    assert.deepEqual(drive.waiting, ["1 call(reserve) late"]);
    drive.value("1");
    assert.deepEqual(drive.waiting, ["undo.1 call(release)"]);
    drive.value("undo.1");
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("are numbered over all branches, and stay when their branch has lost, ended or timed out", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* race({ quick: call(pay), slow: registering("loser") });
      yield* all([registering("a"), registering("b")]);
      try {
        yield* within("1s", registering("late"));
      } catch {
        // it took too long
      }
      throw new Error("nothing else");
    });
    drive.value("1.0");
    drive.value("2.1.1");
    drive.value("2.0.1");
    drive.value("3", undefined);
    const ran: string[] = [];
    while (drive.turn.done === undefined) {
      const [path = ""] = drive.pending;
      ran.push(path);
      drive.value(path);
    }
    assert.deepEqual(ran, ["undo.4", "undo.3", "undo.2", "undo.1"]);
  });

  test("that fail do not keep the others from running; the first error is told, with theirs in errors", () => {
    const drive = new Drive(booking);
    drive.value("1");
    drive.value("2");
    const declined = new Error("declined");
    drive.error("3", declined);
    const lost = new Error("the key is lost");
    drive.error("undo.2.1", lost);
    assert.deepEqual(drive.turn.undoFailures, [{ path: "undo.2", error: lost, failedBy: 4 }]);
    const jammed = new Error("the lock is jammed");
    drive.error("undo.1", jammed);
    assert.deepEqual(drive.turn.undoFailures, [{ path: "undo.1", error: jammed, failedBy: 5 }]);
    assert.equal(drive.failure.error, declined);
    assert.equal(drive.failure.failedBy, 3);
    assert.deepEqual((declined as Error & { errors: unknown }).errors, [lost, jammed]);
  });

  test("of code of their own that throws fail by no delivery", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(() => {
        throw new Error("no such thing");
      });
      yield* compensate((() => 5) as never);
      throw new Error("first");
    });
    const [five, thrown] = drive.turn.undoFailures;
    assert.deepEqual([five?.path, five?.failedBy], ["undo.2", 0]);
    assert.match(String(five?.error), /compensate takes an effect, a generator, or a function/);
    assert.deepEqual([thrown?.path, String(thrown?.error)], ["undo.1", "Error: no such thing"]);
    assert.equal(String(drive.failure.error), "Error: first");
  });

  test("leave what they threw to the log where the first error can take no others", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(call(release));
      throw "just a string"; // oxlint-disable-line only-throw-error -- what is tried
    });
    const lost = new Error("the key is lost");
    drive.error("undo.1", lost);
    assert.equal(drive.failure.error, "just a string");
    assert.deepEqual(drive.unheard, [lost]);
  });

  test("are not interrupted: a cancel that comes while they run changes how it ends, and nothing else", () => {
    const drive = new Drive(booking);
    drive.value("1");
    drive.value("2");
    const declined = new Error("declined");
    drive.error("3", declined);
    drive.cancel(["undo.2.1"]);
    assert.deepEqual(drive.waiting, ["undo.2.1 call(release)"]);
    drive.value("undo.2.1");
    drive.value("undo.2.2");
    drive.value("undo.1");
    assert.equal(drive.closed.reason.message, "stop");
    assert.deepEqual(drive.closed.errors, [declined]);
  });

  test("may run branches and start forks, which end before the next step begins", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(call(release, "first"));
      yield* compensate(all([call(release, "a"), fork(call(release, "b"))]));
      yield* compensate(shield(call(release, "c")));
      throw new Error("stop");
    });
    assert.deepEqual(drive.waiting, ["undo.3.0 call(release)"]);
    drive.value("undo.3.0");
    assert.deepEqual(drive.waiting, ["undo.2.0 call(release)", "undo.2.1.0 call(release)"]);
    drive.value("undo.2.0");
    assert.deepEqual(drive.waiting, ["undo.2.1.0 call(release)"]);
    drive.value("undo.2.1.0");
    assert.deepEqual(drive.waiting, ["undo.1 call(release)"]);
    drive.value("undo.1");
    assert.equal(String(drive.failure.error), "Error: stop");
  });

  test("may change counters, and are not undone themselves", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(
        (function* (): Flow<void> {
          yield* counters.add("undone");
          yield* compensate(call(release));
        })(),
      );
      throw new Error("stop");
    });
    assert.equal(drive.counters.get("undone"), 1);
    assert.match(String(drive.turn.undoFailures[0]?.error), /compensate in an undo step/);
  });

  test("run also where the body was ended for yielding without end, and one that does so is given up", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(call(release));
      yield* compensate(endless());
      yield* endless();
    });
    assert.ok(drive.turn.undoFailures[0]?.error instanceof TurnLimitError);
    assert.deepEqual(drive.waiting, ["undo.1 call(release)"]);
    drive.value("undo.1");
    assert.ok(drive.failure.error instanceof TurnLimitError);
  });

  test("are refused at the yield where they are none, or run already", () => {
    const refused: string[] = [];
    const drive = new Drive(function* (): Flow<void> {
      const step = registering("x");
      yield* compensate(step);
      for (const wrong of [5, Promise.resolve(1), release, step]) {
        try {
          yield* compensate(wrong as never);
        } catch (error) {
          refused.push(String(error));
        }
      }
      try {
        yield* all([step]);
      } catch (error) {
        refused.push(String(error));
      }
    });
    assert.equal(drive.turn.done?.kind, "completed");
    assert.match(refused[0] ?? "", /the number 5/);
    assert.match(refused[1] ?? "", /a promise/);
    assert.match(
      refused[2] ?? "",
      /the activity "release" itself; write: compensate\(call\(release, …\)\)/,
    );
    assert.match(refused[3] ?? "", /the same generator was given to compensate twice/);
    assert.match(refused[4] ?? "", /the same generator was given to all twice/);
  });

  test("run where the result cannot be stored, and go on after a crash there", () => {
    const encode = (value: unknown): unknown => {
      if (typeof value === "function") throw new TypeError("a function cannot be stored");
      return value;
    };
    const drive = new Drive(
      function* (): Flow<unknown> {
        yield* call(reserve);
        yield* compensate(call(release, "a"));
        yield* compensate(call(release, "b"));
        return () => 1;
      },
      [],
      { encode },
    );
    drive.value("1");
    assert.deepEqual(drive.waiting, ["undo.2 call(release)"]);
    drive.crash();
    drive.value("undo.2");
    drive.crash();
    drive.value("undo.1");
    assert.equal(String(drive.failure.error), "TypeError: a function cannot be stored");
    assert.equal(drive.failure.failedBy, 1);
  });

  test("go on after a crash", () => {
    const drive = new Drive(booking);
    drive.value("1");
    drive.value("2");
    drive.error("3", new Error("declined"));
    drive.crash();
    drive.value("undo.2.1");
    drive.crash();
    drive.value("undo.2.2");
    drive.crash();
    drive.value("undo.1");
    assert.equal(String(drive.failure.error), "Error: declined");
  });
});

const reserve = activity("reserve", async (_what?: string) => "reserved");
const release = activity("release", async (_what?: string) => "released");
const pay = activity("pay", async () => "paid");

function* booking(): Flow<void> {
  yield* call(reserve, "room");
  yield* compensate(call(release, "room"));
  yield* call(reserve, "car");
  yield* compensate(() => returnCar());
  yield* call(pay);
}

function* returnCar(): Flow<void> {
  yield* call(release, "car");
  yield* sleep("1s");
}

function* registering(what: string): Flow<void> {
  yield* compensate(call(release, what));
  yield* call(reserve, what);
}

function* endless(): Flow<void> {
  for (;;) {
    try {
      yield* counters.add("n");
    } catch {
      // goes on all the same
    }
  }
}
