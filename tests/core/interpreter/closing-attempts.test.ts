import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity, workflow } from "../../../src/core/define.ts";
import { all, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { random, run } from "../../../src/core/effects/local.ts";
import { counters, progress, state } from "../../../src/core/effects/record.ts";
import { cancelled } from "../../../src/core/effects/scope.ts";
import { signal } from "../../../src/core/effects/signal.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { Drive } from "./drive.ts";

describe("attempts that run when an execution is closed", () => {
  test("are told, and waited for where that was asked", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([call(step, "begun"), call(step, "queued")]);
    });
    drive.cancel(["1.0"]);
    assert.deepEqual(drive.waiting, ["1.0 call(step) late"]);
    assert.deepEqual(drive.turn.cancelled.toSorted(), ["1.0", "1.1"]);
    assert.equal(drive.turn.done, undefined);
  });

  test("have their value delivered: the code goes on to the next effect that does anything, which takes no number", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        const paid = yield* call(step, "charge");
        yield* state.set("paid", paid);
        yield* counters.add("paid");
        yield* counters.get("paid");
        yield* state.get("paid");
        yield* progress("paid");
        yield* now();
        yield* random();
        yield* cancelled();
        yield* sleep("1h");
        return yield* call(step, "never");
      } finally {
        yield* call(step, "tidy");
      }
    });
    drive.cancel(["1"]);
    drive.value("1", "receipt");
    assert.equal(drive.state.get("paid"), "receipt");
    assert.deepEqual(drive.waiting, ["6 call(step)"]);
    drive.crash();
    drive.value("6");
    assert.ok(drive.closed);
  });

  test("close the workflow at every effect that does or awaits anything", () => {
    const effects = {
      call: call(step, "x"),
      child: call(child),
      sleep: sleep(0),
      signal: signal("s"),
      run: run("r", () => 1),
      all: all([]),
      branch: branch(waiting),
    };
    for (const effect of Object.values(effects)) {
      const drive = new Drive(function* (): Flow<unknown> {
        yield* call(step, "charge");
        yield effect;
        return 5;
      });
      drive.cancel(["1"]);
      drive.value("1");
      assert.deepEqual(drive.closed.errors, [], effect.kind);
      assert.equal(drive.journal.size, 2);
    }
  });

  test("end the workflow as closed although it returns what the last of them gave", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* call(step, "charge");
    });
    drive.cancel(["1"]);
    drive.value("1", "receipt");
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("close it where they fail, without its catch blocks", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        return yield* call(step, "charge");
      } catch {
        return yield* call(step, "caught");
      }
    });
    drive.cancel(["1"]);
    drive.error("1", new Error("aborted"));
    assert.deepEqual(drive.closed.errors, []);
  });

  test("throw into errors what the code throws after their value", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* call(step, "charge");
      throw new Error("on its own");
    });
    drive.cancel(["1"]);
    drive.value("1");
    assert.deepEqual(drive.closed.errors.map(String), ["Error: on its own"]);
  });

  test("in branches go on each for itself", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* all([charging("a"), charging("b"), charging("c")]);
      return 5;
    });
    drive.cancel(["1.0.1", "1.2.1"]);
    assert.deepEqual(drive.waiting, ["1.0.1 call(step) late", "1.2.1 call(step) late"]);
    drive.value("1.2.1", "c");
    drive.error("1.0.1", new Error("aborted"));
    assert.deepEqual([...drive.state.keys()], ["c"]);
    assert.ok(drive.closed);
  });

  test("all having a value, give it to the code around them", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const both = yield* all([call(step, "a"), call(step, "b")]);
      yield* state.set("both", both);
      return yield* call(step, "never");
    });
    drive.cancel(["1.0", "1.1"]);
    drive.value("1.1", "b");
    drive.value("1.0", "a");
    assert.deepEqual(drive.state.get("both"), ["a", "b"]);
    assert.ok(drive.closed);
  });

  test("decide a race that was open, once, also in replay", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const won = yield* race({ a: call(step, "a"), b: call(step, "b"), c: sleep("1h") });
      yield* state.set("won", won);
      return yield* call(step, "never");
    });
    drive.cancel(["1.0", "1.1"]);
    drive.error("1.1", new Error("aborted"));
    drive.value("1.0", "late");
    assert.deepEqual(drive.state.get("won"), { winner: "a", value: "late" });
    assert.equal(drive.journal.get("1")?.name, "a");
    assert.ok(drive.closed);
  });

  test("of losers of a race are not waited for even where they are named", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* race({ quick: call(step, "q"), slow: tidy("s") });
    });
    drive.value("1.0");
    assert.deepEqual(drive.waiting, ["1.1.2 call(step)"]);
    drive.cancel(["1.1.2"]);
    assert.deepEqual(
      drive.waiting,
      ["1.1.2 call(step)"],
      "clean-up is not interrupted, nor told to stop",
    );
    assert.deepEqual(drive.turn.cancelled, []);
    drive.value("1.1.2");
    assert.ok(drive.closed);
    assert.deepEqual(drive.progress, ["s"]);
  });

  test("are given up when their grace is over, each once", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([tidy("a"), tidy("b"), call(step, "c")]);
    });
    drive.cancel(["1.0.1", "1.1.1", "1.2"]);
    drive.value("1.2");
    drive.grace();
    assert.deepEqual(drive.waiting, ["1.0.2 call(step)", "1.1.2 call(step)"]);
    assert.equal(drive.journal.get("grace")?.delivery, 3);
    assert.equal(drive.value("1.0.1").refused.length, 1);
    assert.equal(drive.grace().refused.length, 1, "a second grace has nothing to end");
    drive.value("1.0.2");
    drive.value("1.1.2");
    assert.ok(drive.closed);
  });

  test("do not count where there is nothing to wait for", () => {
    const drive = new Drive(waiting);
    assert.equal(drive.grace().refused.length, 1);
  });
});

describe("what was being closed already when the execution is closed", () => {
  test("keeps its own reason, and is closed once", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* race({ quick: call(step, "q"), slow: askingTwice("slow") });
    });
    drive.value("1.0");
    drive.cancel();
    drive.value("1.1.2");
    assert.ok(drive.closed);
    assert.match(String(drive.state.get("slow")), /another branch won the race/);
  });

  test("gives its value to the code around it, which is closed at its next effect", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const won = yield* race({ quick: call(step, "q"), slow: tidy("s") });
      yield* state.set("won", won);
      return yield* call(step, "never");
    });
    drive.value("1.0", 1);
    drive.cancel();
    drive.value("1.1.2");
    assert.deepEqual(drive.state.get("won"), { winner: "quick", value: 1 });
    assert.ok(drive.closed);
  });

  test("leaves the failure it had among the errors", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([call(step, "a"), tidy("b")]);
    });
    drive.error("1.0", new Error("failed before the cancel"));
    drive.cancel();
    drive.value("1.1.2");
    assert.deepEqual(drive.closed.errors.map(String), ["Error: failed before the cancel"]);
  });
});

const step = activity("step", async (name: string) => name);
const child = workflow("child", function* () {
  return 1;
});

function* waiting(): Flow<void> {
  yield* sleep("1h");
}

function* tidy(name: string): Flow<unknown> {
  try {
    return yield* call(step, name);
  } finally {
    yield* call(step, `tidy ${name}`);
    yield* progress(name);
  }
}

function* charging(name: string): Flow<unknown> {
  const receipt = yield* call(step, name);
  yield* state.set(name, receipt);
  return yield* call(step, `after ${name}`);
}

function* askingTwice(name: string): Flow<void> {
  try {
    yield* call(step, name);
  } finally {
    yield* call(step, `tidy ${name}`);
    yield* state.set(name, String(yield* cancelled()));
  }
}
