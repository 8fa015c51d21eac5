import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import {
  activity,
  ExecutionExistsError,
  FunctionRegistry,
  InvalidDurationError,
  remote,
  SerializationError,
  signal,
  UnregisteredFunctionError,
  ValidationError,
  workflow,
  type Activity,
  type DispatchOptions,
  type StandardSchema,
  type Workflow,
} from "stentjs";
import { clientOn, schemaOf } from "../support/client.ts";
import { databaseFile, rejection } from "../support/serving.ts";

const order = workflow("order", function* (_id: string, _rest?: unknown) {
  yield* signal("go");
});
const placed = workflow(
  "placed",
  { queue: "slow", priority: 3, tags: ["big"], maxDuration: "1h", version: "2" },
  function* () {},
);
const job = activity("job", { version: "7" }, async (n: number) => n);

test("a dispatched execution is pending under an id that rises", async (t) => {
  const stent = await clientOn(t);
  const first = await stent.dispatch(order, ["a"]);
  const second = await stent.dispatch(order, ["b"]);
  assert.match(first.id, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  assert.ok(second.id > first.id);
  const state = await first.state();
  assert.equal(state.state, "pending");
  assert.equal(state.workflow, "order");
  assert.equal(state.startedAt, undefined);
  assert.equal(state.retries, 0);
  assert.deepEqual(state.progress, []);
  assert.equal(state.result, undefined);
});

test("a handle reads as its id", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(order, ["a"], { id: "order-1" });
  assert.equal(handle.id, "order-1");
  assert.equal(String(handle), "order-1");
  assert.equal(JSON.stringify(handle), '{"id":"order-1"}');
  assert.equal((await stent.execution("order-1").state()).id, "order-1");
});

test("options of the dispatch come before those of the definition", async (t) => {
  const stent = await clientOn(t);
  const own = await (await stent.dispatch(placed, [])).state();
  assert.deepEqual([own.queue, own.priority, own.tags, own.version], ["slow", 3, ["big"], "2"]);
  const given = await stent.dispatch(placed, [], { queue: "fast", priority: 0, tags: [] });
  const state = await given.state();
  assert.deepEqual([state.queue, state.priority, state.tags], ["fast", 0, []]);
});

test("what with() sets counts as the definition's", async (t) => {
  const stent = await clientOn(t);
  const faster = placed.with({ queue: "fast", priority: -1 });
  const state = await (await stent.dispatch(faster, [])).state();
  assert.deepEqual([state.queue, state.priority, state.tags], ["fast", -1, ["big"]]);
});

test('the queue "default" names the unqueued', async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(placed, [], { queue: "default" });
  assert.equal((await handle.state()).queue, undefined);
  assert.equal((await stent.listExecutions({ queue: "default" })).items.length, 1);
});

test("an activity's version binds no worker, so its job has none", async (t) => {
  const stent = await clientOn(t);
  const state = await (await stent.dispatch(job, [1])).state();
  assert.equal(state.version, undefined);
  assert.deepEqual(state.progress, [{ step: "job", status: "dispatched" }]);
  assert.equal(state.progressTotal, 1);
});

test("schedule is a dispatch with a delay, and says until when it waits", async (t) => {
  const stent = await clientOn(t);
  const before = Date.now();
  const handle = await stent.schedule("1h", order, ["a"]);
  const [reason] = (await handle.state()).waitingFor;
  assert.equal(reason?.kind, "sleep");
  const until = reason?.until?.getTime() ?? 0;
  assert.ok(until >= before + 3_600_000 && until <= Date.now() + 3_600_000);
  await assert.rejects(stent.schedule("1h", order, ["a"], { delay: "2h" }), TypeError);
});

test("an id that is taken is refused, and nothing is written", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatch(order, ["a"], { id: "x" });
  const error = await rejection(stent.dispatch(order, ["b"], { id: "x" }));
  assert.ok(error instanceof ExecutionExistsError);
  assert.match(error.message, /"order" has the id "x" already.*"join"/);
  assert.equal((await stent.listExecutions()).items.length, 1);
});

test("join gives the one that is there", async (t) => {
  const stent = await clientOn(t);
  const first = await stent.dispatch(order, ["a"], { id: "x", tags: ["first"] });
  const second = await stent.dispatch(order, ["b"], {
    id: "x",
    ifExists: "join",
    tags: ["second"],
  });
  assert.equal(second.id, first.id);
  assert.deepEqual((await second.state()).tags, ["first"]);
});

test("of many dispatches under one id one is written, whoever comes first", async (t) => {
  const stent = await clientOn(t);
  const tries = Array.from({ length: 20 }, () => stent.dispatch(order, ["a"], { id: "x" }));
  const settled = await Promise.allSettled(tries);
  assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1);
  for (const one of settled) {
    if (one.status === "rejected") assert.ok(one.reason instanceof ExecutionExistsError);
  }
});

test("restart-if-failed starts a cancelled one anew, with the new options", async (t) => {
  const stent = await clientOn(t);
  const options: DispatchOptions = { id: "x", ifExists: "restart-if-failed" };
  await stent.dispatch(order, ["a"], { ...options, tags: ["first"] });
  const joined = await stent.dispatch(order, ["b"], { ...options, tags: ["second"] });
  assert.deepEqual((await joined.state()).tags, ["first"]);
  await joined.cancel();
  const restarted = await stent.dispatch(order, ["c"], {
    ...options,
    tags: ["third"],
    priority: 2,
  });
  const state = await restarted.state();
  assert.deepEqual([state.state, state.tags, state.priority], ["pending", ["third"], 2]);
  assert.equal(state.result, undefined);
});

test("an id that belongs to another function is refused in every way", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatch(order, ["a"], { id: "x" });
  for (const ifExists of ["reject", "join", "restart-if-failed"] as const) {
    const error = await rejection(stent.dispatch(placed, [], { id: "x", ifExists }));
    assert.ok(error instanceof ExecutionExistsError, ifExists);
    assert.match(error.message, /"order", not of "placed"/);
  }
});

test("an unregistered function is refused with the names that are registered", async (t) => {
  const registry = new FunctionRegistry();
  registry.register(job);
  const stent = await clientOn(t, "sqlite::memory:", { registry });
  const error = await rejection(stent.dispatch(order, ["a"]));
  assert.ok(error instanceof UnregisteredFunctionError);
  assert.equal(error.functionName, "order");
  assert.match(error.message, /registered: job/);
});

test("a remote function needs no registration, and brings its place", async (t) => {
  const stent = await clientOn(t, "sqlite::memory:", { registry: new FunctionRegistry() });
  const far = remote<Workflow<[string], number>>("far", { queue: "there", version: "3" });
  const state = await (await stent.dispatch(far, ["a"])).state();
  assert.deepEqual([state.workflow, state.queue, state.version], ["far", "there", "3"]);
  const farJob = remote<Activity<[], void>>("far-job", { kind: "activity" }).with({ queue: "q" });
  assert.equal((await (await stent.dispatch(farJob, [])).state()).queue, "q");
});

test("what is no durable function is refused by name", async (t) => {
  const stent = await clientOn(t);
  function plain(): void {}
  await assert.rejects(stent.dispatch(plain as never, []), /the plain function plain/);
});

test("arguments that are no array are refused", async (t) => {
  const stent = await clientOn(t);
  for (const args of [undefined, null, "a", { 0: "a", length: 1 }]) {
    await assert.rejects(stent.dispatch(order, args as never), TypeError);
  }
  await assert.rejects(stent.dispatchMany(order, "ab" as never), TypeError);
  await assert.rejects(stent.dispatchMany(order, ["ab"] as never), /args\[0\] of "order"/);
});

test("an argument that cannot be stored is refused with its path, and nothing is written", async (t) => {
  const stent = await clientOn(t);
  class Money {
    readonly cents = 1;
  }
  const error = await rejection(stent.dispatch(order, ["a", { total: new Money() }]));
  assert.ok(error instanceof SerializationError);
  assert.equal(error.path, "args[1].total");
  const ofMany = await rejection(stent.dispatchMany(order, [["a"], ["b", { total: () => 1 }]]));
  assert.equal(ofMany["path"], "args[1][1].total");
  const tooLong = await rejection(stent.dispatch(order, ["a".repeat(1_048_576)]));
  assert.match(tooLong.message, /maxPayloadBytes/);
  assert.equal((await stent.listExecutions()).items.length, 0);
});

test("arguments are stored as they are when dispatch is called", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const total = { cents: 1 };
  const dispatching = stent.dispatch(order, ["a", total], { id: "x" });
  total.cents = 2;
  await dispatching;
  assert.equal(storedInput(path, "x"), '["a",{"cents":1}]');
});

test("what a workflow's input schema puts out is stored, and what it refuses is not", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const input = schemaOf(async ([given]: [string]) => {
    if (given === "") throw new Error("must not be empty");
    return [given.trim()];
  }) as unknown as StandardSchema<[string]>;
  const trimmed = workflow("trimmed", { input }, function* (_name: string) {});
  await stent.dispatch(trimmed, ["  ada "], { id: "x" });
  assert.equal(storedInput(path, "x"), '["ada"]');
  const error = await rejection(stent.dispatch(trimmed, [""], { id: "y" }));
  assert.ok(error instanceof ValidationError);
  assert.match(error.message, /input of workflow "trimmed".*0\.total: must not be empty/);
  const ofMany = await rejection(stent.dispatchMany(trimmed, [["a"], [""]]));
  assert.match(ofMany.message, /\(args\[1\]\)/);
  assert.equal((await stent.listExecutions()).items.length, 1);
});

test("a schema that puts out no tuple is refused", async (t) => {
  const stent = await clientOn(t);
  const input = schemaOf(() => "no tuple") as unknown as StandardSchema<[string]>;
  const wrong = workflow("wrong-schema", { input }, function* (_name: string) {});
  await assert.rejects(
    stent.dispatch(wrong, ["a"]),
    /must put out the arguments tuple, not string/,
  );
});

test("dispatchMany writes all of them in order, each with an id of its own", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(job, [[1], [2], [3]], { tags: ["many"] });
  const listed = await stent.listExecutions({ tag: "many" });
  assert.deepEqual(
    listed.items.map(({ id }) => id),
    handles.map(({ id }) => id).toReversed(),
  );
  assert.deepEqual(await stent.dispatchMany(job, []), []);
});

test("dispatchMany takes no id", async (t) => {
  const stent = await clientOn(t);
  await assert.rejects(stent.dispatchMany(job, [[1]], { id: "x" }), TypeError);
});

test("20,000 are dispatched at once", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(
    job,
    Array.from({ length: 20_000 }, (_, n): [number] => [n]),
  );
  assert.equal(new Set(handles.map(({ id }) => id)).size, 20_000);
  assert.equal(await stent.queueDepth(), 20_000);
});

for (const [what, options, error] of [
  ["an unknown option", { prioirty: 1 }, TypeError],
  ["options that are no object", "x", TypeError],
  ["an empty id", { id: "" }, TypeError],
  ["an id that is no text", { id: 7 }, TypeError],
  ["an id with a control character", { id: "a\nb" }, TypeError],
  ["an id with half a character", { id: "a\ud800" }, TypeError],
  ["an id of 256 characters", { id: "x".repeat(256) }, TypeError],
  ["an unknown ifExists", { ifExists: "replace" }, TypeError],
  ["a delay that is none", { delay: "soon" }, InvalidDurationError],
  ["a negative delay", { delay: -1 }, InvalidDurationError],
  ["a maxDuration of nothing", { maxDuration: 0 }, RangeError],
  ["an expiry of nothing", { expiry: "0s" }, RangeError],
  ["both names of maxDuration", { maxDuration: "1s", expiry: "1s" }, TypeError],
  ["a priority that is no whole number", { priority: 1.5 }, TypeError],
  ["a priority that is a text", { priority: "1" }, TypeError],
  ["tags that are no array", { tags: "a" }, TypeError],
  ["an empty tag", { tags: ["a", ""] }, TypeError],
  ["an empty queue", { queue: "" }, TypeError],
  ["what is no transaction", { transaction: {} }, TypeError],
] as const) {
  test(`${what} is refused`, async (t) => {
    const stent = await clientOn(t);
    await assert.rejects(stent.dispatch(order, ["a"], options as never), error);
    assert.equal((await stent.listExecutions()).items.length, 0);
  });
}

test("a wrong option is named, with its value", async (t) => {
  const stent = await clientOn(t);
  assert.match(
    (await rejection(stent.dispatch(order, ["a"], { delay: "soon" }))).message,
    /^delay: .*"soon"/,
  );
  assert.match(
    (await rejection(stent.dispatch(order, ["a"], { prioirty: 1 } as never))).message,
    /no option "prioirty"; it takes id, ifExists/,
  );
});

/** As it stands in the database: what a worker will read. */
function storedInput(path: string, id: string): unknown {
  const database = new Database(path, { readonly: true });
  try {
    return database.prepare("select input from stent_executions where id = ?").pluck().get(id);
  } finally {
    database.close();
  }
}
