import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  allSettled,
  branch,
  call,
  CancelledError,
  context,
  counters,
  now,
  race,
  registerError,
  signal,
  sleep,
  workflow,
  type Flow,
} from "stentjs";
import { simulate } from "stentjs/testing";
import { aborted, Gate, rejection, serving, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

class Bad extends Error {
  readonly code = "BAD";
}
registerError(Bad, "parallel.Bad");

const echo = activity("parallel.echo", async (value: unknown) => value);
const bad = activity("parallel.bad", { retry: { maxAttempts: 1 } }, async (text: string) => {
  throw new Bad(text);
});
const told: [string, unknown][] = [];
const listens = activity("parallel.listens", async (name: string) => {
  begun.add(name);
  told.push([name, await aborted(context().signal)]);
});
const begun = new Set<string>();

const together = workflow("parallel.together", function* (): Flow<unknown> {
  const list = yield* all([call(echo, 1), twice("x"), sleep(5), call(echo, "y")]);
  const named = yield* all({ a: call(echo, 1), b: twice("z") });
  const none = yield* all([]);
  const empty = yield* all({});
  return { list, named, none, empty };
});
function* twice(text: string): Flow<string> {
  const a = yield* call(echo, text);
  const b = yield* call(echo, text);
  return `${String(a)}${String(b)}`;
}

test("all gives every value, in its place or by its name", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(together, []), {
    list: [1, "xx", undefined, "y"],
    named: { a: 1, b: "zz" },
    none: [],
    empty: {},
  });
});

const oneFails = workflow("parallel.oneFails", function* (): Flow<unknown> {
  try {
    return yield* all([call(listens, "sibling"), afterTold("sibling")]);
  } catch (error) {
    return (error as Error).message;
  }
});
function* afterTold(name: string): Flow<void> {
  yield* call(waitsUntilBegun, name);
  yield* call(bad, "one failed");
}
const waitsUntilBegun = activity("parallel.waitsUntilBegun", async (name: string) => {
  await until(`${name} has begun`, () => begun.has(name));
});

test("the first error of all is thrown, and running siblings are told", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(oneFails, []), "one failed");
  await until("it was told", () => told.some(([name]) => name === "sibling"));
});

const settled = workflow("parallel.settled", function* (): Flow<unknown> {
  const results = yield* allSettled([call(echo, 1), call(bad, "x"), sleep(3)]);
  return [
    results.map((each) => each.status),
    (results[1] as PromiseRejectedResult).reason instanceof Bad,
  ];
});

test("allSettled waits for all and throws nothing", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(settled, []), [["fulfilled", "rejected", "fulfilled"], true]);
});

const races = workflow("parallel.races", function* (): Flow<unknown> {
  const order: string[] = [];
  const won = yield* race({
    quick: call(waitsUntilBegun, "loser"),
    loser: call(listens, "loser"),
    branch: loserBranch(order),
    sleeper: sleep("1h"),
    signal: signal("never"),
  });
  return [won.winner, order, yield* counters.get("closed")];
});
function* loserBranch(order: string[]): Flow<void> {
  try {
    yield* sleep("1h");
  } finally {
    yield* sleep(5);
    yield* counters.add("closed");
    order.push("closed");
  }
}

test("the losers of a race are closed before it returns, and told if they run", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(races, []), ["quick", ["closed"], 1]);
  await until("the loser was told", () => told.some(([name]) => name === "loser"));
  assert.ok(told.find(([name]) => name === "loser")?.[1] instanceof CancelledError);
});

const raceFails = workflow("parallel.raceFails", function* (): Flow<unknown> {
  try {
    yield* race({ a: call(bad, "lost"), b: sleep("1h") });
    return "none";
  } catch (error) {
    return (error as Bad).message;
  }
});
const emptyRace = workflow("parallel.emptyRace", function* (): Flow<unknown> {
  try {
    yield* race({});
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
});

test("a branch that fails first makes its race fail; a race of nothing is a TypeError", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(raceFails, []), "lost");
  assert.equal(await stent.run(emptyRace, []), "TypeError");
});

const nested = workflow("parallel.nested", function* (depth: number): Flow<number> {
  function* level(n: number): Flow<number> {
    if (n === 0) return Number(yield* call(echo, 1));
    const [a, b] = yield* all([branch(level, n - 1), branch(level, n - 1)]);
    return a + b;
  }
  return yield* level(depth);
});

test("nested parallel branches never block a worker, at concurrency 1 either", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 1 } });
  assert.equal(await stent.run(nested, [5]), 32);
});

// ── children ──

const child = workflow("parallel.child", function* (n: number): Flow<number> {
  const [a] = yield* all([call(echo, n), sleep(1)]);
  return Number(a) * 10;
});
const parent = workflow("parallel.parent", function* (): Flow<number[]> {
  return yield* all([call(child, 1), call(child, 2), call(child, 3)]);
});
const grandparent = workflow("parallel.grandparent", function* (): Flow<unknown> {
  return yield* all([call(parent), call(parent), call(parent)]);
});

test("three children, and three children each, at concurrency 1", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 1 } });
  assert.deepEqual(await stent.run(parent, []), [10, 20, 30]);
  assert.deepEqual(await stent.run(grandparent, []), [
    [10, 20, 30],
    [10, 20, 30],
    [10, 20, 30],
  ]);
});

const failingChild = workflow("parallel.failingChild", function* (): Flow<void> {
  yield* sleep(1);
  throw new Bad("child");
});
const catches = workflow("parallel.catches", function* (): Flow<unknown> {
  try {
    yield* call(failingChild);
    return "none";
  } catch (error) {
    return [error instanceof Bad, (error as Bad).message, (error as Bad).code];
  }
});
const catchesNot = workflow("parallel.catchesNot", function* (): Flow<unknown> {
  return yield* call(failingChild);
});

test("a child's error is thrown at its call, and travels on", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(catches, []), [true, "child", "BAD"]);
  await assert.rejects(stent.run(catchesNot, []), Bad);
});

const waitingChild = workflow("parallel.waitingChild", function* (): Flow<unknown> {
  return yield* signal("go");
});
const parentOfOne = workflow("parallel.parentOfOne", function* (): Flow<unknown> {
  try {
    return yield* call(waitingChild);
  } catch (error) {
    return error instanceof CancelledError ? ["caught", error.message] : "other";
  }
});
const parentThatFalls = workflow("parallel.parentThatFalls", function* (): Flow<unknown> {
  return yield* call(waitingChild);
});

test("a child is an execution of its own, listed under its parent, and takes queue, priority and tags of it", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(parentOfOne, [], {
    queue: "q",
    priority: 7,
    tags: ["t", "u"],
  });
  const child = await until(
    "there is a child",
    async () => (await stent.listExecutions({ parent: handle.id })).items[0],
  );
  assert.equal(child.workflow, "parallel.waitingChild");
  assert.equal(child.parentId, handle.id);
  assert.equal(child.queue, "q");
  assert.equal(child.priority, 7);
  assert.deepEqual(child.tags, ["t", "u"]);
  await stent.sendSignal(child.id, "go", "went");
  assert.equal(await handle.result(limit), "went");
  assert.equal((await stent.stateOf(child.id)).state, "completed");
});

test("a child that is cancelled by itself throws CancelledError in its parent, which may catch it", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(parentOfOne, []);
  const child = await until(
    "there is a child",
    async () => (await stent.listExecutions({ parent: handle.id })).items[0],
  );
  await stent.cancel(child.id, { reason: "not you" });
  assert.deepEqual(await handle.result(limit), ["caught", "not you"]);
  const other = await stent.dispatch(parentThatFalls, []);
  const second = await until(
    "there is a child",
    async () => (await stent.listExecutions({ parent: other.id })).items[0],
  );
  await stent.cancel(second.id);
  assert.ok((await rejection(other.result(limit))) instanceof CancelledError);
  assert.equal((await other.state()).state, "failed");
});

test("a child whose id a stranger has is an error in the parent, and the stranger is left alone", async (t) => {
  const stent = await serving(t, { serve: false });
  const handle = await stent.dispatch(parentThatFalls, [], { id: "p" });
  const sample = await stent.dispatch(parentThatFalls, [], { id: "sample" });
  const lifecycle = stent.createWorkerLifecycle();
  const serving1 = stent.serve({ lifecycle, queues: ["none"] });
  lifecycle.requestDrain();
  await serving1;
  const childId = await childIdOf(t);
  const stranger = await stent.dispatch(waitingChild, [], { id: childId.replace("sample", "p") });
  void stent.serve();
  const error = await rejection(handle.result(limit));
  assert.equal(error.name, "ExecutionExistsError");
  await until("it waits", async () =>
    (await stranger.state()).waitingFor.some(({ kind }) => kind === "signal"),
  );
  await stranger.signal("go", 1);
  assert.equal(await stranger.result(limit), 1);
  await sample.cancel();
});

/** What the id of the first child of an execution "sample" looks like. */
async function childIdOf(t: { after(fn: () => unknown): void }): Promise<string> {
  const stent = await serving(t);
  const handle = await stent.dispatch(parentThatFalls, [], { id: "sample" });
  const child = await until(
    "there is a child",
    async () => (await stent.listExecutions({ parent: handle.id })).items[0],
  );
  return child.id;
}

const own = activity(
  "parallel.own",
  { queue: "own", tags: ["mine"], priority: 3 },
  async () => undefined,
);
const inherits = activity("parallel.inherits", async () => undefined);
const placed = workflow("parallel.placed", function* (): Flow<void> {
  yield* all([call(own), call(inherits), call(inherits.with({ queue: "there" }))]);
});

test("a call's own queue, priority and tags win; what it has none of it takes from its execution", async (t) => {
  const stent = await serving(t, { serve: { queues: ["q"], tags: ["z"] } });
  const handle = await stent.dispatch(placed, [], { queue: "q", priority: 9, tags: ["z"] });
  const tasks = await until("two tasks wait", async () => {
    const { items } = await stent.listTasks({ execution: handle.id, state: "pending" });
    return items.length === 2 ? items : undefined;
  });
  const byQueue = new Map(tasks.map((task) => [task.queue, task]));
  assert.deepEqual([byQueue.get("own")?.priority, byQueue.get("own")?.tags], [3, ["mine"]]);
  assert.deepEqual([byQueue.get("there")?.priority, byQueue.get("there")?.tags], [9, ["z"]]);
});

const sameTwice = workflow("parallel.sameTwice", function* (): Flow<string> {
  const generator = twice("a");
  try {
    yield* all([generator, generator]);
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
});

test("the same generator twice is a TypeError", async () => {
  const { outcome } = await simulate(sameTwice, []);
  assert.deepEqual(outcome, { ok: true, value: "TypeError" });
});

const wide = workflow("parallel.wide", function* (n: number): Flow<number> {
  const results = yield* all(Array.from({ length: n }, (_, i) => call(echo, i)));
  return results.length;
});

test("500 parallel calls are ordinary", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(wide, [500]), 500);
});

const gate = new Gate<number>();
const waitsForGate = activity("parallel.waitsForGate", async () => gate.passed);
const first = workflow("parallel.first", function* (): Flow<unknown> {
  const before = yield* now();
  const { winner } = yield* race({ late: call(waitsForGate), early: sleep(30) });
  const took = (yield* now()).getTime() - before.getTime();
  const after = yield* call(echo, "after");
  return [winner, took < 1_000, after];
});

test("a race with a timer does not wait for an activity that does not listen", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(first, []);
  assert.deepEqual(await handle.result(limit), ["early", true, "after"]);
  gate.open(1);
});
