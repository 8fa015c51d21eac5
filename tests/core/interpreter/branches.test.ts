import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { counters } from "../../../src/core/effects/record.ts";
import { cancelled } from "../../../src/core/effects/scope.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { CancelledError } from "../../../src/core/errors.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { Drive, tickingFacts } from "./drive.ts";

describe("all", () => {
  test("gives the values in the order of the branches, whatever order they came in", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([call(step, "a"), twice("b"), branch(twice, "c")]);
    });
    for (const path of ["1.2.1", "1.1.1", "1.0", "1.1.2", "1.2.2"]) drive.value(path, path);
    assert.deepEqual(drive.result, ["1.0", "1.1.2", "1.2.2"]);
  });

  test("gives the values by name", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all({ left: call(step, "a"), right: twice("b") });
    });
    drive.value("1.1.1");
    drive.value("1.0", "l");
    drive.value("1.1.2", "r");
    assert.deepEqual(drive.result, { left: "l", right: "r" });
  });

  test("takes names that mean something to objects for names", () => {
    const named = JSON.parse('{ "__proto__": 1, "constructor": 2, "toString": 3 }') as Record<
      string,
      number
    >;
    const drive = new Drive(function* (): Flow<unknown> {
      const branches = Object.fromEntries(
        Object.entries(named).map(([key, n]) => [key, call(step, String(n))]),
      );
      return yield* all(branches);
    });
    for (const [index, path] of ["1.0", "1.1", "1.2"].entries()) drive.value(path, index + 1);
    assert.deepEqual(Object.entries(drive.result as object), Object.entries(named));
    assert.equal(Object.getPrototypeOf(drive.result), Object.prototype);
  });

  test("of nothing is empty at once", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return [yield* all([]), yield* all({}), yield* allSettled([])];
    });
    assert.deepEqual(drive.result, [[], {}, []]);
  });

  test("closes the siblings of the first failure before it throws it", () => {
    const order: string[] = [];
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        return yield* all([tidy(order, "a"), call(step, "b"), tidy(order, "c")]);
      } catch (error) {
        order.push("caught");
        return (error as Error).message;
      }
    });
    order.length = 0;
    drive.deliver({
      kind: "outcome",
      path: "1.1",
      outcome: { ok: false, error: new Error("b failed") },
    });
    assert.deepEqual(drive.turn.cancelled, ["1.0.1", "1.2.1"]);
    assert.deepEqual(drive.pending, ["1.0.2", "1.2.2"]);
    drive.value("1.2.2");
    order.length = 0;
    const live = drive.value("1.0.2");
    assert.equal(live.done?.kind, "completed");
    assert.deepEqual(order.slice(0, 2), ["tidied a", "caught"]);
    assert.equal(drive.result, "b failed");
  });

  test("tells its closed branches why", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const reasons: unknown[] = [];
      try {
        yield* all([call(step, "a"), askingWhy(reasons)]);
      } catch {
        return reasons;
      }
      return 0;
    });
    drive.error("1.0", new Error("no"));
    assert.ok((drive.result as Error[])[0] instanceof CancelledError);
    assert.match(String((drive.result as Error[])[0]), /sibling branch failed/);
  });

  test("adds what the siblings threw while they were closed to the error that closed them", () => {
    const first = new Error("first");
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([call(step, "a"), throwing("b"), throwing("c")]);
    });
    drive.error("1.0", first);
    assert.equal(drive.failure.error, first);
    assert.deepEqual((first as { errors?: unknown[] }).errors?.map(String), [
      "Error: from b",
      "Error: from c",
    ]);
    assert.deepEqual(drive.unheard, []);
  });

  test("keeps its first failure where a branch that it closes had failed in itself", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([all([call(step, "inner"), tidy([], "i")]), call(step, "outer")]);
    });
    drive.error("1.0.0", new Error("inner"));
    drive.error("1.1", new Error("outer"));
    assert.deepEqual(drive.pending, ["1.0.1.2"]);
    drive.value("1.0.1.2");
    const error = drive.failure.error as Error & { errors?: unknown[] };
    assert.equal(error.message, "outer");
    assert.deepEqual(error.errors?.map(String), ["Error: inner"]);
  });

  test("logs what the siblings threw where the error that closed them can take nothing", () => {
    for (const first of [Object.freeze(new Error("frozen")), "a string"]) {
      const drive = new Drive(function* (): Flow<unknown> {
        return yield* all([call(step, "a"), throwing("b")]);
      });
      drive.error("1.0", first);
      assert.equal(drive.failure.error, first);
      assert.deepEqual(drive.unheard.map(String), ["Error: from b"]);
    }
  });

  test("begins no further branch once one has failed at once", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        yield* all([call(step, "a"), failing("at once"), call(step, "never")]);
      } catch (error) {
        return (error as Error).message;
      }
      return 0;
    });
    assert.equal(drive.result, "at once");
    assert.deepEqual(
      drive.turn.entries.map(({ path }) => path),
      ["1.0"],
    );
    assert.deepEqual(drive.turn.scheduled, []);
    assert.deepEqual(drive.turn.cancelled, ["1.0"]);
  });

  test("goes on where a branch settles at once before others begin", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([
        returning("first"),
        now(),
        counters.add("n"),
        call(step, "a"),
        returning("last"),
      ]);
    });
    drive.value("1.3", "waited");
    const [first, at, added, waited, last] = drive.result as unknown[];
    assert.deepEqual(
      [first, at instanceof Date, added, waited, last],
      ["first", true, undefined, "waited", "last"],
    );
  });

  test("may stand in itself", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([
        all([all({ deep: call(step, "a") }), race({ only: twice("b") })]),
        allSettled([call(step, "c")]),
      ]);
    });
    assert.deepEqual(drive.pending, ["1.0.0.0", "1.0.1.0.1", "1.1.0"]);
    for (const path of ["1.0.0.0", "1.0.1.0.1", "1.0.1.0.2", "1.1.0"]) drive.value(path, path);
    assert.deepEqual(drive.result, [
      [{ deep: "1.0.0.0" }, { winner: "only", value: "1.0.1.0.2" }],
      [{ status: "fulfilled", value: "1.1.0" }],
    ]);
  });

  test("runs 10,000 branches", () => {
    const count = 10_000;
    const body = function* (): Flow<unknown> {
      return yield* all(
        Array.from({ length: count }, (_, n) =>
          n % 2 === 0 ? twice(String(n)) : branch(twice, String(n)),
        ),
      );
    };
    const coroutine = Coroutine.start(body, []);
    const facts = tickingFacts();
    let turn = coroutine.advance([], facts);
    for (let round = 0; round < 2; round += 1) {
      assert.equal(turn.scheduled.length, count);
      turn = coroutine.advance(
        turn.scheduled
          .toReversed()
          .map(({ path }) => ({ kind: "outcome", path, outcome: { ok: true, value: path } })),
        facts,
      );
    }
    assert.equal(turn.done?.kind === "completed" && (turn.done.value as unknown[]).length, count);
  });
});

describe("allSettled", () => {
  test("gives how each branch ended, and closes none", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* allSettled([call(step, "a"), call(step, "b"), failing("at once")]);
    });
    drive.error("1.0", "a text");
    drive.value("1.1", 5);
    const [first, second, third] = drive.result as PromiseSettledResult<unknown>[];
    assert.deepEqual(first, { status: "rejected", reason: "a text" });
    assert.deepEqual(second, { status: "fulfilled", value: 5 });
    assert.equal(third?.status === "rejected" && String(third.reason), "Error: at once");
  });
});

describe("race", () => {
  test("gives the winner's name and value, and records it once with the deciding delivery", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* race({ slow: call(step, "a"), quick: call(step, "b") });
    });
    drive.value("1.1", "b");
    assert.deepEqual(drive.result, { winner: "quick", value: "b" });
    assert.deepEqual(drive.journal.get("1"), {
      path: "1",
      kind: "race",
      name: "quick",
      reached: 1,
      delivery: 1,
    });
    assert.deepEqual(drive.turn.cancelled, ["1.0"]);
  });

  test("throws the winner's error", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* race({ slow: call(step, "a"), quick: call(step, "b") });
    });
    const error = new Error("b");
    drive.error("1.1", error);
    assert.equal(drive.failure.error, error);
  });

  test("closes its losers before it returns, and waits for their finally blocks", () => {
    const order: string[] = [];
    const drive = new Drive(function* (): Flow<unknown> {
      const won = yield* race({
        quick: call(step, "q"),
        slow: tidy(order, "s"),
        slower: askingWhy(order),
      });
      return won.winner;
    });
    drive.value("1.0");
    assert.deepEqual(drive.pending, ["1.1.2"]);
    assert.match(String(order.at(-1)), /another branch won the race/);
    drive.crash();
    drive.value("1.1.2");
    assert.equal(drive.result, "quick");
  });

  test("does not wait for attempts of its losers, and refuses their outcomes", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* race({ quick: call(step, "q"), slow: call(step, "s") });
      yield* call(step, "next");
    });
    drive.value("1.0");
    assert.deepEqual(drive.pending, ["2"]);
    assert.equal(drive.value("1.1").refused.length, 1);
  });

  test("logs what its losers threw", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* race({ quick: call(step, "q"), slow: throwing("s") });
    });
    drive.value("1.0", 1);
    assert.deepEqual(drive.result, { winner: "quick", value: 1 });
    assert.deepEqual(drive.unheard.map(String), ["Error: from s"]);
  });

  test("is won by a branch that settles at once, and begins none after it", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const first = yield* race({ waits: tidy([], "w"), at: now(), never: call(step, "never") });
      const second = yield* race({ plain: returning("p"), never: call(step, "never") });
      return [first.winner, second];
    });
    assert.deepEqual(drive.pending, ["1.0.2"]);
    assert.deepEqual(drive.journal.get("1"), {
      path: "1",
      kind: "race",
      name: "at",
      reached: 1,
      delivery: 1,
    });
    drive.value("1.0.2");
    assert.deepEqual(drive.result, ["at", { winner: "plain", value: "p" }]);
    assert.equal(drive.journal.get("2")?.delivery, 2);
  });

  test("gives every closed branch a reason of its own", () => {
    const reasons: unknown[] = [];
    for (let time = 0; time < 2; time += 1) {
      const coroutine = Coroutine.start(function* (): Flow<unknown> {
        return yield* race({ quick: call(step, "q"), slow: askingWhy(reasons) });
      }, []);
      coroutine.advance([], tickingFacts());
      coroutine.advance(
        [{ kind: "outcome", path: "1.0", outcome: { ok: true, value: 1 } }],
        tickingFacts(),
      );
    }
    assert.equal(reasons.length, 2);
    assert.notEqual(reasons[0], reasons[1]);
  });

  test("in a race closes what its losers had running", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* race({
        outer: call(step, "o"),
        inner: race({ a: twice("a"), b: all([call(step, "b"), sleep("1m")]) }),
      });
    });
    drive.value("1.0", "o");
    assert.deepEqual(drive.turn.cancelled.toSorted(), ["1.1.0.1", "1.1.1.0", "1.1.1.1"]);
    assert.deepEqual(drive.result, { winner: "outer", value: "o" });
  });
});

const step = activity("step", async (name: string) => name);

function* twice(name: string): Flow<unknown> {
  yield* call(step, name);
  return yield* call(step, name);
}

function* returning(value: unknown): Flow<unknown> {
  return value;
}

function* failing(message: string): Flow<unknown> {
  throw new Error(message);
}

function* tidy(order: unknown[], name: string): Flow<unknown> {
  try {
    return yield* call(step, name);
  } finally {
    yield* call(step, `tidy ${name}`);
    order.push(`tidied ${name}`);
  }
}

function* askingWhy(reasons: unknown[]): Flow<unknown> {
  try {
    return yield* call(step, "asking");
  } finally {
    reasons.push(yield* cancelled());
  }
}

function* throwing(name: string): Flow<unknown> {
  try {
    return yield* call(step, name);
  } finally {
    // oxlint-disable-next-line no-unsafe-finally -- what the test is about
    throw new Error(`from ${name}`);
  }
}
