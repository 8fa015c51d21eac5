import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  CancelledError,
  ExecutionExistsError,
  ExecutionNotFoundError,
  ExecutionRunningError,
  ExpiryError,
  signal,
  sleep,
  state,
  counters,
  progress,
  UnregisteredFunctionError,
  workflow,
  FunctionRegistry,
  context,
  type Flow,
} from "stentjs";
import { testClock } from "stentjs/testing";
import { Gate, rejection, serving, stentOn, databaseFile, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

const add = activity("executions.add", async (a: number, b: number) => a + b);
const sum = workflow("executions.sum", function* (a: number, b: number) {
  const c = yield* call(add, a, b);
  return { c };
});
const waits = workflow("executions.waits", function* (): Flow<unknown> {
  return yield* signal("go");
});
const failing = workflow("executions.failing", function* (): Flow<void> {
  yield* sleep(1);
  throw new TypeError("no");
});
const long = workflow("executions.long", { maxDuration: 150 }, function* () {
  yield* sleep("1h");
});

// ── states ──

test("an execution goes from pending to running to completed", async (t) => {
  const stent = await serving(t, { serve: false });
  const handle = await stent.dispatch(waits, []);
  assert.equal((await handle.state()).state, "pending");
  assert.equal((await handle.state()).startedAt, undefined);
  void stent.serve({ maxCachedWorkflows: 0 });
  await until("it runs", async () => (await handle.state()).state === "running");
  await handle.signal("go", 7);
  assert.equal(await handle.result(limit), 7);
  const ended = await handle.state();
  assert.equal(ended.state, "completed");
  assert.ok(ended.startedAt !== undefined && ended.completedAt !== undefined);
  assert.ok(ended.createdAt <= ended.startedAt && ended.startedAt <= ended.completedAt);
  assert.deepEqual(ended.waitingFor, []);
});

test("what has ended stays as it ended: a cancel after completion changes nothing", async (t) => {
  const clock = testClock();
  const stent = await serving(t, { stent: { clock } });
  const handle = await stent.dispatch(sum, [1, 2], { maxDuration: "1h" });
  await clock.untilEnded(stent, handle.id);
  await handle.cancel("late");
  const later = await stent.dispatch(sum, [3, 4], { delay: "2h" });
  await clock.untilEnded(stent, later.id); // past the maxDuration of the first
  assert.equal((await handle.state()).state, "completed");
  assert.deepEqual((await stent.resultOf(handle.id)).unwrap(), { c: 3 });
});

test("an error of the workflow's own code makes it failed, and is thrown by result", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(failing, []);
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof TypeError);
  assert.equal(error.message, "no");
  assert.equal((await handle.state()).state, "failed");
  const result = await handle.wait();
  assert.equal(result.ok, false);
});

test("Stent.run gives the value, and throws the execution's own error", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(sum, [2, 3]), { c: 5 });
  await assert.rejects(stent.run(failing, []), TypeError);
  assert.equal(await stent.run(add, [2, 3]), 5);
});

// ── jobs ──

test("an activity that is dispatched alone is an execution with one task", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(add, [4, 5]);
  assert.equal(await handle.result(limit), 9);
  const ended = await handle.state();
  assert.equal(ended.state, "completed");
  assert.equal(ended.workflow, "executions.add");
  assert.equal(ended.progress.length, 1);
  assert.equal(ended.progress[0]?.status, "completed");
  assert.ok(
    ended.progress[0]?.startedAt !== undefined && ended.progress[0].completedAt !== undefined,
  );
});

const jobTwice = activity(
  "executions.jobTwice",
  { retry: { initialDelay: 20, jitter: 0 } },
  async () => {
    if (context().attempt < 3) throw new Error("not yet");
    context().counters.add("done");
    context().state.set("how", "well");
    return context().attempt;
  },
);

test("a job is retried by its policy, and what its attempts leave counts once", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(jobTwice, []);
  assert.equal(await handle.result(limit), 3);
  const ended = await handle.state();
  assert.equal(ended.retries, 2);
  assert.deepEqual(ended.counters, { done: 1 });
  assert.deepEqual(ended.customState, { how: "well" });
});

const jobHangs = activity(
  "executions.jobHangs",
  async () =>
    new Promise((_, reject) => {
      context().signal.addEventListener("abort", () => reject(context().signal.reason as Error));
    }),
);

test("a job times out with its maxDuration", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(jobHangs, [], { maxDuration: 100 });
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  assert.equal(error.code, "EXECUTION_TIMED_OUT");
  assert.equal((await handle.state()).state, "timed_out");
});

test("a running job is cancelled, and a pending one at once", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(jobHangs, []);
  await until("it runs", async () => (await handle.state()).state === "running");
  await handle.cancel("enough");
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof CancelledError);
  assert.equal(error.message, "enough");
  const delayed = await stent.dispatch(jobHangs, [], { delay: "1h" });
  await delayed.cancel();
  assert.equal((await delayed.state()).state, "cancelled");
});

// ── delay ──

test("a delayed execution starts no earlier, and a signal does not start it early", async (t) => {
  const stent = await serving(t);
  const before = Date.now();
  const handle = await stent.dispatch(waits, [], { delay: "250ms" });
  await handle.signal("go", "early");
  assert.equal(await handle.result(limit), "early");
  const { startedAt } = await handle.state();
  assert.ok(
    startedAt !== undefined && startedAt.getTime() >= before + 250,
    `started after ${String(startedAt?.getTime())} - ${before}`,
  );
  assert.ok(Date.now() - before < 2_000);
});

test("schedule is dispatch with a delay", async (t) => {
  const stent = await serving(t);
  const before = Date.now();
  const handle = await stent.schedule(120, sum, [1, 1]);
  assert.deepEqual(await handle.result(limit), { c: 2 });
  assert.ok(Date.now() - before >= 120);
});

test("a delayed execution can be cancelled before it starts, and runs none of its code", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(waits, [], { delay: "1h" });
  await handle.cancel("not wanted");
  const ended = await handle.state();
  assert.equal(ended.state, "cancelled");
  assert.equal(ended.startedAt, undefined);
  const error = await rejection(handle.result());
  assert.ok(error instanceof CancelledError);
  assert.equal(error.reason, "not wanted");
});

// ── maxDuration ──

test("maxDuration ends what sleeps in timed_out with an ExpiryError", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(long, []);
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  assert.equal(error.code, "EXECUTION_TIMED_OUT");
  assert.equal((await handle.state()).state, "timed_out");
});

test("maxDuration of dispatch wins over the definition's; expiry is its other name", async (t) => {
  const clock = testClock();
  const stent = await serving(t, { stent: { clock } });
  const handle = await stent.dispatch(long, [], { expiry: 20 });
  clock.advance(20);
  await handle.wait();
  assert.equal((await handle.state()).state, "timed_out");
  await assert.rejects(stent.dispatch(long, [], { expiry: 20, maxDuration: 20 }), TypeError);
  await assert.rejects(stent.dispatch(long, [], { maxDuration: 0 }));
});

test("maxDuration fires while no worker has begun it", async (t) => {
  const stent = await serving(t, { serve: { queues: ["other"] } });
  const handle = await stent.dispatch(waits, [], { maxDuration: 100 });
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  const ended = await handle.state();
  assert.equal(ended.state, "timed_out");
  assert.equal(ended.startedAt, undefined);
});

const blocksWorker = activity(
  "executions.blocksWorker",
  async (gate: string) => gates.get(gate)?.passed,
);
const gates = new Map<string, Gate<unknown>>();

test("maxDuration fires while the worker is busy with something else", async (t) => {
  const gate = new Gate<unknown>();
  gates.set("busy", gate);
  const stent = await serving(t, { serve: { maxConcurrency: 1 } });
  const busy = await stent.dispatch(blocksWorker, ["busy"]);
  await until("it runs", async () => (await busy.state()).state === "running");
  const sleeping = await stent.dispatch(long, []);
  const error = await rejection(sleeping.result(limit));
  assert.ok(error instanceof ExpiryError);
  gate.open(1);
  assert.equal(await busy.result(limit), 1);
});

const returnsAnyway = workflow(
  "executions.returnsAnyway",
  { maxDuration: 100 },
  function* (): Flow<string> {
    try {
      yield* sleep("1h");
      return "slept";
    } finally {
      yield* sleep(10);
      yield* state.set("closed", true);
      // oxlint-disable-next-line no-unsafe-finally
      return "whatever";
    }
  },
);

test("maxDuration ends in timed_out whatever a finally block returns, which runs all the same", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(returnsAnyway, []);
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  const ended = await handle.state();
  assert.equal(ended.state, "timed_out");
  assert.deepEqual(ended.customState, { closed: true });
});

const parentOfLong = workflow("executions.parentOfLong", { maxDuration: 150 }, function* () {
  yield* call(longChild);
});
const longChild = workflow("executions.longChild", function* () {
  yield* call(jobHangs);
});

test("maxDuration reaches children and the activities that they run", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(parentOfLong, []);
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  assert.equal((await handle.state()).state, "timed_out");
  const child = await stent.stateOf(`${handle.id}/1`).catch(() => undefined);
  if (child !== undefined) assert.equal(child.state, "cancelled");
});

const userTimeout = workflow("executions.userTimeout", function* (): Flow<void> {
  yield* sleep(1);
  throw new ExpiryError("WAIT_EXPIRED", "mine");
});
const userTimesOut = workflow("executions.userTimesOut", function* (): Flow<void> {
  yield* signal("never", { timeout: 30 });
});

test("a user's own timeout errors stay user errors", async (t) => {
  const stent = await serving(t);
  const first = await stent.dispatch(userTimeout, []);
  assert.equal((await rejection(first.result(limit)))["code"], "WAIT_EXPIRED");
  assert.equal((await first.state()).state, "failed");
  const second = await stent.dispatch(userTimesOut, []);
  const error = await rejection(second.result(limit));
  assert.ok(error instanceof ExpiryError);
  assert.equal(error.code, "WAIT_EXPIRED");
  assert.equal((await second.state()).state, "failed");
});

// ── priority ──

const order: number[] = [];
const noteOrder = activity("executions.noteOrder", { priority: 5 }, async (n: number) => {
  order.push(n);
});

test("higher priorities are taken first; the dispatch option wins over the definition's", async (t) => {
  const stent = await serving(t, { serve: false });
  await stent.dispatch(noteOrder, [1]); // by its definition: 5
  await stent.dispatch(noteOrder, [2], { priority: 9 });
  await stent.dispatch(noteOrder, [3], { priority: 0 });
  await stent.dispatch(noteOrder, [4], { priority: 7 });
  const last = await stent.dispatch(noteOrder, [5], { priority: -3 });
  assert.equal((await last.state()).priority, -3);
  void stent.serve({ maxConcurrency: 1 });
  await last.result(limit);
  assert.deepEqual(order, [2, 4, 1, 3, 5]);
});

// ── ids ──

test("a second dispatch under one id is refused, joined or restarted", async (t) => {
  const stent = await serving(t);
  const first = await stent.dispatch(waits, [], { id: "one" });
  assert.equal(first.id, "one");
  assert.equal(String(first).includes("one"), true);
  await assert.rejects(stent.dispatch(waits, [], { id: "one" }), ExecutionExistsError);
  const joined = await stent.dispatch(waits, [], { id: "one", ifExists: "join" });
  const again = await stent.dispatch(waits, [], { id: "one", ifExists: "restart-if-failed" });
  await first.signal("go", 3);
  assert.equal(await joined.result(limit), 3);
  assert.equal(await again.result(limit), 3);
  for (const ifExists of ["reject", "join", "restart-if-failed"] as const) {
    await assert.rejects(
      stent.dispatch(sum, [1, 2], { id: "one", ifExists }),
      ExecutionExistsError,
    );
  }
});

const failsFor = workflow("executions.failsFor", function* (n: number): Flow<number> {
  yield* counters.add("runs");
  yield* sleep(1);
  if (n < 0) throw new Error("negative");
  return n;
});

test("restart-if-failed begins a new run with the new arguments, of what failed or was cancelled, not of what completed", async (t) => {
  const stent = await serving(t);
  const options = { id: "again", ifExists: "restart-if-failed" } as const;
  const first = await stent.dispatch(failsFor, [-1], options);
  await assert.rejects(first.result(limit), /negative/);
  const second = await stent.dispatch(failsFor, [8], { ...options, tags: ["second"] });
  assert.equal(await second.result(limit), 8);
  const ended = await second.state();
  assert.deepEqual(ended.counters, { runs: 1 });
  assert.deepEqual(ended.tags, ["second"]);
  const third = await stent.dispatch(failsFor, [9], options);
  assert.equal(await third.result(limit), 8);
});

test("dispatchMany starts all or none, and takes no id", async (t) => {
  const stent = await serving(t);
  const handles = await stent.dispatchMany(sum, [
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  assert.deepEqual(await Promise.all(handles.map((handle) => handle.result(limit))), [
    { c: 3 },
    { c: 7 },
    { c: 11 },
  ]);
  await assert.rejects(stent.dispatchMany(sum, [[1, 2]], { id: "x" }), TypeError);
  assert.deepEqual(await stent.dispatchMany(sum, []), []);
  await assert.rejects(stent.dispatchMany(sum, [[1, 2], [() => 1, 3] as never]));
});

test("unknown ids are ExecutionNotFoundErrors everywhere", async (t) => {
  const stent = await serving(t);
  const id = "nobody";
  for (const ask of [
    () => stent.stateOf(id),
    () => stent.resultOf(id),
    () => stent.waitFor(id),
    () => stent.cancel(id),
    () => stent.cancel(id, { force: true }),
    () => stent.retry(id),
    () => stent.sendSignal(id, "x", 1),
    () => stent.execution(id).result(),
    () => stent.execution(id).wait(),
    () => stent.execution(id).state(),
  ]) {
    const error = await rejection(ask());
    assert.ok(error instanceof ExecutionNotFoundError, ask.toString());
    assert.match(error.message, /nobody/);
  }
});

test("resultOf what has not ended is an ExecutionRunningError", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(waits, []);
  await assert.rejects(stent.resultOf(handle.id), ExecutionRunningError);
});

test("waiting ends with its timeout or its signal, the execution goes on", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(waits, []);
  const error = await rejection(stent.waitFor(handle.id, { timeout: 30 }));
  assert.ok(error instanceof ExpiryError);
  assert.equal(error.code, "WAIT_EXPIRED");
  await assert.rejects(stent.waitFor(handle.id, { expiry: 30 }), ExpiryError);
  await assert.rejects(handle.result({ timeout: 30 }), ExpiryError);
  const controller = new AbortController();
  const waiting = handle.wait({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(waiting, /enough/);
  await handle.signal("go", 1);
  assert.equal(await handle.result(limit), 1);
});

test("an unregistered function is refused at dispatch, with its name and those that are registered", async (t) => {
  const registry = new FunctionRegistry();
  registry.register(add);
  const stent = await serving(t, { stent: { registry } });
  const error = await rejection(stent.dispatch(sum, [1, 2]));
  assert.ok(error instanceof UnregisteredFunctionError);
  assert.equal(error.functionName, "executions.sum");
  assert.match(error.message, /executions\.add/);
});

// ── stateOf ──

const rich = workflow(
  "executions.rich",
  { tags: ["a"], queue: undefined as never, version: "7" },
  function* () {
    yield* counters.add("n", 2);
    yield* counters.add("n", 3);
    yield* state.set("phase", { deep: [1, new Date(5)] });
    yield* progress("half way");
    yield* call(add, 1, 2);
    yield* signal("end", { timeout: "1h" });
  },
);

test("stateOf tells everything about an execution that waits", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(rich, [], { priority: 4 });
  await until("it waits", async () =>
    (await handle.state()).waitingFor.some((reason) => reason.kind === "signal"),
  );
  const now = await handle.state();
  assert.equal(now.id, handle.id);
  assert.equal(now.workflow, "executions.rich");
  assert.equal(now.version, "7");
  assert.equal(now.state, "running");
  assert.equal(now.result, undefined);
  assert.equal(now.retries, 0);
  assert.deepEqual(now.tags, ["a"]);
  assert.equal(now.priority, 4);
  assert.equal(now.queue, undefined);
  assert.equal(now.parentId, undefined);
  assert.deepEqual(now.counters, { n: 5 });
  assert.deepEqual(now.customState, { phase: { deep: [1, new Date(5)] } });
  assert.deepEqual(
    now.progress.map((entry) => [entry.step, entry.status]),
    [
      ["progress", "completed"],
      ["executions.add", "completed"],
      ["end", "running"],
    ],
  );
  assert.equal(now.progressTotal, 3);
  assert.match(now.progressText, /half way > executions\.add\(\d+\.\ds\) > end/);
  const [waiting] = now.waitingFor;
  assert.equal(waiting?.name, "end");
  assert.ok(waiting?.until instanceof Date);
  await handle.signal("end", null);
  await handle.result(limit);
});

test("progress is capped to the newest 200 and counts them all", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(manySteps, [250]);
  await handle.result(limit);
  const ended = await handle.state();
  assert.equal(ended.progress.length, 200);
  assert.equal(ended.progressTotal, 250);
});
const manySteps = workflow("executions.manySteps", function* (n: number) {
  for (let i = 0; i < n; i += 1) yield* call(add, i, 1);
});

test("an execution survives its client and goes on in the next one on the same file", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file);
  const handle = await first.dispatch(waits, []);
  await until("it runs", async () => (await handle.state()).state === "running");
  await first.close();
  const second = await stentOn(t, `sqlite:${file}`);
  await second.sendSignal(handle.id, "go", 5);
  assert.equal((await second.waitFor(handle.id, limit)).unwrap(), 5);
});

test("a wait for what another process has ended meanwhile asks at once, and waits for no poll", async (t) => {
  const file = databaseFile(t);
  const client = await stentOn(t, file, {
    stent: { pollMinInterval: "30s", pollMaxInterval: "30s" },
    serve: false,
  });
  const handle = await client.dispatch(doubled, [21]);
  const worker = await stentOn(t, file);
  assert.equal((await worker.waitFor(handle.id, limit)).unwrap(), 42);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(await handle.result({ timeout: "5s" }), 42);
});
const doubled = activity("executions.doubled", async (n: number) => 2 * n);
