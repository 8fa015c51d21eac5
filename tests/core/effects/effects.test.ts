import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { activity, isDurable, isRemote, remote, workflow } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import {
  describeEffect,
  isEffect,
  type Effect,
  type Flow,
} from "../../../src/core/effects/effect.ts";
import { dispatch, transaction } from "../../../src/core/effects/lineage.ts";
import { random, run, uuid } from "../../../src/core/effects/local.ts";
import { map, starmap } from "../../../src/core/effects/map.ts";
import { counters, progress, state } from "../../../src/core/effects/record.ts";
import { cancel, fork, join } from "../../../src/core/effects/fork.ts";
import { cancelled, within } from "../../../src/core/effects/scope.ts";
import { defineSignal, sendSignal, signal } from "../../../src/core/effects/signal.ts";
import { now, sleep, sleepUntil } from "../../../src/core/effects/time.ts";
import { InvalidDurationError, NoContextError } from "../../../src/core/errors.ts";

const reserve = activity("reserve", async (id: string) => id);
const pair = activity("pair", async (a: string, b: number) => `${a}${b}`);
const order = workflow("order", function* (id: string): Flow<string> {
  return yield* call(reserve, id);
});

const effects: Record<string, [effect: Effect<unknown>, literal: object]> = {
  call: [call(reserve, "A-1"), { kind: "call", name: "reserve", args: ["A-1"] }],
  "call of a workflow": [call(order, "A-1"), { kind: "call", name: "order", args: ["A-1"] }],
  "call with options": [
    call(reserve.with({ queue: "q", timeout: "1m" }).with({ priority: 5 }), "A-1"),
    {
      kind: "call",
      name: "reserve",
      args: ["A-1"],
      options: { queue: "q", timeout: 60_000, priority: 5 },
    },
  ],
  map: [map(reserve, new Set(["a", "b"])), { kind: "map", name: "reserve", items: [["a"], ["b"]] }],
  "map with options": [
    map(reserve, ["a", "b"], { concurrency: 5, tolerate: "50%", onError: "settle" }),
    {
      kind: "map",
      name: "reserve",
      items: [["a"], ["b"]],
      concurrency: 5,
      onError: "settle",
      tolerate: 1,
    },
  ],
  starmap: [starmap(pair, [["a", 1]]), { kind: "map", name: "pair", items: [["a", 1]] }],
  sleep: [sleep("1h30m"), { kind: "sleep", duration: 5_400_000 }],
  sleepUntil: [sleepUntil(new Date(5)), { kind: "sleepUntil", at: 5 }],
  signal: [signal("paid", { timeout: "1s" }), { kind: "signal", name: "paid", timeout: 1_000 }],
  "signal by definition": [signal(defineSignal<number>("paid")), { kind: "signal", name: "paid" }],
  sendSignal: [
    sendSignal("E-1", "paid", { by: "ada" }),
    { kind: "sendSignal", execution: "E-1", name: "paid", payload: { by: "ada" } },
  ],
  all: [
    all([sleep(1), now()]),
    { kind: "all", branches: [{ kind: "sleep", duration: 1 }, { kind: "now" }] },
  ],
  "all by name": [all({ a: now() }), { kind: "all", branches: [{ kind: "now" }], keys: ["a"] }],
  allSettled: [allSettled([now()]), { kind: "allSettled", branches: [{ kind: "now" }] }],
  race: [race({ a: now() }), { kind: "race", branches: [{ kind: "now" }], keys: ["a"] }],
  branch: [branch(order, "A-1"), { kind: "branch", fn: order, args: ["A-1"] }],
  cancelled: [cancelled(), { kind: "cancelled" }],
  run: [run("local", () => 1), { kind: "run", name: "local" }],
  transaction: [transaction("post", () => 1), { kind: "transaction", name: "post" }],
  now: [now(), { kind: "now" }],
  random: [random(), { kind: "random" }],
  uuid: [uuid(), { kind: "uuid" }],
  "counters.add": [counters.add("n"), { kind: "counters.add", name: "n", amount: 1 }],
  "counters.get": [counters.get("n"), { kind: "counters.get", name: "n" }],
  "state.set": [state.set("k", [1]), { kind: "state.set", name: "k", value: [1] }],
  "state.get": [state.get("k"), { kind: "state.get", name: "k" }],
  progress: [progress("half"), { kind: "progress", detail: "half" }],
};

describe("an effect", () => {
  for (const [what, [effect, literal]] of Object.entries(effects)) {
    test(`equals a literal, prints clean, is frozen, and is known by its shape: ${what}`, () => {
      assert.deepStrictEqual(effect, literal);
      assert.equal(inspect(effect, { depth: 9 }), inspect(literal, { depth: 9 }));
      assert.ok(Object.isFrozen(effect));
      assert.ok(isEffect(effect));
      assert.ok(!isEffect(literal));
      assert.throws(() => Object.assign(effect, { kind: "other" }), TypeError);
    });
  }

  test("rejects an await, and says what to do", async () => {
    await assert.rejects(
      Promise.resolve(sleep(1)),
      (error) =>
        error instanceof NoContextError &&
        /sleep is an effect: nothing happens until a workflow yields it/.test(error.message),
    );
    await assert.rejects(Promise.resolve(call(reserve, "a")), /call\(reserve\) is an effect/);
    assert.throws(
      () => (sleep(1) as unknown as { then(resolve: undefined): void }).then(undefined),
      NoContextError,
    );
  });

  test("yields itself once and gives what it is sent; throw and return travel through the star", () => {
    const flow = sleep(1)[Symbol.iterator]();
    assert.deepEqual(flow.next(), { done: false, value: { kind: "sleep", duration: 1 } });
    assert.deepEqual(flow.next(5), { done: true, value: 5 });
    const caught = (function* (): Flow<unknown> {
      try {
        return yield* sleep(1);
      } catch (error) {
        return error;
      }
    })();
    caught.next();
    assert.deepEqual(caught.throw("thrown"), { done: true, value: "thrown" });
  });

  test("of another copy of the package is one too; look-alikes are not", () => {
    const foreign = Object.defineProperty({ kind: "sleep", duration: 1 }, Symbol.iterator, {
      value: sleep(1)[Symbol.iterator],
    });
    assert.ok(isEffect(foreign));
    for (const value of [
      null,
      undefined,
      "call",
      [],
      new Map(),
      { kind: "sleep" },
      order("A-1"),
      Promise.resolve(),
    ])
      assert.ok(!isEffect(value));
  });

  test("is described in a few words", () => {
    assert.equal(describeEffect(call(reserve, "a")), "call(reserve)");
    assert.equal(describeEffect(now()), "now");
  });

  test("keeps its own arguments, items and branches, and leaves those of its maker alone", () => {
    const items = ["a"];
    const branches = [now()];
    const args = ["a"] as [string];
    const made = [map(reserve, items), all(branches), dispatch(reserve, args)];
    items.push("b");
    branches.push(now());
    args.push("b");
    assert.deepEqual(made, [
      { kind: "map", name: "reserve", items: [["a"]] },
      { kind: "all", branches: [{ kind: "now" }] },
      { kind: "dispatch", name: "reserve", args: ["a"] },
    ]);
  });

  test("steps a workflow by hand, without an engine", () => {
    const flow = order("A-1");
    assert.deepEqual(flow.next().value, call(reserve, "A-1"));
    assert.deepEqual(flow.next("held"), { done: true, value: "held" });
  });
});

describe("a wrong use is refused where it is written", () => {
  const wrong: Record<string, [make: () => unknown, error: RegExp]> = {
    "call of a plain function": [
      () => call(function plain() {} as never),
      /TypeError: call takes an activity or a workflow, got the plain function plain/,
    ],
    "call of nothing": [
      () => call(undefined as never),
      /TypeError: call takes an activity or a workflow, got undefined/,
    ],
    "call of a long text": [
      () => call("x".repeat(10_000) as never),
      /^TypeError: call takes an activity or a workflow, got "x{99}…; give it what activity\("name", fn\) or workflow\("name", fn\) returned$/,
    ],
    "dispatch of an array": [
      () => dispatch(Array.from({ length: 10_000 }, () => "x") as never, []),
      /^TypeError: dispatch takes an activity or a workflow, got an array of 10000; .{60,70}$/,
    ],
    "dispatch of an object": [
      () => dispatch({ order: "x".repeat(10_000), by: "ada", at: 5, items: [] } as never, []),
      /^TypeError: dispatch .*, got \[object Object\] with "order", "by", "at", …; .{60,70}$/,
    ],
    "dispatch of an object without a prototype": [
      () => dispatch(Object.create(null) as never, []),
      /^TypeError: dispatch .*, got \[object Object\]; /,
    ],
    "call of what a workflow returned": [
      () => call(order("A-1") as never),
      /^TypeError: call .*, got \[object Generator\]; give it what activity/,
    ],
    "map of a plain function": [
      () => map((() => 1) as never, []),
      /TypeError: map takes an activity/,
    ],
    "map with no item in flight": [
      () => map(reserve, [], { concurrency: 0 }),
      /RangeError: concurrency of map must be a whole number from 1, got 0/,
    ],
    "map with half an item in flight": [() => map(reserve, [], { concurrency: 1.5 }), /RangeError/],
    "map that settles otherwise": [
      () => map(reserve, [], { onError: "ignore" as never }),
      /TypeError: onError of map must be/,
    ],
    "starmap that tolerates less than nothing": [
      () => starmap(pair, [], { tolerate: -1 }),
      /RangeError: tolerate of starmap/,
    ],
    "map that tolerates more than all": [
      () => map(reserve, [], { tolerate: "101%" }),
      /RangeError/,
    ],
    "map that tolerates no number": [
      () => map(reserve, [], { tolerate: "some%" as never }),
      /RangeError/,
    ],
    "map that tolerates text": [() => map(reserve, [], { tolerate: "5" as never }), /RangeError/],
    "sleep of nonsense": [() => sleep("soon"), /InvalidDurationError/],
    "sleep of no number": [() => sleep(Number.NaN), /InvalidDurationError/],
    "sleepUntil an invalid date": [
      () => sleepUntil(new Date("soon")),
      /TypeError: sleepUntil takes a valid Date or milliseconds since 1970, got Invalid Date/,
    ],
    "sleepUntil nothing": [
      () => sleepUntil(null as never),
      /TypeError: sleepUntil takes a valid Date or milliseconds since 1970, got null/,
    ],
    "sleepUntil a text": [
      () => sleepUntil("tomorrow" as never),
      /TypeError: sleepUntil takes .*, got "tomorrow"/,
    ],
    "sleepUntil digits": [() => sleepUntil("5" as never), /TypeError: sleepUntil .*, got "5"/],
    "sleepUntil an object": [
      () => sleepUntil({ valueOf: () => 5 } as never),
      /TypeError: sleepUntil takes .*, got \[object Object\]/,
    ],
    "sleepUntil no number": [() => sleepUntil(Number.NaN), /RangeError: sleepUntil .*, got NaN/],
    "sleepUntil a time that no Date has": [() => sleepUntil(9e15), /RangeError: sleepUntil/],
    "map with a misspelt option": [
      () => map(reserve, [], { concurency: 1 } as never),
      /TypeError: map has no option "concurency"; it takes concurrency, onError, tolerate/,
    ],
    "starmap with a misspelt option": [
      () => starmap(pair, [], { onerror: "settle" } as never),
      /TypeError: starmap has no option "onerror"; it takes concurrency, onError, tolerate/,
    ],
    "map with options that are none": [
      () => map(reserve, [], 5 as never),
      /TypeError: the options of map must be an object, got 5/,
    ],
    "signal with a misspelt option": [
      () => signal("paid", { timout: "1s" } as never),
      /TypeError: signal has no option "timout"; it takes timeout/,
    ],
    "signal with a timeout for options": [
      () => signal("paid", "1s" as never),
      /TypeError: the options of signal must be an object, got "1s"/,
    ],
    "signal with a timeout that cannot be read": [
      () => signal("paid", { timeout: "1 s" }),
      /InvalidDurationError: timeout of signal: cannot read "1 s"/,
    ],
    "defineSignal with a misspelt option": [
      () => defineSignal("paid", { shema: {} } as never),
      /TypeError: defineSignal has no option "shema"; it takes schema/,
    ],
    "sendSignal to a handle": [
      () => sendSignal({ id: "E-1", toString: () => "E-1" } as never, "paid", 1),
      /TypeError: sendSignal takes the id of an execution, a text such as handle\.id; got an object whose id is "E-1"/,
    ],
    "sendSignal to nobody": [
      () => sendSignal(undefined as never, "paid", 1),
      /TypeError: sendSignal takes the id of an execution, .*; got undefined/,
    ],
    "signal without a name": [() => signal(""), /TypeError: a signal needs a name/],
    "signal of nothing": [() => signal(undefined as never), /TypeError: a signal needs a name/],
    "defineSignal without a name": [() => defineSignal(""), /TypeError/],
    "run without a closure": [
      () => run("x", undefined as never),
      /TypeError: run takes a name and a closure/,
    ],
    "transaction without a closure": [
      () => transaction("x", undefined as never),
      /TypeError: transaction takes a name and a closure/,
    ],
    "race of none": [() => race({}), /TypeError: race takes named branches, at least one/],
    "race of a list": [() => race([now()] as never), /TypeError: race takes named branches/],
    "race of nothing": [() => race(undefined as never), /TypeError: race takes named branches/],
    "all of nothing": [
      () => all(undefined as never),
      /TypeError: all takes its branches as an array or an object/,
    ],
    "all of an effect without brackets": [
      () => all(now() as never),
      /TypeError: all takes its branches as .*, got the effect now/,
    ],
    "all of a generator without brackets": [
      () => all(order("A-1") as never),
      /TypeError: all takes its branches .* Generator/,
    ],
    "all of a set": [
      () => all(new Set([now()]) as never),
      /TypeError: all takes its branches .* Set/,
    ],
    "allSettled of an object": [
      () => allSettled({} as never),
      /TypeError: allSettled takes its branches as an array/,
    ],
    "branch of a generator": [
      () => branch(order("A-1") as never),
      /TypeError: branch takes a generator function/,
    ],
    "counter without a name": [() => counters.add(""), /TypeError: counters and state need a name/],
    "counter changed by no number": [
      () => counters.add("n", Number.POSITIVE_INFINITY),
      /RangeError: a counter can only be changed by a finite number/,
    ],
    "state without a key": [() => state.set(undefined as never, 1), /TypeError/],
  };
  for (const [what, [make, error]] of Object.entries(wrong)) {
    test(what, () => {
      assert.throws(
        make,
        (thrown) => thrown instanceof Error && error.test(`${thrown.name}: ${thrown.message}`),
      );
    });
  }
  test("what is left undefined is none: options, and values of options", () => {
    assert.deepEqual(signal("paid", undefined), signal("paid"));
    assert.deepEqual(signal("paid", { timeout: undefined } as never), signal("paid"));
    const none = { concurrency: undefined, onError: undefined, tolerate: undefined };
    assert.deepEqual(map(reserve, ["a"], none as never), map(reserve, ["a"]));
    assert.deepEqual(map(reserve, ["a"], undefined), map(reserve, ["a"]));
    assert.deepEqual(defineSignal("paid", undefined as never), defineSignal("paid"));
  });
  test("sleep of nonsense throws Stent's own error", () => {
    assert.throws(() => sleep("soon"), InvalidDurationError);
  });
});

describe("a function that is elsewhere", () => {
  test("is called by name, keeps its options, and runs nothing here", () => {
    const far = remote<typeof pair>("far", { kind: "activity", queue: "q" });
    assert.ok(isDurable(far) && isRemote(far) && isRemote(far.with({ priority: 1 })));
    assert.deepEqual(call(far, "a", 1), { kind: "call", name: "far", args: ["a", 1] });
    assert.throws(() => void far("a", 1), /"far" is remote/);
  });
});

test("what is no task is told so where it is written", () => {
  for (const wrong of [undefined, null, 3, fork(sleep(1))]) {
    assert.throws(() => join(wrong as never), /^TypeError: join takes a task/);
    assert.throws(() => cancel(wrong as never), /^TypeError: cancel takes a task/);
  }
});

test("a bad duration names its effect", () => {
  assert.throws(() => sleep("1 s"), /^InvalidDurationError: sleep: /);
  assert.throws(() => within("1 s", sleep(1)), /^InvalidDurationError: within: /);
});
