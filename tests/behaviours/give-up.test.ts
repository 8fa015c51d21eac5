import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, dispatch, ExpiryError, map, workflow, type Flow, type Stent } from "stentjs";
import { databaseFile, rejection, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "10s" };
const started: string[] = [];
const totalMs = 150;
const unserved = activity(
  "giveUp.unserved",
  { queue: "nobody", totalTimeout: totalMs },
  async (what: string) => {
    started.push(what);
    return what;
  },
);

test("a job whose queue nobody serves fails by its totalTimeout, and is a dead letter", async (t) => {
  const dead: unknown[] = [];
  const stent = await others(t, { deadLettered: (event: unknown) => void dead.push(event) });
  const job = await stent.dispatch(unserved, ["job"]);
  isOutOfTime(await rejection(job.result(limit)), "giveUp.unserved");
  const { state, completedAt, createdAt } = await job.state();
  assert.equal(state, "failed");
  notEarly(createdAt, completedAt);
  const [letter] = (await stent.listDeadLetters()).items;
  assert.ok(letter !== undefined && letter.executionId === job.id);
  assert.match(letter.reason, /^ExpiryError: activity "giveUp\.unserved" had no outcome within/);
  const { name, attempt, maxAttempts, queue, error } = letter.task;
  assert.deepEqual([name, attempt, maxAttempts, queue], ["giveUp.unserved", 1, 3, "nobody"]);
  isOutOfTime(error, "giveUp.unserved");
  await until("it is told", () => dead.length > 0);
  assert.ok(!started.includes("job"));
});

test("a job that another process has dispatched fails by it, and one that is set at its place of dispatch", async (t) => {
  const file = databaseFile(t);
  const client = await stentOn(t, file, { serve: false });
  await stentOn(t, file, { serve: { queues: ["others"] } });
  const jobs = [
    await client.dispatch(unserved, ["elsewhere"]),
    await client.dispatch(unserved.with({ totalTimeout: totalMs * 2 }), ["elsewhere"]),
  ];
  for (const [index, job] of jobs.entries()) {
    isOutOfTime(await rejection(job.result(limit)), "giveUp.unserved");
    const { completedAt, createdAt } = await job.state();
    notEarly(createdAt, completedAt, totalMs * (index + 1));
  }
});

test("a job that is delayed has its totalTimeout from its start", async (t) => {
  const stent = await others(t);
  const job = await stent.schedule(300, unserved, ["delayed"]);
  isOutOfTime(await rejection(job.result(limit)), "giveUp.unserved");
  const { completedAt, createdAt } = await job.state();
  notEarly(createdAt, completedAt, 300 + totalMs);
});

test("a retry gives a job its whole totalTimeout again", async (t) => {
  const stent = await others(t);
  const job = await stent.dispatch(unserved, ["retried"]);
  await rejection(job.result(limit));
  const before = (await job.state()).completedAt;
  await stent.retry(job.id);
  isOutOfTime(await rejection(job.result(limit)), "giveUp.unserved");
  const { completedAt } = await job.state();
  notEarly(before, completedAt);
});

test("a job that a workflow has dispatched fails by it", async (t) => {
  const stent = await others(t);
  const id = await stent.run(dispatches, []);
  isOutOfTime(await rejection(stent.waitFor(id, limit).then((r) => r.unwrap())), "giveUp.unserved");
});

const dispatches = workflow("giveUp.dispatches", { queue: "others" }, function* (): Flow<string> {
  return yield* dispatch(unserved, ["from a workflow"]);
});

// ── items of a map ──

const strict = workflow("giveUp.strict", { queue: "others" }, function* (): Flow<unknown> {
  return yield* map(unserved, ["a", "b", "c"]);
});
const tolerant = workflow("giveUp.tolerant", { queue: "others" }, function* (): Flow<unknown> {
  const settled = yield* map(unserved, ["a", "b", "c"], { tolerate: 3 });
  return settled.map(outcome);
});
const bounded = workflow("giveUp.bounded", { queue: "others" }, function* (): Flow<unknown> {
  const settled = yield* map(unserved, ["a", "b", "c"], { onError: "settle", concurrency: 2 });
  return settled.map(outcome);
});
const intolerant = workflow("giveUp.intolerant", { queue: "others" }, function* (): Flow<unknown> {
  return yield* map(unserved, ["a", "b", "c"], { tolerate: 1 });
});

for (const flow of [strict, intolerant]) {
  test(`a map whose items nobody takes fails by the first that it does not bear: ${flow.functionName}`, async (t) => {
    const stent = await others(t);
    const handle = await stent.dispatch(flow, []);
    isOutOfTime(await rejection(handle.result(limit)), "giveUp.unserved");
    const { items } = await stent.listDeadLetters();
    assert.deepEqual(
      items.map(({ task }) => [task.name, task.executionId]),
      [["giveUp.unserved", handle.id]],
    );
    const { state, completedAt, createdAt } = await handle.state();
    assert.equal(state, "failed");
    notEarly(createdAt, completedAt);
    assert.deepEqual((await stent.listTasks({ execution: handle.id, state: "running" })).items, []);
  });
}

test("a map that bears it gets a failure for each of its items", async (t) => {
  const stent = await others(t);
  const each = Array.from({ length: 3 }, () => "ExpiryError ATTEMPT_TIMED_OUT");
  assert.deepEqual(await stent.run(tolerant, []), each);
  assert.deepEqual((await stent.listDeadLetters()).items, []);
});

test("a map with a bound gives each of its items the whole totalTimeout", async (t) => {
  const stent = await others(t);
  const each = Array.from({ length: 3 }, () => "ExpiryError ATTEMPT_TIMED_OUT");
  const handle = await stent.dispatch(bounded, []);
  assert.deepEqual(await handle.result(limit), each);
  const { completedAt, createdAt } = await handle.state();
  notEarly(createdAt, completedAt, 2 * totalMs);
});

test("a map that failed by it and goes on has its items' whole totalTimeout again", async (t) => {
  const stent = await others(t);
  const handle = await stent.dispatch(strict, []);
  await rejection(handle.result(limit));
  const before = (await handle.state()).completedAt;
  await stent.retry(handle.id);
  isOutOfTime(await rejection(handle.result(limit)), "giveUp.unserved");
  notEarly(before, (await handle.state()).completedAt);
});

function outcome(result: PromiseSettledResult<string>): string {
  if (result.status === "fulfilled") return result.value;
  const { name, code } = result.reason as Error & { code?: string };
  return `${name} ${code ?? ""}`;
}

/** A worker that serves another queue. */
function others(t: Parameters<typeof stentOn>[0], metrics?: object): Promise<Stent> {
  return stentOn(t, "sqlite::memory:", {
    serve: { queues: ["others"] },
    stent: metrics === undefined ? {} : { metrics: metrics as never },
  });
}

function isOutOfTime(error: unknown, name: string): void {
  assert.ok(error instanceof ExpiryError, String(error));
  assert.equal(error.code, "ATTEMPT_TIMED_OUT");
  assert.equal(error.message, `activity "${name}" had no outcome within its totalTimeout`);
}

/** I7 */
function notEarly(from: Date | undefined, to: Date | undefined, ms = totalMs): void {
  assert.ok(from !== undefined && to !== undefined);
  assert.ok(to.getTime() - from.getTime() >= ms, `${to.getTime() - from.getTime()} ms`);
}
