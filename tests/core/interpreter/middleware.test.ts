import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import { describeEffect, type Effect, type Flow } from "../../../src/core/effects/effect.ts";
import { fork, join } from "../../../src/core/effects/fork.ts";
import { continueAsNew } from "../../../src/core/effects/lineage.ts";
import { uuid } from "../../../src/core/effects/local.ts";
import { counters, progress } from "../../../src/core/effects/record.ts";
import { compensate, within } from "../../../src/core/effects/scope.ts";
import { sleep } from "../../../src/core/effects/time.ts";
import { NonDeterminismError, TurnLimitError } from "../../../src/core/errors.ts";
import { checkMiddleware, type Middleware } from "../../../src/core/middleware.ts";
import { passing } from "../../support/middleware.ts";
import { Drive } from "./drive.ts";

describe("middleware", () => {
  test("stands around every effect, the first outermost, and changes no path", () => {
    const plain = new Drive(many);
    const drive = new Drive(many, [], {}, [telling("outer"), telling("inner")]);
    assert.deepEqual(drive.waiting, plain.waiting);
    for (const each of [plain, drive]) {
      each.value("2", "A");
      each.value("3.0", "B");
      each.value("3.1.1", "C");
    }
    assert.deepEqual(drive.waiting, plain.waiting);
    for (const each of [plain, drive]) each.value("5.0");
    for (const each of [plain, drive]) each.value("4.0", "D");
    assert.deepEqual(drive.result, plain.result);
    assert.deepEqual(drive.progress.slice(0, 4), [
      "outer uuid",
      "inner uuid",
      "inner uuid gave uuid-1",
      "outer uuid gave uuid-1",
    ]);
    assert.equal(
      drive.progress.filter((line) => line.startsWith("outer counters.add(n) gave")).length,
      2,
    );
  });

  test("may put another effect in its place, give an outcome of its own, or throw", () => {
    const policy: Middleware = function* policy(effect, next) {
      if (effect.kind === "sleep") return yield* next(call(step, "instead"));
      if (effect.kind === "uuid") return "none";
      if (effect.kind === "counters.add") throw new Error("no counting here");
      return yield* next(effect);
    };
    const drive = new Drive(
      function* (): Flow<unknown> {
        const slept: unknown = yield* sleep(5);
        const id = yield* uuid();
        try {
          yield* counters.add("n");
        } catch (error) {
          return [slept, id, String(error)];
        }
        return "counted";
      },
      [],
      {},
      [policy],
    );
    assert.deepEqual(drive.waiting, ["1 call(step)"]);
    drive.value("1", "slept");
    assert.deepEqual(drive.result, ["slept", "none", "Error: no counting here"]);
  });

  test("yields effects of its own at paths of their own, past all middleware; handing on twice has another path", () => {
    const retrying: Middleware = function* retrying(effect, next) {
      if (effect.kind !== "call") return yield* next(effect);
      yield* call(step, "before");
      try {
        return yield* next(effect);
      } catch {
        const [, value] = yield* all([call(step, "pause"), branch(handingOn, next, effect)]);
        return value;
      }
    };
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* call(step, "itself");
      },
      [],
      {},
      [retrying, telling("inner")],
    );
    assert.deepEqual(drive.waiting, ["1~retrying.1 call(step)"]);
    drive.value("1~retrying.1");
    assert.deepEqual(drive.waiting, ["1 call(step)"]);
    drive.error("1", new Error("busy"));
    assert.deepEqual(drive.waiting, ["1~retrying.2.0 call(step)", "1~2 call(step)"]);
    drive.value("1~retrying.2.0");
    drive.value("1~2", "at last");
    assert.equal(drive.result, "at last");
  });

  test("around an effect without a path may yield only such", () => {
    const chatty: Middleware = function* chatty(effect, next) {
      if (effect.kind !== "counters.add") return yield* next(effect);
      yield* progress("counting");
      try {
        yield* call(step);
      } catch (error) {
        yield* progress(String(error));
      }
      try {
        return yield* next(sleep(1));
      } catch (error) {
        yield* progress(String(error));
      }
      return yield* next(effect);
    };
    const drive = new Drive(
      function* (): Flow<number> {
        yield* counters.add("n");
        return yield* counters.get("n");
      },
      [],
      {},
      [chatty],
    );
    assert.equal(drive.result, 1);
    assert.equal(drive.progress[0], "counting");
    assert.match(drive.progress[1] ?? "", /a middleware yielded "call" around an effect/);
    assert.match(drive.progress[2] ?? "", /a middleware yielded "sleep" around an effect/);
  });

  test("holds for the runs that begin with it: others have none, and one that is gone stops its runs", () => {
    const before = new Drive(many);
    before.crash({ middleware: [telling("new")] });
    assert.deepEqual(before.progress, []);
    before.value("2", "A");
    assert.deepEqual(before.progress, []);

    const drive = new Drive(many, [], {}, [telling("a"), telling("b")]);
    drive.crash({ middleware: [telling("z"), telling("b"), telling("a")] });
    assert.throws(
      () => drive.crash({ middleware: [telling("a")] }),
      (error) =>
        error instanceof NonDeterminismError &&
        /began with the middleware "b", which is not here/.test(error.message),
    );
  });

  test("is closed with the effect it has handed on; what it does with the outcome is not interrupted", () => {
    const tidy: Middleware = function* tidy(effect, next) {
      if (effect.kind !== "call") return yield* next(effect);
      try {
        yield* sleep("1s");
        const value = yield* next(effect);
        yield* sleep("2s");
        return value;
      } finally {
        yield* sleep("3s");
      }
    };
    const body = function* (): Flow<void> {
      yield* call(step);
      yield* compensate(call(step, "undo"));
      yield* call(step, "never");
    };
    // Before it has handed the effect on it is closed as the workflow is, and the effect is not begun.
    const early = new Drive(body, [], {}, [tidy]);
    early.cancel();
    assert.deepEqual(early.waiting, ["1~tidy.2 sleep"]);
    early.value("1~tidy.2");
    assert.equal(early.closed.reason.message, "stop");
    // While the effect is awaited: its value is still delivered, and what undoes it is registered.
    const late = new Drive(body, [], {}, [tidy]);
    late.value("1~tidy.1");
    late.cancel(["1"]);
    late.value("1", "done");
    assert.deepEqual(late.waiting, ["1~tidy.2 sleep"]);
    late.value("1~tidy.2");
    late.value("1~tidy.3");
    assert.deepEqual(late.waiting, ["undo.1~tidy.1 sleep"]);
    late.value("undo.1~tidy.1");
    late.value("undo.1");
    late.value("undo.1~tidy.2");
    late.value("undo.1~tidy.3");
    assert.equal(late.closed.reason.message, "stop");
    // A loser of a race.
    const race = new Drive(racing, [], {}, [tidy]);
    race.value("1.0~tidy.1");
    race.value("1.1~tidy.1");
    race.value("1.0", "won");
    race.value("1.0~tidy.2");
    race.value("1.0~tidy.3");
    assert.deepEqual(race.waiting, ["1.1~tidy.2 sleep"]);
    race.value("1.1~tidy.2");
    assert.deepEqual(race.result, { winner: "a", value: "won" });
  });

  test("lets forks belong to who started them, and continueAsNew leave the body", () => {
    const drive = new Drive(
      function* (): Flow<void> {
        yield* fork(call(step));
        yield* continueAsNew("next");
      },
      [],
      {},
      [telling("a")],
    );
    assert.deepEqual(drive.waiting, ["1.0 call(step)"]);
    drive.value("1.0");
    assert.deepEqual(drive.continued, ["next"]);
  });

  test("counts as nothing towards the limit of effects in a row", () => {
    const drive = new Drive(
      function* (): Flow<number> {
        for (let i = 0; i < 60_000; i += 1) yield* counters.add("n");
        return 1;
      },
      [],
      {},
      [passing],
    );
    assert.equal(drive.result, 1);
    const endless = new Drive(
      function* (): Flow<number> {
        for (;;) yield* counters.add("n");
      },
      [],
      {},
      [passing],
    );
    assert.ok(endless.failure.error instanceof TurnLimitError);
  });

  test("is refused where it is no named generator function", () => {
    assert.throws(() => checkMiddleware([5]), /middleware takes generator functions/);
    assert.throws(() => checkMiddleware([() => undefined]), /middleware takes generator functions/);
    assert.throws(() => checkMiddleware([[function* () {}][0]]), /a middleware needs a name/);
    assert.throws(
      () => checkMiddleware([telling("a"), telling("a")]),
      /two middlewares have the name "a"/,
    );
    assert.throws(() => checkMiddleware("audit"), /middleware must be an array/);
  });

  test("that gives no generator throws at the yield, as does handing on what is no effect", () => {
    const seen: string[] = [];
    const body = function* (): Flow<void> {
      try {
        yield* call(step);
      } catch (error) {
        seen.push(String(error));
      }
    };
    const throwing = function throwing(): never {
      throw new Error("at once");
    };
    const wrong: Middleware = function* wrong(_effect, next) {
      return yield* next(5 as never);
    };
    for (const each of [throwing, (): number => 7, wrong])
      assert.equal(new Drive(body, [], {}, [each as Middleware]).turn.done?.kind, "completed");
    assert.equal(seen.filter((line) => line === "Error: at once").length > 0, true);
    assert.ok(seen.some((line) => line.includes("gave no generator")));
    assert.ok(seen.some((line) => line.includes("the number 5")));
  });
});

const step = activity("step", async (_what?: string) => "stepped");

function* many(): Flow<unknown> {
  yield* uuid();
  const a = yield* call(step, "a");
  yield* counters.add("n");
  const both = yield* all([call(step, "b"), one("c")]);
  const forked = yield* fork(call(step, "d"));
  yield* within("1h", call(step, "e"));
  yield* counters.add("n");
  return [a, both, yield* join(forked)];
}

function* one(what: string): Flow<string> {
  return yield* call(step, what);
}

function* racing(): Flow<unknown> {
  return yield* race({ a: call(step, "a"), b: call(step, "b") });
}

function* handingOn(
  next: (effect: Effect<unknown>) => Flow<unknown>,
  effect: Effect<unknown>,
): Flow<unknown> {
  return yield* next(effect);
}

/** Tells in progress what goes through it. */
function telling(name: string): Middleware {
  const middleware: Middleware = function* (effect, next) {
    if (effect.kind === "progress") return yield* next(effect);
    yield* progress(`${name} ${describeEffect(effect)}`);
    const value = yield* next(effect);
    yield* progress(`${name} ${describeEffect(effect)} gave ${String(value)}`);
    return value;
  };
  return Object.defineProperty(middleware, "name", { value: name });
}
