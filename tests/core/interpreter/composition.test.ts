import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { cancel, fork, join } from "../../../src/core/effects/fork.ts";
import { continueAsNew } from "../../../src/core/effects/lineage.ts";
import { counters } from "../../../src/core/effects/record.ts";
import { compensate, within } from "../../../src/core/effects/scope.ts";
import { signal } from "../../../src/core/effects/signal.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { ExpiryError, TurnLimitError } from "../../../src/core/errors.ts";
import type { Middleware } from "../../../src/core/middleware.ts";
import { again, policy, timed } from "../../support/middleware.ts";
import { Drive } from "./drive.ts";

const step = activity("step", async (_what?: string) => "done");
const release = activity("release", async (_what?: string) => "released");

function* oneStep(): Flow<unknown> {
  return yield* call(step);
}

describe("undo steps", () => {
  test("may cancel a fork of theirs where the body failed by a join", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(
        (function* (): Flow<void> {
          const watch = yield* fork(sleep("1h"));
          yield* cancel(watch);
        })(),
      );
      yield* join(yield* fork(call(step)));
    });
    drive.error("1.0", new Error("declined"));
    assert.deepEqual(drive.waiting, []);
    assert.equal(String(drive.failure.error), "Error: declined");
  });

  test("have a limit of effects in a row of their own", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(
        (function* (): Flow<void> {
          yield* now();
          yield* call(release);
        })(),
      );
      for (;;) yield* counters.add("n");
    });
    assert.deepEqual(drive.turn.undoFailures, []);
    assert.deepEqual(drive.waiting, ["undo.1.2 call(release)"]);
  });

  test("behind one that was ended, since it would not wait, may cancel a fork", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(
        (function* (): Flow<void> {
          const watch = yield* fork(sleep("1h"));
          yield* cancel(watch);
        })(),
      );
      yield* compensate(
        (function* (): Flow<void> {
          for (;;) {
            try {
              yield* counters.add("n");
            } catch {
              // It does not listen.
            }
          }
        })(),
      );
      throw new Error("declined");
    });
    assert.deepEqual(drive.waiting, []);
    assert.equal(String(drive.failure.error), "Error: declined");
  });

  test("that fail replace nothing that the first error has in errors of its own", () => {
    const declined = Object.assign(new Error("declined"), { errors: { card: "expired" } });
    const drive = new Drive(function* (): Flow<void> {
      yield* compensate(() => {
        throw new Error("a slip");
      });
      throw declined;
    });
    assert.equal(drive.failure.error, declined);
    assert.deepEqual(declined.errors, { card: "expired" });
  });

  test("that fail by what the first error caused are told in its errors", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* call(step);
      } catch (error) {
        yield* compensate(() => {
          throw new Error("cannot undo", { cause: error });
        });
        throw error;
      }
    });
    drive.error("1", new Error("declined"));
    const { errors } = drive.failure.error as Error & { errors?: readonly Error[] };
    assert.deepEqual(
      errors?.map(({ message }) => message),
      ["cannot undo"],
    );
  });
});

const limited: Middleware = function* limited(effect, next) {
  return effect.kind === "call" ? yield* within("1m", next(effect)) : yield* next(effect);
};
const hurried: Middleware = function* hurried(effect, next) {
  return effect.kind === "signal"
    ? yield* race({ value: next(effect), late: sleep("1d") })
    : yield* next(effect);
};
const undoing: Middleware = function* undoing(effect, next) {
  const value = yield* next(effect);
  if (effect.kind === "call") yield* compensate(call(release));
  return value;
};
const audit: Middleware = function* audit(effect, next) {
  const value = yield* next(effect);
  if (effect.kind === "continueAsNew") throw new Error("no audit");
  return value;
};
const forking: Middleware = function* forking(effect, next) {
  return yield* next(effect.kind === "call" ? fork(effect) : effect);
};
const copying: Middleware = function* copying(effect, next) {
  return yield* next(Object.assign({}, effect));
};

describe("middleware", () => {
  test("that answers every effect itself does not let an endless loop run for ever", () => {
    let answered = 0;
    const mute: Middleware = function* mute() {
      answered += 1;
      if (answered > 300_000) throw new Error("nothing has cut it off");
      return 0;
    };
    const endless = function* (): Flow<void> {
      for (;;) yield* now();
    };
    const drive = new Drive(endless, [], {}, [mute]);
    assert.ok(drive.failure.error instanceof TurnLimitError, String(drive.failure.error));
  });

  test("within one that hands on twice has paths of its own each time", () => {
    const drive = new Drive(oneStep, [], {}, [again, timed]);
    drive.error("1", new Error("busy")); // Drive refuses a path that is written twice
    drive.value("1~2", "done");
    assert.equal(drive.result, "done");
  });

  test("registers undo steps that go past all middleware, as all that it yields", () => {
    const body = function* (): Flow<void> {
      yield* call(step);
      throw new Error("declined");
    };
    const drive = new Drive(body, [], {}, [undoing]);
    drive.value("1");
    drive.value("undo.1");
    assert.deepEqual(drive.turn.undoFailures, []);
  });

  test("that waits for something does not keep a cancel from closing the execution", () => {
    const drive = new Drive(oneStep, [], {}, [policy]);
    drive.cancel();
    assert.deepEqual(drive.waiting, []);
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("that waits for something does not keep a deadline from closing its branch", () => {
    const body = function* (): Flow<void> {
      yield* within("1s", call(step));
    };
    const drive = new Drive(body, [], {}, [policy]);
    drive.value("1");
    assert.deepEqual(drive.waiting, []);
    assert.ok(drive.failure.error instanceof ExpiryError);
  });

  test("that puts a deadline around an effect does not keep a cancel from it", () => {
    const drive = new Drive(oneStep, [], {}, [limited]);
    drive.cancel(["1"]);
    assert.deepEqual(drive.waiting, ["1 call(step) late"]);
  });

  test("that puts a signal into a race does not keep a cancel from closing the execution", () => {
    const body = function* (): Flow<void> {
      yield* signal("go");
    };
    const drive = new Drive(body, [], {}, [hurried]);
    drive.cancel();
    assert.deepEqual(drive.waiting, []);
    assert.equal(drive.closed.reason.message, "stop");
  });

  test("that throws after continueAsNew fails the run, or is told at least", () => {
    const body = function* (): Flow<void> {
      yield* continueAsNew("next");
    };
    const drive = new Drive(body, [], {}, [audit]);
    assert.ok(drive.turn.done?.kind === "failed" || drive.unheard.length > 0);
  });

  test("that puts a fork in the place of an undo step does not break the turn", () => {
    const body = function* (): Flow<void> {
      yield* compensate(call(release));
      throw new Error("declined");
    };
    const drive = new Drive(body, [], {}, [forking]);
    assert.deepEqual(drive.waiting, ["undo.1.0 call(release)"]);
  });

  test("that hands on a copy is told what is wrong with it", () => {
    const drive = new Drive(oneStep, [], {}, [copying]);
    assert.match(String(drive.failure.error), /middleware|handed on|copy/);
  });
});
