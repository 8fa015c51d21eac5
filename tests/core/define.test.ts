import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity, isDurable, workflow } from "../../src/core/define.ts";
import type { AnyDurable } from "../../src/core/durable.ts";
import { DuplicateFunctionError, InvalidDurationError } from "../../src/core/errors.ts";
import { overridesOf } from "../../src/core/overrides.ts";
import { allowRedefinition, FunctionRegistry, registry } from "../../src/core/registry.ts";

describe("a durable function", () => {
  test("runs the plain function when it is called", async () => {
    const double = activity("double", (n: number) => n * 2);
    assert.equal(await double(4), 8);
    const failing = activity("failing", (): number => {
      throw new RangeError("at once");
    });
    await assert.rejects(failing(), RangeError);
    const flow = workflow("flow", function* (n: number) {
      return n;
    });
    assert.deepEqual(flow(5).next(), { done: true, value: 5 });
  });

  test("carries its kind, name and options, and cannot be changed", () => {
    const charge = activity("charge", { queue: "payments", timeout: "30s" }, async () => 1);
    assert.deepEqual(
      [charge.kind, charge.functionName, charge.name, { ...charge.options }],
      ["activity", "charge", "charge", { queue: "payments", timeout: "30s" }],
    );
    assert.ok(isDurable(charge));
    assert.throws(() => Object.assign(charge, { kind: "workflow" }), TypeError);
    assert.throws(() => Object.assign(charge.options, { queue: "other" }), TypeError);
  });

  test("takes other options at one place of call, over its own and those of an earlier place", () => {
    const send = activity(
      "send",
      { queue: "mail", retry: { maxAttempts: 5, jitter: 0 } },
      async () => 1,
    );
    const urgent = send.with({ priority: 9, retry: { initialDelay: "5s" } });
    const other = urgent.with({ priority: 1, queue: "other" });
    assert.deepEqual(urgent.options, {
      queue: "mail",
      priority: 9,
      retry: { maxAttempts: 5, jitter: 0, initialDelay: "5s" },
    });
    assert.deepEqual(overridesOf(other), {
      priority: 1,
      queue: "other",
      retry: { initialDelay: 5_000 },
    });
    assert.equal(overridesOf(send), undefined);
    assert.deepEqual(send.options.priority, undefined);
    assert.equal(registry.get("send"), send, "places of call are not registered");
  });

  const wrong: Record<string, [define: () => unknown, error: RegExp]> = {
    "no name": [
      () => activity("", async () => 1),
      /TypeError: the name of an activity must be a string of 1 to 200 characters/,
    ],
    "a long name": [() => workflow("x".repeat(201), function* () {}), /got 201 characters/],
    "no function": [
      () => activity("wrong", undefined as never),
      /TypeError: activity "wrong" needs a function/,
    ],
    "a generator as activity": [
      () => activity("wrong", function* () {}),
      /TypeError: activity "wrong" is a generator function; .*workflow\("wrong"/,
    ],
    "options that are none": [
      () => activity("wrong", 5 as never, async () => 1),
      /TypeError: the options of activity "wrong" must be an object/,
    ],
    "an empty queue": [
      () => activity("wrong", { queue: "" }, async () => 1),
      /TypeError: queue of activity "wrong"/,
    ],
    "half a priority": [
      () => activity("wrong", { priority: 0.5 }, async () => 1),
      /TypeError: priority of activity "wrong" must be a whole number, got 0\.5/,
    ],
    "tags that are text": [
      () => activity("wrong", { tags: "a" as never }, async () => 1),
      /TypeError: tags of activity "wrong"/,
    ],
    "an empty version": [
      () => workflow("wrong", { version: "" }, function* () {}),
      /TypeError: version of workflow "wrong"/,
    ],
    "a timeout of nothing": [
      () => activity("wrong", { timeout: 0 }, async () => 1),
      /RangeError: timeout of activity "wrong" must be longer than 0/,
    ],
    "a maxDuration of nothing": [
      () => workflow("wrong", { maxDuration: "0s" }, function* () {}),
      /RangeError: maxDuration of workflow "wrong"/,
    ],
    "no attempt": [
      () => activity("wrong", { retry: { maxAttempts: 0 } }, async () => 1),
      /RangeError: maxAttempts/,
    ],
    "a wrong timeout at the place of call": [
      () => activity("right", async () => 1).with({ timeout: 0 }),
      /RangeError: timeout of activity "right"/,
    ],
  };
  for (const [what, [define, error]] of Object.entries(wrong)) {
    test(`is refused where it is written: ${what}`, () => {
      assert.throws(
        define,
        (thrown) => thrown instanceof Error && error.test(`${thrown.name}: ${thrown.message}`),
      );
      assert.equal(registry.get("wrong"), undefined);
    });
  }

  test("is refused a duration that cannot be read", () => {
    assert.throws(
      () => activity("wrong", { timeout: "soon" }, async () => 1),
      InvalidDurationError,
    );
  });
});

describe("a registry", () => {
  test("refuses a second, different function under a taken name and version", () => {
    const own = new FunctionRegistry();
    const first = named("taken");
    own.register(first);
    own.register(first);
    assert.throws(() => own.register(named("taken")), DuplicateFunctionError);
    own.register(named("taken", "2"));
    assert.throws(() => own.register(named("taken", "2")), /version "2"/);
  });

  test("gives the version asked for, or the one registered last", () => {
    const own = new FunctionRegistry();
    const [plain, one, two] = [named("f"), named("f", "1"), named("f", "2")];
    for (const fn of [plain, two, one]) own.register(fn);
    assert.equal(own.get("f"), one);
    assert.equal(own.get("f", "2"), two);
    assert.equal(own.get("f", "3"), undefined);
    assert.equal(own.exact("f", undefined), plain);
    assert.equal(own.get("__proto__"), undefined);
    own.register(two);
    assert.equal(own.get("f"), two);
    assert.deepEqual([own.names(), own.all().length], [["f"], 3]);
  });

  test("replaces functions under hot reload only", () => {
    activity("reloaded", async () => 1);
    assert.throws(() => activity("reloaded", async () => 2), DuplicateFunctionError);
    allowRedefinition(true);
    try {
      const second = activity("reloaded", async () => 2);
      assert.equal(registry.get("reloaded"), second);
    } finally {
      allowRedefinition(false);
    }
  });
});

let made = 0;

/** Registered in the default registry under a name of its own; what is returned bears the wanted one. */
function named(name: string, version?: string): AnyDurable {
  made += 1;
  const fn = activity(
    `${name}-${made}`,
    version === undefined ? {} : { version },
    async () => made,
  );
  return { ...fn, functionName: name } as AnyDurable;
}
