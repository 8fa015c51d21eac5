import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  CancelledError,
  cancelled,
  context,
  counters,
  map,
  race,
  run,
  signal,
  sleep,
  state,
  workflow,
  type ExecutionHandle,
  type Flow,
} from "stentjs";
import {
  aborted,
  databaseFile,
  Gate,
  rejection,
  serving,
  stentOn,
  until,
} from "../support/serving.ts";

const limit = { timeout: "10s" };

const echo = activity("cancel.echo", async (value: unknown) => value);
const begun = new Set<string>();
const told = new Map<string, unknown>();
const listens = activity("cancel.listens", async (key: string) => {
  begun.add(key);
  const reason = await aborted(context().signal);
  told.set(key, reason);
  throw reason;
});
const gates = new Map<string, Gate<unknown>>();
function gate(key: string): Gate<unknown> {
  const known = gates.get(key) ?? new Gate<unknown>();
  gates.set(key, known);
  return known;
}
const deaf = activity("cancel.deaf", async (key: string) => {
  begun.add(key);
  return gate(key).passed;
});

/** Waits for what it is told to, and says in counters and state how it was closed. */
const stands = workflow("cancel.stands", function* (where: string, key: string): Flow<unknown> {
  try {
    switch (where) {
      case "sleep":
        return yield* sleep("1h");
      case "signal":
        return yield* signal("never");
      case "listening":
        return yield* call(listens, key);
      case "deaf":
        return yield* call(deaf, key);
      case "queued":
        return yield* call(listens.with({ queue: "nobody" }), key);
      case "retrying":
        return yield* call(failsSlowly);
      case "map":
        return yield* map(listens, [`${key} 1`, `${key} 2`]);
      case "child":
        return yield* call(child, key);
      case "all":
        return yield* all([
          sleep("1h"),
          call(listens, key),
          signal("never"),
          call(child, `${key} child`),
        ]);
      case "race":
        return yield* race({ a: sleep("1h"), b: call(listens, key) });
      case "run":
        return yield* run("long", async () => {
          begun.add(key);
          return gate(key).passed;
        });
    }
    return "nowhere";
  } catch (error) {
    yield* counters.add("caught");
    throw error;
  } finally {
    const reason = yield* cancelled();
    yield* sleep(5);
    yield* call(echo, 1);
    yield* counters.add("closed");
    yield* state.set("reason", reason?.message);
  }
});
const failsSlowly = activity(
  "cancel.failsSlowly",
  { retry: { initialDelay: "1h", maxDelay: "1h" } },
  async () => {
    begun.add("retrying");
    throw new Error("once");
  },
);
const child = workflow("cancel.child", function* (key: string): Flow<unknown> {
  try {
    return yield* call(listens, key);
  } finally {
    yield* counters.add("child closed");
  }
});

async function isCancelled(handle: ExecutionHandle<unknown>, message: string): Promise<void> {
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof CancelledError, String(error.stack));
  assert.equal(error.message, message);
  assert.equal((await handle.state()).state, "cancelled");
}

for (const where of [
  "sleep",
  "signal",
  "listening",
  "queued",
  "retrying",
  "map",
  "child",
  "all",
  "race",
]) {
  test(`a cancel closes what stands at ${where}: finally runs, catch does not see it`, async (t) => {
    const stent = await serving(t);
    const handle = await stent.dispatch(stands, [where, `at ${where}`]);
    await until("it waits", async () => {
      const { waitingFor } = await handle.state();
      if (waitingFor.length === 0) return false;
      if (where === "retrying") return waitingFor.some((reason) => reason.until !== undefined);
      return (
        ["sleep", "signal", "queued"].includes(where) ||
        begun.has(`at ${where}`) ||
        begun.has(`at ${where} 2`)
      );
    });
    const before = performance.now();
    await handle.cancel("enough");
    await isCancelled(handle, "enough");
    assert.ok(performance.now() - before < 1_500, `${performance.now() - before} ms`);
    const ended = await handle.state();
    assert.deepEqual(ended.counters, { closed: 1 });
    assert.deepEqual(ended.customState, { reason: "enough" });
    for (const [key, reason] of told)
      if (key.startsWith(`at ${where}`)) assert.ok(reason instanceof CancelledError, key);
    if (where === "listening" || where === "race") assert.ok(told.has(`at ${where}`));
    assert.equal(
      (await stent.listTasks({ execution: handle.id, state: "pending" })).items.length,
      0,
    );
    assert.equal(
      (await stent.listTasks({ execution: handle.id, state: "running" })).items.length,
      0,
    );
  });
}

test("children are cancelled with their parent, and close before it ends", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(stands, ["child", "with parent"]);
  await until("the child's activity runs", () => begun.has("with parent"));
  await handle.cancel();
  await isCancelled(handle, "Execution cancelled");
  const { items } = await stent.listExecutions({ parent: handle.id });
  assert.deepEqual(
    items.map((each) => each.state),
    ["cancelled"],
  );
  assert.deepEqual((await stent.stateOf(items[0]?.id ?? "")).counters, { "child closed": 1 });
  assert.ok((items[0]?.completedAt ?? 0) <= ((await handle.state()).completedAt ?? 0));
});

test("what does not listen is waited for up to the grace", async (t) => {
  const stent = await serving(t, { serve: { cancelGrace: 150 } });
  const handle = await stent.dispatch(stands, ["deaf", "deaf"]);
  await until("it runs", () => begun.has("deaf"));
  const before = performance.now();
  await handle.cancel("now");
  await isCancelled(handle, "now");
  const took = performance.now() - before;
  assert.ok(took >= 140 && took < 1_500, `${took}`);
  gate("deaf").open(1);
});

const charges = workflow("cancel.charges", function* (key: string): Flow<unknown> {
  const paid = yield* call(deaf, key);
  yield* state.set("paid", paid);
  yield* call(echo, "never");
  yield* counters.add("went on");
  return paid;
});

test("a value that comes within the grace is delivered, and the workflow is closed at its next step", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(charges, ["late value"]);
  await until("it runs", () => begun.has("late value"));
  await handle.cancel("too late");
  await until("it is closing", async () => (await handle.state()).state === "cancelling");
  gate("late value").open("receipt");
  await isCancelled(handle, "too late");
  const ended = await handle.state();
  assert.deepEqual(ended.customState, { paid: "receipt" });
  assert.deepEqual(ended.counters, {});
});

test("the same for an activity that runs from the queue of another worker", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file, { serve: { queues: ["default"] } });
  await stentOn(t, file, { serve: { queues: ["far"] } });
  const handle = await stent.dispatch(chargesFar, ["far value"]);
  await until("it runs", () => begun.has("far value"));
  await handle.cancel();
  gate("far value").open("receipt");
  await isCancelled(handle, "Execution cancelled");
  assert.deepEqual((await handle.state()).customState, { paid: "receipt" });
});
const chargesFar = workflow("cancel.chargesFar", function* (key: string): Flow<unknown> {
  const paid = yield* call(deaf.with({ queue: "far" }), key);
  yield* state.set("paid", paid);
  return yield* sleep("1h");
});

test("an activity in another worker is told within a second", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file, { serve: { queues: ["default"] } });
  await stentOn(t, file, { serve: { queues: ["far"] } });
  const handle = await stent.dispatch(listensFar, ["far away"]);
  await until("it runs", () => begun.has("far away"));
  const before = performance.now();
  await handle.cancel("told");
  await until("it was told", () => told.has("far away"));
  assert.ok(performance.now() - before < 1_200, `${performance.now() - before}`);
  await isCancelled(handle, "told");
});
const listensFar = workflow("cancel.listensFar", function* (key: string): Flow<unknown> {
  return yield* call(listens.with({ queue: "far" }), key);
});

test("a run closure is not interrupted, and its end is waited for", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(stands, ["run", "closure"]);
  await until("it runs", () => begun.has("closure"));
  await handle.cancel("x");
  await until("it is closing", async () => (await handle.state()).state === "cancelling");
  gate("closure").open("done");
  await isCancelled(handle, "x");
});

const inFinally = workflow("cancel.inFinally", function* (key: string): Flow<unknown> {
  try {
    return yield* sleep("1h");
  } finally {
    yield* counters.add("began");
    yield* call(deaf, key);
    yield* sleep(20);
    yield* counters.add("ended");
  }
});

test("clean-up is not interrupted by a second cancel, and the first reason stands", async (t) => {
  const stent = await serving(t, { serve: { cancelGrace: 60 } });
  const handle = await stent.dispatch(inFinally, ["cleaning"]);
  await until("it sleeps", async () => (await handle.state()).waitingFor.length > 0);
  await handle.cancel("first");
  await until("it cleans up", () => begun.has("cleaning"));
  await handle.cancel("second");
  await stent.run(stands, ["nowhere", ""]);
  assert.equal((await handle.state()).state, "cancelling");
  gate("cleaning").open(1);
  await isCancelled(handle, "first");
  assert.deepEqual((await handle.state()).counters, { began: 1, ended: 1 });
});

const wins = workflow("cancel.wins", function* (): Flow<string> {
  try {
    yield* signal("never");
    return "no";
  } finally {
    // oxlint-disable-next-line no-unsafe-finally
    return "a value all the same";
  }
});

test("a finally block that returns or throws changes neither the end nor the reason", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(wins, []);
  await until("it waits", async () => (await handle.state()).waitingFor.length > 0);
  await handle.cancel("because");
  await isCancelled(handle, "because");
  const other = await stent.dispatch(throwsInFinally, []);
  await until("it waits", async () => (await other.state()).waitingFor.length > 0);
  await other.cancel("because");
  const error = await rejection(other.result(limit));
  assert.ok(error instanceof CancelledError);
  assert.equal(error.message, "because");
  assert.deepEqual(
    (error["errors"] as Error[]).map((each) => each.message),
    ["clean-up failed"],
  );
});
const throwsInFinally = workflow("cancel.throwsInFinally", function* (): Flow<void> {
  try {
    yield* signal("never");
  } finally {
    // oxlint-disable-next-line eslint/no-unsafe-finally -- what is tried here
    throw new Error("clean-up failed");
  }
});

const catchesAll = workflow("cancel.catchesAll", function* (): Flow<void> {
  for (;;) {
    try {
      yield* sleep("1h");
    } catch {
      yield* counters.add("caught");
    }
  }
});

test("no catch-all can swallow a cancel", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(catchesAll, []);
  await until("it sleeps", async () => (await handle.state()).waitingFor.length > 0);
  await handle.cancel();
  await isCancelled(handle, "Execution cancelled");
  assert.deepEqual((await handle.state()).counters, {});
});

test("a pending execution is cancelled at once, with no worker", async (t) => {
  const stent = await serving(t, { serve: false });
  const handle = await stent.dispatch(stands, ["sleep", ""]);
  await handle.cancel("never begun");
  assert.equal((await handle.state()).state, "cancelled");
  await isCancelled(handle, "never begun");
});

test("a cancel is idempotent, also of what has ended", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(stands, ["sleep", ""]);
  await until("it sleeps", async () => (await handle.state()).waitingFor.length > 0);
  await Promise.all([handle.cancel("a"), handle.cancel("b"), handle.cancel("c")]);
  await isCancelled(handle, "a");
  await handle.cancel("d");
  await isCancelled(handle, "a");
});

test("force ends an execution and its children at once and runs none of their code", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(stands, ["child", "forced"]);
  await until("the child's activity runs", () => begun.has("forced"));
  await stent.cancel(handle.id, { reason: "forced", force: true });
  assert.equal((await handle.state()).state, "cancelled");
  await isCancelled(handle, "forced");
  assert.deepEqual((await handle.state()).counters, {});
  const { items } = await stent.listExecutions({ parent: handle.id });
  assert.deepEqual(
    items.map((each) => each.state),
    ["cancelled"],
  );
  await until("the attempt was told", () => told.has("forced"));
});

test("force ends what is closing already", async (t) => {
  const stent = await serving(t, { serve: { cancelGrace: "1h" } });
  const handle = await stent.dispatch(stands, ["deaf", "stuck"]);
  await until("it runs", () => begun.has("stuck"));
  await handle.cancel("first");
  await until("it is closing", async () => (await handle.state()).state === "cancelling");
  await stent.cancel(handle.id, { force: true, reason: "second" });
  assert.equal((await handle.state()).state, "cancelled");
  gate("stuck").open(1);
});

test("a cancel that comes while the worker is away is carried out by the next one", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file);
  const handle = await first.dispatch(stands, ["sleep", ""]);
  await until("it sleeps", async () => (await handle.state()).waitingFor.length > 0);
  await first.close();
  const client = await stentOn(t, file, { serve: false });
  await client.cancel(handle.id, { reason: "away" });
  assert.equal((await client.stateOf(handle.id)).state, "cancelling");
  const second = await stentOn(t, file);
  const result = await second.waitFor(handle.id, limit);
  assert.ok(!result.ok && result.error instanceof CancelledError);
  assert.deepEqual((await second.stateOf(handle.id)).counters, { closed: 1 });
});

test("a slot that an activity did not give back within the grace is free again", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 1, cancelGrace: 50 } });
  for (const [where, key] of [
    ["deaf", "slot 1"],
    ["mapDeaf", "slot 2"],
    ["raceDeaf", "slot 3"],
  ] as const) {
    const handle = await stent.dispatch(takesSlot, [where, key]);
    await until("it runs", () => begun.has(key));
    if (where !== "raceDeaf") await handle.cancel();
    await handle.wait(limit);
    const other = await stent.dispatch(echo, [key]);
    assert.equal(await other.result({ timeout: "2s" }), key, where);
  }
});
const takesSlot = workflow(
  "cancel.takesSlot",
  function* (where: string, key: string): Flow<unknown> {
    if (where === "deaf") return yield* call(deaf, key);
    if (where === "mapDeaf") return yield* map(deaf, [key]);
    return yield* race({ deaf: call(deaf, key), sleep: sleep(300) });
  },
);

const parentWithJob = workflow("cancel.twice", function* (): Flow<unknown> {
  yield* sleep(1);
  return yield* all([call(child, "twin a"), call(child, "twin b"), call(child, "twin c")]);
});

test("several children are cancelled together", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 2 } });
  const handle = await stent.dispatch(parentWithJob, []);
  await until("two run", () => begun.has("twin a") && begun.has("twin b"));
  await handle.cancel("all of you");
  await isCancelled(handle, "all of you");
  const { items } = await stent.listExecutions({ parent: handle.id });
  assert.deepEqual(
    items.map((each) => each.state),
    ["cancelled", "cancelled", "cancelled"],
  );
});

test("a cancel that races with the end leaves one or the other, never both", async (t) => {
  const stent = await serving(t);
  for (let i = 0; i < 30; i += 1) {
    const handle = await stent.dispatch(short, []);
    await Promise.all([handle.cancel(), handle.wait(limit)]);
    const { state: how, result } = await handle.state();
    assert.ok(
      how === "completed" ? result?.ok === true : how === "cancelled" && result?.ok === false,
      how,
    );
  }
});
const short = workflow("cancel.short", function* (): Flow<unknown> {
  return yield* call(echo, 1);
});
