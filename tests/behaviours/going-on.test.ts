import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  context,
  CleanedUpError,
  counters,
  ExecutionFinishedError,
  ExecutionRunningError,
  ExpiryError,
  map,
  PoisonError,
  signal,
  sleep,
  state,
  workflow,
  type ExecutionHandle,
  type Flow,
} from "stentjs";
import { databaseFile, Gate, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

const starts = new Map<string, number>();
function start(key: string): number {
  const n = (starts.get(key) ?? 0) + 1;
  starts.set(key, n);
  return n;
}
/** What fails until it is mended. */
const broken = new Set<string>();
const step = activity("goingOn.step", { retry: { maxAttempts: 1 } }, async (key: string) => {
  start(key);
  if (broken.has(key)) throw new Error(`${key} is broken`);
  return key;
});

async function fails(handle: ExecutionHandle<unknown>): Promise<Error> {
  const error = await rejection(handle.result(limit));
  assert.equal((await handle.state()).state, "failed");
  return error;
}

// ── retry from the failure ──

const three = workflow("goingOn.three", function* (key: string): Flow<unknown> {
  yield* counters.add("before");
  const a = yield* call(step, `${key} a`);
  yield* counters.add("between");
  const b = yield* call(step, `${key} b`);
  yield* state.set("after", b);
  yield* counters.add("after");
  return [a, b];
});

test("retry goes on from the effect that stopped the execution, and does nothing twice", async (t) => {
  const stent = await serving(t);
  broken.add("on b");
  const handle = await stent.dispatch(three, ["on"]);
  assert.equal((await fails(handle)).message, "on b is broken");
  await stent.retry(handle.id);
  assert.equal((await fails(handle)).message, "on b is broken");
  broken.delete("on b");
  await stent.retry(handle.id);
  assert.deepEqual(await handle.result(limit), ["on a", "on b"]);
  assert.equal(starts.get("on a"), 1);
  assert.equal(starts.get("on b"), 3);
  const ended = await handle.state();
  assert.equal(ended.state, "completed");
  assert.deepEqual(ended.counters, { before: 1, between: 1, after: 1 });
});

let mended = false;
const ownCode = workflow("goingOn.ownCode", function* (key: string): Flow<unknown> {
  const a = yield* call(step, `${key} a`);
  if (!mended) throw new Error("a bug");
  const b = yield* call(step, `${key} b`);
  return [a, b];
});

test("if its own code threw, the journal stays and today's code runs on it", async (t) => {
  const stent = await serving(t);
  mended = false;
  const handle = await stent.dispatch(ownCode, ["own"]);
  assert.equal((await fails(handle)).message, "a bug");
  mended = true;
  await stent.retry(handle.id);
  assert.deepEqual(await handle.result(limit), ["own a", "own b"]);
  assert.equal(starts.get("own a"), 1);
});

const cleansUp = workflow("goingOn.cleansUp", function* (key: string): Flow<unknown> {
  try {
    return yield* call(step, `${key} work`);
  } catch (error) {
    yield* call(step, `${key} alert`);
    throw error;
  }
});

test("where something was done after the failure retry is a CleanedUpError that names it; start and force go on", async (t) => {
  const stent = await serving(t);
  broken.add("clean work");
  const handle = await stent.dispatch(cleansUp, ["clean"]);
  await fails(handle);
  const error = await rejection(stent.retry(handle.id));
  assert.ok(error instanceof CleanedUpError);
  assert.ok(error.steps.some((each) => each.includes("goingOn.step")));
  assert.equal((await handle.state()).state, "failed");
  broken.delete("clean work");
  await stent.retry(handle.id, { force: true });
  assert.equal(await handle.result(limit), "clean work");
  assert.equal(starts.get("clean alert"), 1);
});

test("from the start is a new run with nothing left of the old one", async (t) => {
  const stent = await serving(t);
  broken.add("again b");
  const handle = await stent.dispatch(three, ["again"]);
  await fails(handle);
  broken.delete("again b");
  await stent.retry(handle.id, { from: "start" });
  assert.deepEqual(await handle.result(limit), ["again a", "again b"]);
  assert.equal(starts.get("again a"), 2);
  assert.deepEqual((await handle.state()).counters, { before: 1, between: 1, after: 1 });
});

const parent = workflow("goingOn.parent", function* (key: string): Flow<unknown> {
  const before = yield* call(step, `${key} before`);
  const child = yield* call(three, key);
  return [before, child];
});
const catching = workflow("goingOn.catching", function* (key: string): Flow<unknown> {
  try {
    return yield* call(three, key);
  } catch {
    return "caught";
  }
});

test("retry of a parent goes down to the child's task, retry of the child up to the parent", async (t) => {
  const stent = await serving(t);
  for (const who of ["parent", "child"]) {
    const key = `family ${who}`;
    broken.add(`${key} b`);
    const handle = await stent.dispatch(parent, [key]);
    await fails(handle);
    const [child] = (await stent.listExecutions({ parent: handle.id })).items;
    assert.equal(child?.state, "failed");
    broken.delete(`${key} b`);
    await stent.retry(who === "parent" ? handle.id : (child?.id ?? ""));
    assert.deepEqual(await handle.result(limit), [`${key} before`, [`${key} a`, `${key} b`]]);
    assert.equal(starts.get(`${key} before`), 1);
    assert.equal(starts.get(`${key} a`), 1);
    assert.equal((await stent.stateOf(child?.id ?? "")).state, "completed");
    assert.equal((await stent.listExecutions({ parent: handle.id })).items.length, 1);
  }
});

test("a parent that caught the failure is left alone", async (t) => {
  const stent = await serving(t);
  broken.add("caught b");
  const handle = await stent.dispatch(catching, ["caught"]);
  assert.equal(await handle.result(limit), "caught");
  const [child] = (await stent.listExecutions({ parent: handle.id })).items;
  broken.delete("caught b");
  await stent.retry(child?.id ?? "");
  assert.deepEqual((await stent.waitFor(child?.id ?? "", limit)).unwrap(), [
    "caught a",
    "caught b",
  ]);
  assert.equal(await handle.result(limit), "caught");
});

test("a job that failed goes on with new attempts", async (t) => {
  const stent = await serving(t);
  broken.add("job");
  const handle = await stent.dispatch(step, ["job"]);
  await fails(handle);
  await stent.retry(handle.id);
  await fails(handle);
  broken.delete("job");
  await stent.retry(handle.id);
  assert.equal(await handle.result(limit), "job");
  assert.equal(starts.get("job"), 3);
});

const maps = workflow("goingOn.maps", function* (key: string): Flow<unknown> {
  return yield* map(
    step,
    [0, 1, 2, 3].map((n) => `${key} ${n}`),
    { concurrency: 1 },
  );
});

test("a map goes on with the items that have no result", async (t) => {
  const stent = await serving(t);
  broken.add("map 2");
  const handle = await stent.dispatch(maps, ["map"]);
  await fails(handle);
  broken.delete("map 2");
  await stent.retry(handle.id);
  assert.deepEqual(await handle.result(limit), ["map 0", "map 1", "map 2", "map 3"]);
  assert.deepEqual(
    [0, 1, 2, 3].map((n) => starts.get(`map ${n}`)),
    [1, 1, 2, 1],
  );
});

const siblings = workflow("goingOn.siblings", function* (key: string): Flow<unknown> {
  return yield* all([call(step, `${key} a`), later(key), call(step, `${key} c`)]);
});
function* later(key: string): Flow<unknown> {
  yield* sleep(10);
  yield* call(step, `${key} b`);
  return yield* signal("go");
}

test("siblings that the failure closed are asked for anew", async (t) => {
  const stent = await serving(t);
  broken.add("siblings b");
  const handle = await stent.dispatch(siblings, ["siblings"]);
  await fails(handle);
  broken.delete("siblings b");
  await stent.retry(handle.id);
  await handle.signal("go", 1);
  assert.deepEqual(await handle.result(limit), ["siblings a", 1, "siblings c"]);
  assert.equal(starts.get("siblings a"), 1);
});

const timesOut = workflow("goingOn.timesOut", { maxDuration: 150 }, function* (): Flow<unknown> {
  yield* counters.add("n");
  return yield* signal("go");
});

test("a timed-out execution goes on with a new deadline", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(timesOut, []);
  assert.ok((await rejection(handle.result(limit))) instanceof ExpiryError);
  await stent.retry(handle.id);
  await handle.signal("go", "in time");
  assert.equal(await handle.result(limit), "in time");
  assert.equal((await handle.state()).state, "completed");
  assert.deepEqual((await handle.state()).counters, { n: 1 });
  const second = await stent.dispatch(timesOut, []);
  await second.wait(limit);
  await stent.retry(second.id);
  assert.ok((await rejection(second.result(limit))) instanceof ExpiryError);
  assert.equal((await second.state()).state, "timed_out");
});

test("what has not ended, completed or was cancelled cannot go on from a failure; a cancelled one may start again", async (t) => {
  const stent = await serving(t);
  const waiting = await stent.dispatch(waits, []);
  await assert.rejects(stent.retry(waiting.id), ExecutionRunningError);
  await assert.rejects(stent.retry(waiting.id, { from: "start" }), ExecutionRunningError);
  await waiting.cancel();
  await waiting.wait(limit);
  await assert.rejects(stent.retry(waiting.id), ExecutionFinishedError);
  await stent.retry(waiting.id, { from: "start" });
  await until("it waits again", async () =>
    (await waiting.state()).waitingFor.some(({ kind }) => kind === "signal"),
  );
  await waiting.signal("go", 2);
  assert.equal(await waiting.result(limit), 2);
  await assert.rejects(stent.retry(waiting.id), ExecutionFinishedError);
  await assert.rejects(stent.retry(waiting.id, { from: "start" }), ExecutionFinishedError);
  await assert.rejects(stent.retry(waiting.id, { from: "end" } as never), TypeError);
});
const waits = workflow("goingOn.waits", function* (): Flow<unknown> {
  return yield* signal("go");
});

test("messages consumed after the failure return to the inbox", async (t) => {
  const stent = await serving(t);
  broken.add("inbox");
  const handle = await stent.dispatch(consumes, []);
  await handle.signal("m", 1);
  await handle.signal("m", 2);
  await fails(handle);
  broken.delete("inbox");
  await stent.retry(handle.id, { force: true });
  assert.deepEqual(await handle.result(limit), [1, "inbox", 2]);
});
const consumes = workflow("goingOn.consumes", function* (): Flow<unknown> {
  const first = yield* signal("m");
  let done: unknown;
  try {
    done = yield* call(step, "inbox");
  } catch (error) {
    yield* signal("m");
    throw error;
  }
  return [first, done, yield* signal("m")];
});

// ── dead letters ──

const wraps = workflow(
  "goingOn.wraps",
  function* (key: string, how: "pass" | "wrap" | "replace" | "catch"): Flow<unknown> {
    try {
      return yield* call(step, key);
    } catch (error) {
      if (how === "catch") return "caught";
      if (how === "wrap") throw new Error("wrapped", { cause: error });
      // oxlint-disable-next-line eslint/preserve-caught-error -- what is tried here
      if (how === "replace") throw new Error("something of my own");
      throw error;
    }
  },
);

test("a task whose failure ended its execution is one dead letter, with reason, error and attempts", async (t) => {
  const stent = await serving(t);
  broken.add("letter b");
  const handle = await stent.dispatch(parent, ["letter"], { queue: "q", tags: ["x"] });
  await fails(handle);
  const { items } = await stent.listDeadLetters();
  assert.equal(items.length, 1);
  const [letter] = items;
  const [child] = (await stent.listExecutions({ parent: handle.id })).items;
  assert.equal(letter?.executionId, child?.id);
  assert.equal(letter?.task.name, "goingOn.step");
  assert.equal(letter?.task.attempt, 1);
  assert.equal(letter?.task.queue, "q");
  assert.match(letter?.reason ?? "", /letter b is broken/);
  assert.equal(letter?.task.error?.message, "letter b is broken");
  const id = letter?.task.id ?? "";
  assert.equal((await stent.getDeadLetter(id))?.executionId, child?.id);
  assert.equal(await stent.discardDeadLetter(id), true);
  assert.equal(await stent.discardDeadLetter(id), false);
  assert.equal(await stent.getDeadLetter(id), undefined);
});

const elsewhere = workflow("goingOn.elsewhere", function* (key: string): Flow<unknown> {
  const retry = { maxAttempts: 2, initialDelay: 1 };
  return yield* call(step.with({ queue: "payments", priority: 4, tags: ["t"], retry }), key);
});

test("a dead letter tells the queue, priority, tags and attempts of its task, and not those of the workflow", async (t) => {
  const stent = await serving(t);
  broken.add("elsewhere");
  await fails(await stent.dispatch(elsewhere, ["elsewhere"], { queue: "orders" }));
  const [letter] = (await stent.listDeadLetters()).items;
  assert.equal(letter?.task.queue, "payments");
  assert.equal(letter?.task.priority, 4);
  assert.deepEqual(letter?.task.tags, ["t"]);
  assert.deepEqual([letter?.task.attempt, letter?.task.maxAttempts], [2, 2]);
});

test("what the workflow catches, and errors of its own code, are no dead letters", async (t) => {
  const stent = await serving(t);
  broken.add("none");
  assert.equal(await stent.run(wraps, ["none", "catch"]), "caught");
  await fails(await stent.dispatch(wraps, ["none", "replace"]));
  assert.equal((await stent.listDeadLetters()).items.length, 0);
  await fails(await stent.dispatch(wraps, ["none", "wrap"]));
  await fails(await stent.dispatch(wraps, ["none", "pass"]));
  assert.equal((await stent.listDeadLetters()).items.length, 2);
});

test("a job that failed is a dead letter; so is a map by its item", async (t) => {
  const stent = await serving(t);
  broken.add("lone");
  const handle = await stent.dispatch(step, ["lone"]);
  await fails(handle);
  broken.add("of map 1");
  await fails(await stent.dispatch(maps, ["of map"]));
  const { items } = await stent.listDeadLetters();
  assert.equal(items.length, 2);
  assert.deepEqual(
    items.map((each) => each.task.name),
    ["goingOn.step", "goingOn.step"],
  );
  assert.equal(items[1]?.executionId, handle.id);
});

// ── poison ──

test("a task that was running in maxClaims sessions when they died fails its call with PoisonError and is a dead letter", async (t) => {
  for (const queue of [undefined, "far"]) {
    const file = databaseFile(t);
    const key = `poison ${queue ?? "here"}`;
    const first = await stentOn(t, file, {
      cutOff: true,
      serve: {
        leaseDuration: 150,
        heartbeatInterval: null,
        pollInterval: "1h",
        pollIntervalMax: "1h",
      },
    });
    const handle = await first.dispatch(kills, [key, queue]);
    await until("it starts", () => starts.has(key));
    const second = await stentOn(t, file, { serve: { maxClaims: 1, leaseDuration: 150 } });
    const result = await second.waitFor(handle.id, limit);
    assert.ok(
      !result.ok && result.error instanceof PoisonError,
      String(result.ok ? result.value : result.error.stack),
    );
    assert.equal(starts.get(key), 1);
    const { items } = await second.listDeadLetters();
    assert.equal(items.length, 1);
    assert.equal(items[0]?.task.name, "goingOn.held");
  }
  gate.open();
});
const gate = new Gate();
const held = activity("goingOn.held", async (key: string) => {
  start(key);
  await gate.passed;
});
const kills = workflow(
  "goingOn.kills",
  function* (key: string, queue: string | undefined): Flow<unknown> {
    return yield* call(queue === undefined ? held : held.with({ queue }), key);
  },
);

const keys: string[] = [];
const keyed = activity("goingOn.keyed", { retry: { maxAttempts: 1 } }, async (key: string) => {
  keys.push(context().idempotencyKey);
  if (broken.has(key)) throw new Error(`${key} is broken`);
});
const charges = workflow("goingOn.charges", function* (key: string, queue: string): Flow<void> {
  yield* call(step, `${key} before`);
  yield* call(keyed.with({ queue }), key);
});

for (const [where, queue] of [
  ["with its workflow", "home"],
  ["from the queue", "elsewhere"],
] as const) {
  test(`what is asked anew and runs ${where} keeps its key: the service that is called knows it`, async (t) => {
    const stent = await serving(t, { serve: { queues: ["home"] } });
    void stent.serve({ queues: ["elsewhere"] });
    keys.splice(0);
    broken.add("keyed");
    const options = { id: "keyed", queue: "home" };
    const handle = await stent.dispatch(charges, ["keyed", queue], options);
    await fails(handle);
    await stent.retry(handle.id);
    await fails(handle);
    const [letter] = (await stent.listDeadLetters()).items;
    assert.equal(letter?.task.id, "keyed/1/2");
    broken.delete("keyed");
    await stent.retry(handle.id);
    await handle.result(limit);
    assert.deepEqual(keys, ["keyed/1/2", "keyed/1/2", "keyed/1/2"]);
  });
}

test("a job that goes on keeps its key; one that starts again has another", async (t) => {
  const stent = await serving(t);
  keys.splice(0);
  broken.add("job");
  const job = await stent.dispatch(keyed, ["job"], { id: "job" });
  await fails(job);
  await stent.retry("job");
  await fails(job);
  assert.equal((await stent.listDeadLetters()).items[0]?.task.id, "job/1/1");
  broken.delete("job");
  await stent.retry("job", { from: "start" });
  await job.result(limit);
  assert.deepEqual(keys, ["job/1/1", "job/1/1", "job/2/1"]);
});
