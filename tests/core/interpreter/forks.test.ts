import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { cancel, fork, join, type Task } from "../../../src/core/effects/fork.ts";
import { cancelled, shield } from "../../../src/core/effects/scope.ts";
import { sleep } from "../../../src/core/effects/time.ts";
import { CancelledError, TurnLimitError } from "../../../src/core/errors.ts";
import { Drive } from "./drive.ts";

describe("fork", () => {
  test("starts a branch and goes on", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(call(step, "forked"));
      yield* call(step, "main");
      return task;
    });
    assert.deepEqual(drive.waiting, ["1.0 call(step)", "2 call(step)"]);
    drive.value("2");
    assert.deepEqual(drive.waiting, ["1.0 call(step)"], "it ends only after its forks");
    drive.value("1.0");
    assert.deepEqual(drive.result, { id: "1" });
    assert.deepEqual([...drive.journal.keys()], ["1.0", "2"], "it leaves no entry of its own");
  });

  test("that fails, and is joined by nobody, fails its owner once that has returned", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* fork(call(step, "fails"));
      yield* fork(call(step, "is closed"));
      yield* call(step, "main");
      return "value";
    });
    drive.error("1.0", new Error("declined"));
    assert.deepEqual(drive.waiting, ["2.0 call(step)", "3 call(step)"], "the owner goes on");
    drive.value("3");
    assert.deepEqual(drive.turn.cancelled, ["2.0"]);
    assert.equal(String(drive.failure.error), "Error: declined");
    assert.equal(drive.failure.failedBy, 1, "retry goes back to the fork's failure");
  });

  test("that fails after its owner has returned closes the others at once", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* fork(call(step));
      yield* fork(tidy("second"));
      return "value";
    });
    drive.error("1.0", new Error("declined"));
    assert.deepEqual(drive.turn.cancelled, ["2.0.1"]);
    assert.deepEqual(drive.waiting, ["2.0.2 call(step)"], "their clean-up is waited for");
    drive.value("2.0.2");
    assert.equal(String(drive.failure.error), "Error: declined");
  });

  test("is closed when its owner fails, before that is told", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* fork(tidy("forked"));
      yield* call(step, "main");
    });
    drive.error("2", new Error("main"));
    assert.deepEqual(drive.turn.cancelled, ["1.0.1"]);
    drive.value("1.0.2");
    assert.equal(String(drive.failure.error), "Error: main");
    assert.deepEqual(seen.at(-1), ["forked", "the branch that started it failed"]);
  });

  test("belongs to the branch that starts it, which ends after it", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const both = yield* all([forking(), call(step, "sibling")]);
      yield* call(step, "after");
      return both;
    });
    assert.deepEqual(drive.waiting, ["1.0.1.0 call(step)", "1.0.2 call(step)", "1.1 call(step)"]);
    drive.value("1.0.2", "body");
    drive.value("1.1", "sibling");
    assert.deepEqual(drive.waiting, ["1.0.1.0 call(step)"]);
    drive.value("1.0.1.0", "fork");
    drive.value("2");
    assert.deepEqual(drive.result, ["body", "sibling"]);
  });

  test("of a race's loser is closed with it", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return (yield* race({ a: forking(), b: sleep("1s") })).winner;
    });
    drive.value("1.1");
    assert.deepEqual(drive.turn.cancelled.toSorted(), ["1.0.1.0", "1.0.2"]);
    assert.equal(drive.result, "b");
  });

  test("is closed with the execution, and before the generator that started it", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* fork(tidy("forked"));
        yield* sleep("1h");
      } finally {
        seen.push(["owner", (yield* cancelled())?.message]);
        yield* call(step, "owner's clean-up");
      }
    });
    drive.cancel();
    assert.deepEqual(drive.waiting, ["1.0.2 call(step)"]);
    drive.value("1.0.2");
    assert.deepEqual(seen.slice(-2), [
      ["forked", "stop"],
      ["owner", "stop"],
    ]);
    assert.deepEqual(drive.waiting, ["3 call(step)"]);
    drive.value("3");
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("that a finally block starts is waited for, and not closed", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* sleep("1h");
      } finally {
        yield* fork(tidy("late"));
      }
    });
    drive.cancel();
    assert.deepEqual(drive.waiting, ["2.0.1 call(step)"]);
    drive.value("2.0.1");
    drive.value("2.0.2");
    assert.deepEqual(seen.at(-1), ["late", undefined]);
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("whose owner had returned when the execution is closed is closed", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* fork(sleep("1h"));
      return "value";
    });
    drive.cancel();
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("that ends at once ends its owner at once", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(branch(justReturns));
      return yield* join(task);
    });
    assert.equal(drive.result, "just so");
  });

  test("in a loop that never waits is cut off", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        for (;;) yield* cancel(yield* fork(sleep("1h")));
      } catch (error) {
        return error instanceof TurnLimitError;
      }
    });
    const [last = ""] = drive.pending;
    drive.value(last);
    assert.equal(drive.result, true);
  });
});

describe("join", () => {
  test("gives the fork's value, as often as it is asked for, before and after the fork has ended", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(call(step));
      const both = yield* all([join(task), join(task)]);
      return [both, yield* join(task)];
    });
    drive.value("1.0", { a: 1 });
    assert.deepEqual(drive.result, [[{ a: 1 }, { a: 1 }], { a: 1 }]);
  });

  test("throws the fork's error, which then fails nobody else", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(call(step));
      yield* call(step, "meanwhile");
      try {
        yield* join(task);
      } catch (error) {
        return String(error);
      }
      return undefined;
    });
    drive.error("1.0", new Error("declined"));
    drive.value("2");
    assert.equal(drive.result, "Error: declined");
  });

  test("that leaves the body makes the fork's failure the one that retry goes back to", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(call(step));
      yield* call(step);
      return yield* join(task);
    });
    drive.error("1.0", new Error("declined"));
    drive.value("2");
    assert.equal(drive.failure.failedBy, 1);
  });

  test("of a cancelled fork throws a CancelledError", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(sleep("1h"));
      yield* cancel(task);
      try {
        yield* join(task);
      } catch (error) {
        return error instanceof CancelledError;
      }
      return undefined;
    });
    assert.equal(drive.result, true);
  });

  test("may be given up, as by a race", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(call(step));
      const { winner } = yield* race({ joined: join(task), late: sleep("1s") });
      return [winner, yield* join(task)];
    });
    drive.value("2.1");
    drive.value("1.0", 1);
    assert.deepEqual(drive.result, ["late", 1]);
  });

  test("waits in no circle: of a fork by what is in it, and of two by each other", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const tasks: Task<unknown>[] = [];
      const own = yield* fork(branch(joinsOwn, tasks));
      tasks.push(own);
      yield* sleep(1);
      const settled = yield* allSettled([join(own)]);
      const circle: Task<unknown>[] = [];
      circle.push(
        yield* fork(branch(joinsNth, circle, 1)),
        yield* fork(branch(joinsNth, circle, 0)),
      );
      return [settled.map(told), (yield* allSettled(circle.map((task) => join(task)))).map(told)];
    });
    drive.value("1.0.1");
    drive.value("2");
    drive.value("4.0.1");
    drive.value("5.0.1");
    assert.deepEqual(drive.result, [
      ["rejected TypeError"],
      ["rejected DeadlockError", "rejected DeadlockError"],
    ]);
  });

  test("knows only the tasks of this run", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const errors: string[] = [];
      for (const effect of [join({ id: "9" }), cancel({ id: "9" })]) {
        try {
          yield* effect;
        } catch (error) {
          errors.push((error as Error).message);
        }
      }
      return errors;
    });
    assert.deepEqual(drive.result, [
      'join takes a task that fork has given in this run of the workflow; there is none with the id "9"',
      'cancel takes a task that fork has given in this run of the workflow; there is none with the id "9"',
    ]);
  });
});

describe("cancel", () => {
  test("closes a fork and waits for its clean-up", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(tidy("forked"));
      yield* cancel(task);
      return "cancelled";
    });
    assert.deepEqual(drive.waiting, ["1.0.2 call(step)"]);
    drive.value("1.0.2");
    assert.equal(drive.result, "cancelled");
    assert.deepEqual(seen.at(-1), ["forked", "the branch was cancelled"]);
  });

  test("of one that has ended, or is being closed, does nothing", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(call(step));
      const value = yield* join(task);
      yield* cancel(task);
      const slow = yield* fork(tidy("slow"));
      yield* race({ first: cancel(slow), second: sleep(0) });
      yield* cancel(slow);
      return [value, yield* join(task)];
    });
    drive.value("1.0", 1);
    drive.value("5.1");
    assert.deepEqual(drive.waiting, ["4.0.2 call(step)"], "the workflow waits for its fork only");
    drive.value("4.0.2");
    assert.deepEqual(drive.result, [1, 1]);
  });

  test("of the fork that it stands in closes it at its next wait", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const tasks: Task<unknown>[] = [];
      tasks.push(yield* fork(branch(cancelsOwn, tasks)));
      yield* allSettled(tasks.map((task) => join(task)));
      return "went on";
    });
    drive.value("1.0.1");
    assert.deepEqual(drive.waiting, ["1.0.4 call(step)"]);
    drive.value("1.0.4");
    assert.equal(drive.result, "went on");
  });

  test("waits for a shield", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const task = yield* fork(shield(call(step)));
      yield* cancel(task);
      return yield* join(task);
    });
    assert.deepEqual(drive.waiting, ["1.0.0 call(step)"]);
    drive.value("1.0.0", "kept");
    assert.equal(drive.result, "kept");
  });

  test("does not fail the owner of what it closes", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* cancel(yield* fork(sleep("1h")));
      return "fine";
    });
    assert.equal(drive.result, "fine");
  });
});

const step = activity("step", async (what?: string) => what);
const seen: [string, string | undefined][] = [];

function* justReturns(): Flow<string> {
  return "just so";
}

function* tidy(name: string): Flow<void> {
  try {
    yield* call(step, name);
  } finally {
    seen.push([name, (yield* cancelled())?.message]);
    yield* call(step, "clean-up");
  }
}

function* forking(): Flow<unknown> {
  yield* fork(call(step, "fork"));
  return yield* call(step, "body");
}

function* joinsOwn(tasks: Task<unknown>[]): Flow<unknown> {
  yield* sleep(1);
  const [own] = tasks;
  return own === undefined ? undefined : yield* join(own);
}

function* joinsNth(tasks: Task<unknown>[], index: number): Flow<unknown> {
  yield* sleep(1);
  const task = tasks[index];
  return task === undefined ? undefined : yield* join(task);
}

function* cancelsOwn(tasks: Task<unknown>[]): Flow<unknown> {
  yield* sleep(1);
  const [own] = tasks;
  if (own !== undefined) yield* cancel(own);
  try {
    return yield* sleep("1h");
  } finally {
    yield* call(step, "clean-up");
  }
}

function told(result: PromiseSettledResult<unknown>): string {
  return result.status === "fulfilled"
    ? `fulfilled ${String(result.value)}`
    : `rejected ${(result.reason as Error).name}`;
}
