import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { activity, isDurable, remote, workflow } from "../../src/core/define.ts";
import type { ActivityOptions, AnyDurable, WorkflowOptions } from "../../src/core/durable.ts";
import type { Flow } from "../../src/core/effects/effect.ts";
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

  test("is not changed by what its author does to the options afterwards", () => {
    const options = { queue: "mail" };
    const sealed = activity("sealed", options, async () => 1);
    options.queue = "other";
    assert.deepEqual(
      [sealed.options, sealed.with({ priority: 1 }).options],
      [{ queue: "mail" }, { queue: "mail", priority: 1 }],
    );
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

  test("keeps its own where a place of call says undefined", () => {
    const keep = activity("keep", { queue: "mail", retry: { maxAttempts: 5 } }, async () => 1);
    const same = keep.with({ queue: undefined, retry: undefined, timeout: undefined } as never);
    assert.deepEqual(same.options, { queue: "mail", retry: { maxAttempts: 5 } });
    assert.deepEqual(overridesOf(same), {});
  });

  test("takes every option there is, at its definition and at a place of call", () => {
    const full = activity("full activity", ofActivity, async () => 1);
    assert.deepEqual(full.options, ofActivity);
    assert.deepEqual(full.with(ofActivity as never).options, ofActivity);
    const flow = workflow("full workflow", ofWorkflow, function* () {});
    assert.deepEqual(flow.options, ofWorkflow);
    const { input: _input, ...ofCall } = ofWorkflow;
    assert.deepEqual(flow.with(ofCall as never).options, ofWorkflow);
    workflow("nothing said", { queue: undefined, input: undefined } as never, function* () {});
  });

  test("may be made of a function that returns a generator, whatever that function is", () => {
    const body = function* (this: unknown, n: number): Flow<number> {
      return n;
    };
    const wrapped = (n: number): Flow<number> => body(n);
    for (const fn of [body, wrapped, body.bind(undefined), workflow("inner", body)]) {
      made += 1;
      assert.deepEqual(workflow(`returning-${made}`, fn)(5).next(), { done: true, value: 5 });
    }
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
      () => right.with({ timeout: 0 }),
      /RangeError: timeout of activity "right"/,
    ],
    "a timeout that cannot be read": [
      () => activity("wrong", { timeout: "1 s" }, async () => 1),
      /InvalidDurationError: timeout of activity "wrong": cannot read "1 s" as a duration/,
    ],
    "a heartbeatTimeout that cannot be read": [
      () => activity("wrong", { heartbeatTimeout: null as never }, async () => 1),
      /InvalidDurationError: heartbeatTimeout of activity "wrong": cannot read/,
    ],
    "a maxDuration that cannot be read": [
      () => workflow("wrong", { maxDuration: "1 s" }, function* () {}),
      /InvalidDurationError: maxDuration of workflow "wrong": cannot read "1 s"/,
    ],
    "a delay of retry that cannot be read": [
      () => activity("wrong", { retry: { initialDelay: "1 s" } }, async () => 1),
      /InvalidDurationError: initialDelay of retry of activity "wrong": cannot read "1 s"/,
    ],
    "a longest delay of retry that cannot be read, at the place of call": [
      () => right.with({ retry: { maxDelay: "1 s" } }),
      /InvalidDurationError: maxDelay of retry of activity "right": cannot read "1 s"/,
    ],
    "a timeout that cannot be read, at the place of call": [
      () => right.with({ totalTimeout: "1 s" }),
      /InvalidDurationError: totalTimeout of activity "right": cannot read "1 s"/,
    ],
    "no attempt, by the name of its function": [
      () => workflow("wrong", { retry: { maxAttempts: 0 } }, function* () {}),
      /RangeError: maxAttempts of retry of workflow "wrong" must be/,
    ],
    "a retry that is none": [
      () => activity("wrong", { retry: null as never }, async () => 1),
      /TypeError: retry of activity "wrong" must be an object/,
    ],
    "a retry that is none, at the place of call": [
      () => right.with({ retry: 5 as never }),
      /TypeError: retry of activity "right" must be an object/,
    ],
    "a misspelt option of an activity": [
      () => activity("wrong", { timout: "1s" } as never, async () => 1),
      /TypeError: activity "wrong" has no option "timout"; it takes queue, .*timeout/,
    ],
    "an option of workflows, given to an activity": [
      () => activity("wrong", { maxDuration: "1s" } as never, async () => 1),
      /TypeError: activity "wrong" has no option "maxDuration"/,
    ],
    "a misspelt option of a workflow": [
      () => workflow("wrong", { timout: undefined } as never, function* () {}),
      /TypeError: workflow "wrong" has no option "timout"; it takes queue, .*maxDuration, input/,
    ],
    "a misspelt option of retry": [
      () => activity("wrong", { retry: { maxAttempt: 1 } as never }, async () => 1),
      /TypeError: retry of activity "wrong" has no option "maxAttempt"; it takes maxAttempts, /,
    ],
    "a misspelt option of retry, at the place of call": [
      () => right.with({ retry: { maxAttempt: 1 } as never }),
      /TypeError: retry of activity "right" has no option "maxAttempt"/,
    ],
    "a misspelt option at the place of call": [
      () => right.with({ priorty: 1 } as never),
      /TypeError: with of activity "right" has no option "priorty"; it takes queue, priority, /,
    ],
    "a schema at the place of call": [
      () => workflow("right", { version: "2" }, function* () {}).with({ input: {} } as never),
      /TypeError: with of workflow "right" has no option "input"/,
    ],
    "no options at the place of call": [
      () => right.with(undefined as never),
      /TypeError: the options of with of activity "right" must be an object, got undefined/,
    ],
    "a misspelt option of what is remote": [
      () => remote("wrong", { queu: "q" } as never),
      /TypeError: remote "wrong" has no option "queu"; it takes kind, version, queue/,
    ],
    "a remote of no kind": [
      () => remote("wrong", { kind: "actvity" as never }),
      /TypeError: kind of remote "wrong" must be one of "activity", "workflow", got "actvity"/,
    ],
    "an async function as workflow": [
      () => workflow("wrong", (async () => 1) as never),
      /TypeError: workflow "wrong" is an async function; .*function\* .*activity\("wrong"/,
    ],
    "a bound async function as workflow": [
      () => workflow("wrong", asynchronous.bind(undefined) as never),
      /TypeError: workflow "wrong" is an async function/,
    ],
    "an async generator as workflow": [
      () => workflow("wrong", async function* () {} as never),
      /TypeError: workflow "wrong" is an async generator function; .*function\* /,
    ],
    "an activity as workflow": [
      () => workflow("wrong", right as never),
      /TypeError: workflow "wrong" is the activity "right"; .*call\(/,
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

  test("names the option in what is printed of the error, too", () => {
    assert.throws(
      () => activity("wrong", { timeout: "soon" }, async () => 1),
      (error) =>
        /^InvalidDurationError: timeout of activity "wrong": cannot read "soon".*\n +at /.test(
          inspect(error),
        ),
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

async function asynchronous(this: unknown): Promise<number> {
  return this === undefined ? 1 : 2;
}
const right = activity("right", async () => 1);

/** Every option there is: one more in the contract, and this does not compile. */
const ofActivity: Required<ActivityOptions<[]>> = {
  queue: "q",
  priority: 1,
  tags: ["t"],
  retry: {
    maxAttempts: 2,
    initialDelay: "2s",
    backoffFactor: 3,
    maxDelay: "1m",
    jitter: 0,
    retryFor: [TypeError],
  },
  version: "1",
  cached: true,
  idempotent: { ttl: "1h" },
  idempotencyKey: () => "key",
  maxConcurrent: 5,
  rateLimit: { limit: 1, per: "1s" },
  timeout: "1s",
  totalTimeout: "1m",
  heartbeatTimeout: "5s",
};
const { timeout: _, totalTimeout: __, heartbeatTimeout: ___, ...ofBoth } = ofActivity;
const ofWorkflow: Required<WorkflowOptions<[]>> = {
  ...ofBoth,
  maxDuration: "1d",
  input: { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } },
};

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
