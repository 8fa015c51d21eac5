/** The further hooks of a MetricsRecorder: workflows, turns, replays and commits. Those that every recorder has are in workers.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, call, sleep, workflow, type Flow, type MetricsRecorder } from "stentjs";
import { MemoryLogger } from "../support/memory-logger.ts";
import { databaseFile, patience, serving, stentOn, until } from "../support/serving.ts";

const ran: string[] = [];
const step = activity("metrics.step", async (name: string) => {
  ran.push(name);
  return name;
});
const pair = workflow("metrics.pair", { queue: "pairs" }, function* (): Flow<string> {
  yield* call(step, "one");
  return yield* call(step, "two");
});
const nap = workflow("metrics.nap", function* (): Flow<string> {
  yield* call(step, "before");
  yield* sleep("50ms");
  return yield* call(step, "after");
});
const long = { timeout: 10_000 * patience };

test("a workflow is told of when it starts, with the time it was due before, and at each of its turns", async (t) => {
  const { told, metrics } = recorder();
  const path = databaseFile(t);
  const client = await stentOn(t, path, { serve: false });
  const handle = await client.dispatch(pair, []);
  const waitsFrom = performance.now();
  await until("it has waited a little", () => performance.now() - waitsFrom > 60);
  const stent = await stentOn(t, path, { serve: { workerId: "w1" }, stent: { metrics } });
  await stent.waitFor(handle.id, long);
  const who = { step: "metrics.pair", kind: "workflow", queue: "pairs", workerId: "w1" };
  await until("the last turn was told of", () => told("turnCompleted").length >= 3);
  const [started, ...more] = told("workflowStarted");
  assert.deepEqual(more, []);
  const { queuedMs, ...about } = started as { queuedMs: number };
  assert.deepEqual(about, who);
  assert.ok(queuedMs >= 50 && queuedMs < 60_000);
  for (const turn of told("turnCompleted")) {
    const { durationMs, ...of } = turn as { durationMs: number };
    assert.deepEqual(of, who);
    assert.ok(durationMs > 0 && durationMs < 60_000);
  }
});

test("a workflow that is not in memory any more is a miss of the cache and a replay; one that is is neither", async (t) => {
  for (const maxCachedWorkflows of [0, 10]) {
    const { told, metrics } = recorder();
    const stent = await serving(t, {
      serve: { workerId: "w1", maxCachedWorkflows },
      stent: { metrics },
    });
    await stent.run(nap, []);
    const misses = told("cacheMissed");
    const replays = told("workflowReplayed");
    if (maxCachedWorkflows > 0) {
      assert.deepEqual([misses, replays], [[], []]);
      continue;
    }
    const who = { step: "metrics.nap", kind: "workflow", workerId: "w1" };
    assert.deepEqual(misses[0], who);
    assert.equal(misses.length, replays.length);
    const { durationMs, ...about } = replays[0] as { durationMs: number };
    assert.deepEqual(about, { ...who, entries: 2 });
    assert.ok(durationMs > 0);
  }
});

test("each commit is told of, with how many changes it has stored", async (t) => {
  const { told, metrics } = recorder();
  const stent = await serving(t, { stent: { metrics } });
  const handles = await stent.dispatchMany(
    pair,
    Array.from({ length: 20 }, () => []),
  );
  for (const handle of handles) await handle.result(long);
  const batches = told("batchCommitted") as { transitions: number; durationMs: number }[];
  assert.ok(batches.some(({ transitions }) => transitions > 1));
  assert.ok(batches.every(({ transitions, durationMs }) => transitions > 0 && durationMs >= 0));
});

test("hooks that throw or never answer have no effect on the work, and are named once", async (t) => {
  const hangs = (): Promise<never> => new Promise(() => undefined);
  const hooks = [
    "workflowStarted",
    "turnCompleted",
    "workflowReplayed",
    "cacheMissed",
    "batchCommitted",
  ];
  for (const fail of [
    hangs,
    () => Promise.reject(new Error("down")),
    () => {
      throw new Error("down");
    },
  ]) {
    const logger = new MemoryLogger();
    const { metrics } = recorder();
    for (const hook of hooks) Object.assign(metrics, { [hook]: fail });
    const stent = await serving(t, {
      serve: { maxCachedWorkflows: 0 },
      stent: { metrics, logger },
    });
    ran.length = 0;
    assert.equal(await stent.run(nap, []), "after");
    assert.deepEqual(ran, ["before", "after"]);
    await stent.close();
    const named = hooks.filter((hook) =>
      logger.lines.some(({ message }) => message.includes(`metrics.${hook} failed`)),
    );
    assert.deepEqual(named, fail === hangs ? [] : hooks);
  }
});

test("a recorder with none of them is never asked", async (t) => {
  const { metrics } = recorder();
  const five = ["taskClaimed", "taskCompleted", "taskFailed", "deadLettered", "leaseRenewed"];
  const only = Object.fromEntries(Object.entries(metrics).filter(([name]) => five.includes(name)));
  const logger = new MemoryLogger();
  const stent = await serving(t, {
    serve: { maxCachedWorkflows: 0 },
    stent: { metrics: only as unknown as MetricsRecorder, logger },
  });
  await stent.run(nap, []);
  assert.deepEqual(
    logger.lines.filter(({ level }) => level === "warn"),
    [],
  );
});

function recorder(): { told: (hook: string) => object[]; metrics: MetricsRecorder } {
  const calls: [string, object][] = [];
  const note =
    (hook: string) =>
    (event: object): void => {
      calls.push([hook, event]);
    };
  return {
    told: (hook) => calls.filter(([each]) => each === hook).map(([, event]) => event),
    metrics: {
      taskClaimed: note("taskClaimed"),
      taskCompleted: note("taskCompleted"),
      taskFailed: note("taskFailed"),
      deadLettered: note("deadLettered"),
      leaseRenewed: note("leaseRenewed"),
      workflowStarted: note("workflowStarted"),
      turnCompleted: note("turnCompleted"),
      workflowReplayed: note("workflowReplayed"),
      cacheMissed: note("cacheMissed"),
      batchCommitted: note("batchCommitted"),
    },
  };
}
