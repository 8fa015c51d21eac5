import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  all,
  call,
  continueAsNew,
  counters,
  context,
  map,
  now,
  patched,
  race,
  random,
  sendSignal,
  signal,
  sleep,
  uuid,
  within,
  workflow,
  type Flow,
  type Workflow,
} from "stentjs";
import { mock, replay, simulate } from "stentjs/testing";

describe("replay", () => {
  test("accepts the history of the same code", async () => {
    const signals = [{ at: "3h", name: "approval", payload: { by: "ann" } }];
    const { history, outcome } = await simulate(everything, ["book"], { signals });
    assert.deepEqual(outcome, { ok: true, value: "done" });
    assert.deepEqual(replay(everything, ["book"], history), { ok: true });
  });

  test("accepts a history that has not ended", async () => {
    const { history } = await simulate(everything, ["book"], { cancelAt: "5m" });
    assert.deepEqual(replay(everything, ["book"], history), { ok: true });
    assert.deepEqual(replay(everything, ["book"], history.slice(0, 4)).ok, false);
  });

  test("accepts what a race, a deadline and a cancel have decided", async () => {
    const late = await simulate(decided, []);
    assert.deepEqual(late.outcome, { ok: true, value: "late" });
    assert.deepEqual(replay(decided, [], late.history), { ok: true });
    const signals = [{ at: "1h", name: "answer", payload: 1 }];
    const answered = await simulate(decided, [], { signals });
    assert.deepEqual(answered.outcome, { ok: true, value: "answered" });
    assert.deepEqual(replay(decided, [], answered.history), { ok: true });
    const cancelled = await simulate(cleaning, [], { cancelAt: "1h" });
    assert.equal(cancelled.history.length, 2);
    assert.deepEqual(replay(cleaning, [], cancelled.history), { ok: true });
  });

  test("finds an effect that is another one today", async () => {
    const { history } = await simulate(version("a", false), ["x"]);
    assert.deepEqual(replay(version("b", true), ["x"], history), {
      ok: false,
      path: "2",
      recorded: { kind: "sleep", path: "2" },
      yielded: { kind: "call", name: "replayed reserve", path: "2" },
    });
  });

  test("finds other arguments", async () => {
    const { history } = await simulate(version("c", false), ["x"]);
    assert.deepEqual(replay(version("d", false), ["y"], history), {
      ok: false,
      path: "1",
      recorded: { kind: "call", name: "replayed reserve", args: ["x"], path: "1" },
      yielded: { kind: "call", name: "replayed reserve", args: ["y"], path: "1" },
    });
  });

  test("finds what is wanted no more, and what is wanted in addition", async () => {
    const { history } = await simulate(version("e", false), ["x"]);
    const shorter = workflow("replayed shorter", function* (sku: string) {
      yield* call(reserve, sku);
    });
    assert.deepEqual(replay(shorter, ["x"], history), {
      ok: false,
      path: "2",
      recorded: { kind: "sleep", path: "2" },
      yielded: { kind: "nothing", path: "2" },
    });
    assert.deepEqual(replay(version("f", false), ["x"], history.slice(0, 1)), {
      ok: false,
      path: "2",
      recorded: { kind: "nothing", path: "2" },
      yielded: { kind: "sleep", path: "2" },
    });
  });

  test("takes a change under patched for either answer", async () => {
    const { history } = await simulate(version("g", false), ["x"]);
    const guarded = workflow("replayed guarded", function* (sku: string): Flow<string> {
      const hold = yield* call(reserve, sku);
      if (yield* patched("no sleep")) return yield* call(reserve, hold);
      yield* sleep("1h");
      return hold;
    });
    assert.deepEqual(replay(guarded, ["x"], history), { ok: true });
    assert.deepEqual(replay(guarded, ["x"], (await simulate(guarded, ["x"])).history), {
      ok: true,
    });
  });

  test("answers a counter as it was, whoever had changed it", async () => {
    const mocks = [mock(reserve, () => (context().counters.add("held", 3), "hold"))];
    const { history, outcome } = await simulate(counting, [], { mocks });
    assert.deepEqual(outcome, { ok: true, value: "hold" });
    assert.equal(history.length, 3);
    assert.deepEqual(replay(counting, [], history), { ok: true });
  });

  test("goes through every run", async () => {
    const { history } = await simulate(monthly, [1]);
    assert.deepEqual(replay(monthly, [1], history), { ok: true });
    assert.equal(replay(monthly, [2], history).ok, false);
  });

  test("changes nothing of the history", async () => {
    const { history } = await simulate(everything, ["book"], { cancelAt: "5m" });
    const before = structuredClone(history);
    replay(everything, ["book"], history);
    assert.deepEqual(structuredClone(history), before);
  });
});

const reserve = activity("replayed reserve", async (sku: string): Promise<string> => `hold-${sku}`);

const everything = workflow("replayed everything", function* (sku: string): Flow<string> {
  const begun = yield* now();
  yield* call(reserve, `${sku} ${Number(begun)} ${yield* random()} ${yield* uuid()}`);
  yield* all([branch("left"), branch("right")]);
  const raced = yield* race({ approval: signal<{ by: string }>("approval"), late: sleep("1d") });
  yield* map(reserve, ["x", "y"]);
  yield* call(child, raced.winner);
  yield* sendSignal("somebody", "done", { raced });
  return "done";
});

function* branch(name: string): Flow<string> {
  yield* sleep("10m");
  return yield* call(reserve, name);
}

const child = workflow("replayed child", function* (name: string) {
  return yield* call(reserve, name);
});

const decided = workflow("replayed decided", function* () {
  try {
    yield* within("2h", race({ answer: signal("answer"), later: sleep("3h") }));
    yield* call(reserve, "answered");
    return "answered";
  } catch {
    yield* call(reserve, "late");
    return "late";
  }
});

const cleaning = workflow("replayed cleaning", function* () {
  try {
    yield* sleep("1d");
  } finally {
    yield* call(reserve, "clean");
  }
});

const counting = workflow("replayed counting", function* () {
  yield* call(reserve, "a");
  if ((yield* counters.get("held")) === 3) return yield* call(reserve, "b");
  return "never";
});

const monthly = workflow("replayed monthly", function* (month: number): Flow<number> {
  yield* call(reserve, `${month}`);
  if (month < 3) return yield* continueAsNew(month + 1);
  return month;
});

/** The same workflow, yesterday's code or today's. */
function version(name: string, today: boolean): Workflow<[sku: string], string> {
  return workflow(`replayed version ${name}`, function* (sku: string): Flow<string> {
    const hold = yield* call(reserve, sku);
    if (today) return yield* call(reserve, hold);
    yield* sleep("1h");
    return hold;
  });
}
