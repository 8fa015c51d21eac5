import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  context,
  counters,
  NonRetryableError,
  registerError,
  signal,
  sleep,
  state,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import { testClock } from "stentjs/testing";
import { Gate, rejection, serving, until } from "../support/serving.ts";

const limit = { timeout: "10s" };

class Flaky extends Error {}
class Declined extends Error {}
registerError(Declined, "retry.Declined");

/** Starts of each key's activity, in ms. */
const starts = new Map<string, number[]>();
function started(key: string): number {
  const times = starts.get(key) ?? [];
  starts.set(key, times);
  times.push(performance.now());
  return times.length;
}

const flaky = activity(
  "retry.flaky",
  { retry: { initialDelay: 60, backoffFactor: 2, jitter: 0 } },
  async (key: string, failures: number) => {
    const n = started(key);
    if (n <= failures) throw new Flaky(`failure ${n}`);
    return context().attempt;
  },
);
const callsFlaky = workflow("retry.callsFlaky", function* (key: string, failures: number) {
  return yield* call(flaky, key, failures);
});

test("an activity has three attempts by default, each later by the factor", async (t) => {
  const clock = testClock();
  const before = clock.now();
  const stent = await serving(t, { stent: { clock } });
  const { id } = await stent.dispatch(callsFlaky, ["formula", 2]);
  await clock.untilEnded(stent, id);
  assert.equal((await stent.resultOf(id)).unwrap(), 3);
  assert.equal(clock.now() - before, 60 + 120);
});

test("after the last attempt the workflow gets the last attempt's error", async (t) => {
  const stent = await serving(t);
  const error = await rejection(stent.run(callsFlaky, ["too often", 9]));
  assert.equal(error.message, "failure 3");
  assert.equal(starts.get("too often")?.length, 3);
});

const slowRetry = activity(
  "retry.slow",
  { retry: { initialDelay: "1h", maxDelay: "1h", maxAttempts: 4 }, queue: "q" },
  async () => {
    throw new Flaky("again");
  },
);
const callsSlow = workflow("retry.callsSlow", function* () {
  return yield* call(slowRetry);
});

test("an attempt that waits is visible", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(callsSlow, []);
  const task = await until("it waits", async () =>
    (await stent.listTasks({ execution: handle.id })).items.find(
      (each) => each.state === "pending" && each.error !== undefined,
    ),
  );
  assert.equal(task.name, "retry.slow");
  assert.equal(task.attempt, 2);
  assert.equal(task.maxAttempts, 4);
  assert.equal(task.queue, "q");
  assert.equal(task.workerId, undefined);
  assert.ok((task.scheduledFor?.getTime() ?? 0) > Date.now() + 3_000_000);
  assert.equal(task.error?.message, "again");
  const [reason] = (await handle.state()).waitingFor;
  assert.equal(reason?.kind, "activity");
  assert.ok((reason?.until?.getTime() ?? 0) > Date.now() + 3_000_000);
});

const byClass = activity(
  "retry.byClass",
  { retry: { initialDelay: 1, retryFor: [Flaky], maxAttempts: 3 } },
  async (key: string) => {
    if (started(key) === 1) throw new Flaky("once");
    throw new Declined("no");
  },
);
const byPredicate = activity(
  "retry.byPredicate",
  {
    retry: {
      initialDelay: 1,
      maxAttempts: 5,
      retryFor: (error, attempt) => error instanceof Flaky && attempt < 3,
    },
  },
  async (key: string) => {
    throw started(key) < 9 ? new Flaky("flaky") : new Error("never");
  },
);
const afterwards = activity(
  "retry.after",
  { retry: { initialDelay: "1h", retryFor: () => ({ after: 80 }) } },
  async (key: string) => {
    if (started(key) === 1) throw new Flaky("later");
  },
);
const never = activity("retry.never", async (key: string) => {
  started(key);
  throw new NonRetryableError("never again");
});
const soon = { maxAttempts: 2, initialDelay: 1 };
const ways = {
  byClass: () => call(byClass, "byClass"),
  byPredicate: () => call(byPredicate, "byPredicate"),
  after: () => call(afterwards, "after"),
  never: () => call(never, "never"),
  withClass: () => call(flaky.with({ retry: { retryFor: [Declined] } }), "withClass", 5),
  withAttempts: () => call(flaky.with({ retry: soon }), "withAttempts", 5),
} as const;
const runs = workflow("retry.runs", function* (which: keyof typeof ways): Flow<unknown> {
  return yield* ways[which]();
});

test("retryFor decides by class on the live error", async (t) => {
  const stent = await serving(t);
  await assert.rejects(stent.run(runs, ["byClass"]), Declined);
  assert.equal(starts.get("byClass")?.length, 2);
});

test("retryFor decides by predicate, which is told the attempt", async (t) => {
  const stent = await serving(t);
  await assert.rejects(stent.run(runs, ["byPredicate"]), /flaky/);
  assert.equal(starts.get("byPredicate")?.length, 3);
});

test("a predicate may say when", async (t) => {
  const clock = testClock();
  const before = clock.now();
  const stent = await serving(t, { stent: { clock } });
  const { id } = await stent.dispatch(runs, ["after"]);
  await clock.untilEnded(stent, id);
  assert.equal((await stent.stateOf(id)).state, "completed");
  assert.equal(clock.now() - before, 80);
});

test("a NonRetryableError is never retried", async (t) => {
  const stent = await serving(t);
  const error = await rejection(stent.run(runs, ["never"]));
  assert.ok(error instanceof NonRetryableError);
  assert.equal(starts.get("never")?.length, 1);
});

test("a place of call changes the policy", async (t) => {
  const stent = await serving(t);
  await assert.rejects(stent.run(runs, ["withClass"]), /failure 1/);
  assert.equal(starts.get("withClass")?.length, 1);
  await assert.rejects(stent.run(runs, ["withAttempts"]), /failure 2/);
  assert.equal(starts.get("withAttempts")?.length, 2);
});

const jobFlaky = activity(
  "retry.job",
  { retry: { initialDelay: 60, jitter: 0, maxAttempts: 2 } },
  async (key: string) => {
    throw new Flaky(`failure ${started(key)}`);
  },
);

test("a job has its attempts, then fails with the last error", async (t) => {
  const clock = testClock();
  const before = clock.now();
  const stent = await serving(t, { stent: { clock } });
  const handle = await stent.dispatch(jobFlaky, ["job"]);
  await clock.untilEnded(stent, handle.id);
  await assert.rejects(handle.result(), /failure 2/);
  assert.equal(clock.now() - before, 60);
  assert.equal((await handle.state()).retries, 1);
});

/** A workflow that counts its own attempts is not deterministic. */
const countingAttempts = { stent: { dev: false } };

const wholeAgain = workflow(
  "retry.wholeAgain",
  { retry: { maxAttempts: 3, initialDelay: 30, jitter: 0 } },
  function* (key: string): Flow<unknown> {
    const before = [yield* counters.get("n"), yield* state.get("s")];
    yield* counters.add("n");
    yield* state.set("s", "set");
    yield* call(flaky, `${key} step`, 0);
    const message = yield* signal("m");
    if (started(key) < 3) throw new Error("the workflow's own");
    return [before, message];
  },
);

test("a workflow with a retry policy runs again from the top, with its own counters and state, and the inbox that is left", async (t) => {
  const stent = await serving(t, countingAttempts);
  const handle = await stent.dispatch(wholeAgain, ["whole"]);
  for (const message of [1, 2, 3, 4]) await handle.signal("m", message);
  assert.deepEqual(await handle.result(limit), [[0, undefined], 3]);
  const ended = await handle.state();
  assert.equal(ended.retries, 2);
  assert.deepEqual(ended.counters, { n: 1 });
  assert.equal(starts.get("whole step")?.length, 3);
});

const once = workflow("retry.once", function* (): Flow<void> {
  started("once");
  yield* sleep(1);
  throw new Error("one attempt");
});

test("a workflow has one attempt by default", async (t) => {
  const stent = await serving(t, countingAttempts);
  await assert.rejects(stent.run(once, []), /one attempt/);
  await settled(stent);
  assert.equal(starts.get("once")?.length, process.env["STENT_REPLAY"] === "1" ? 2 : 1);
});

const retriedWorkflow = workflow(
  "retry.waitsForRetry",
  { retry: { maxAttempts: 2, initialDelay: 250, jitter: 0 } },
  function* (key: string): Flow<unknown> {
    if (started(key) === 1) throw new Error("first");
    return yield* signal("x");
  },
);

test("a signal does not start a workflow's retry early, and retries are visible", async (t) => {
  const stent = await serving(t, countingAttempts);
  const handle = await stent.dispatch(retriedWorkflow, ["early"]);
  await until("it waits for its retry", async () =>
    (await handle.state()).waitingFor.some((reason) => reason.until !== undefined),
  );
  await handle.signal("x", 5);
  assert.equal(await handle.result(limit), 5);
  const [first = 0, second = 0] = starts.get("early") ?? [];
  assert.ok(second - first >= 249, `gap ${second - first}`);
});

test("a workflow that waits for its retry can be cancelled at once", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(callsFailing, []);
  await until("it waits for its retry", async () =>
    (await handle.state()).waitingFor.some((reason) => reason.until !== undefined),
  );
  await handle.cancel();
  await assert.rejects(handle.result({ timeout: "1s" }), { name: "CancelledError" });
});
const callsFailing = workflow(
  "retry.callsFailing",
  { retry: { maxAttempts: 2, initialDelay: "1h" } },
  function* (): Flow<void> {
    yield* sleep(1);
    throw new Error("first");
  },
);

const held = new Gate();
const finishesLate = activity(
  "retry.finishesLate",
  { retry: { maxAttempts: 2, initialDelay: 1 }, timeout: 40 },
  async () => {
    if (started("late") === 1) {
      await held.passed;
      return "too late";
    }
    return "in time";
  },
);
const callsLate = workflow("retry.callsLate", function* () {
  return yield* call(finishesLate);
});

test("an attempt that was given up and answers late is refused", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(callsLate, []);
  assert.equal(await handle.result(limit), "in time");
  held.open();
  await settled(stent);
  assert.equal(await handle.result(limit), "in time");
});

/** Everything that was under way has had its time: another execution goes through. */
async function settled(stent: Stent): Promise<void> {
  await stent.run(callsFlaky, [`settled ${Math.random()}`, 0]);
}
