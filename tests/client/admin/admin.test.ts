import assert from "node:assert/strict";
import {
  activity,
  call,
  FunctionRegistry,
  map,
  remote,
  signal,
  sleep,
  workflow,
  type Activity,
  type Stent,
  type Workflow,
} from "stentjs";
import { rejection, until } from "../../support/serving.ts";
import { executionStates } from "../../../src/core/status.ts";
import { onBoth } from "./both.ts";

const double = activity("admin.double", async (n: number) => 2 * n);
const broken = activity("admin.broken", { retry: { maxAttempts: 1 } }, async () => {
  throw new RangeError("out of range");
});
const order = workflow("admin.order", { version: "2" }, function* (n: number) {
  const at = yield* map(double, [n, n + 1]);
  const more = yield* call(double, at[0] ?? 0);
  return { more, when: new Date(0), go: yield* signal<Map<string, number>>("go") };
});
const failing = workflow("admin.failing", function* () {
  return yield* call(broken);
});
const parent = workflow("admin.parent", function* () {
  return yield* call(order, 1);
});
const sleeper = workflow("admin.sleeper", function* () {
  yield* sleep("1h");
});
const elsewhere = remote<Activity<[number], void>>("admin.elsewhere", {
  kind: "activity",
  queue: "far",
});
const unserved = remote<Workflow<[], void>>("admin.unserved");

onBoth(
  "stats count executions by state as the list has them, and what ends in a minute",
  async (place) => {
    const stent = await place.open({ serve: true });
    await inEveryState(stent);
    const { byState, completedPerMinute, failedPerMinute, deadLetters } = await stent.admin.stats({
      since: new Date(Date.now() - 120_000),
    });
    for (const state of executionStates) {
      const { items } = await stent.listExecutions({ state, limit: 100 });
      assert.equal(byState[state], items.length, state);
    }
    assert.deepEqual(
      [byState.pending, byState.failed, byState.cancelled, byState.completed],
      [3, 2, 1, 1],
    );
    assert.ok(Math.abs(completedPerMinute - 0.5) < 0.1, String(completedPerMinute));
    assert.ok(Math.abs(failedPerMinute - 1) < 0.2, String(failedPerMinute));
    assert.equal(deadLetters, 2);
  },
);

onBoth("what is begun anew from the top counts as the list has it", async (place) => {
  const stent = await place.open();
  const handle = await stent.dispatch(order, [1]);
  await handle.cancel();
  await stent.retry(handle.id, { from: "start" });
  const { byState } = await stent.admin.stats();
  assert.equal((await handle.state()).state, "pending");
  assert.deepEqual([byState.running, byState.pending, byState.cancelled], [0, 1, 0]);
});

onBoth(
  "queues tell what is ready, delayed and running, since when, and who serves",
  async (place) => {
    const stent = await place.open({ serve: true });
    await inEveryState(stent);
    const queues = await stent.admin.queues();
    const far = queues.find(({ name }) => name === "far");
    assert.deepEqual(
      { ...far, oldestReady: typeof far?.oldestReady?.getTime() },
      { name: "far", ready: 1, delayed: 1, running: 0, held: 0, oldestReady: "number", workers: 1 },
    );
    const unqueued = queues.find(({ name }) => name === "default");
    assert.deepEqual([unqueued?.ready, unqueued?.delayed, unqueued?.workers], [1, 0, 1]);
    assert.deepEqual(
      queues.map(({ name }) => name),
      ["default", "far"],
    );
  },
);

onBoth("workers and functions tell who serves what", async (place) => {
  const stent = await place.open({ serve: true });
  await stent.dispatch(elsewhere, [1]);
  const [worker, ...others] = await stent.admin.workers();
  assert.deepEqual(others, []);
  assert.deepEqual(
    [worker?.state, worker?.pid, worker?.queues, worker?.running],
    ["live", process.pid, [], 0],
  );
  assert.ok(worker?.functions.includes("admin.order@2"));
  const functions = await stent.admin.functions();
  assert.deepEqual(
    functions.filter(({ name }) => name === "admin.order" || name === "admin.elsewhere"),
    [
      { name: "admin.elsewhere", version: undefined, kind: "activity", workers: 0 },
      { name: "admin.order", version: "2", kind: "workflow", workers: 1 },
    ],
  );
  const stranger = await place.open({ registry: new FunctionRegistry() });
  const served = (await stranger.admin.functions()).find(({ name }) => name === "admin.order");
  assert.deepEqual(served, { name: "admin.order", version: "2", kind: "workflow", workers: 1 });
});

onBoth("a task is found by its id, in a journal, as a job, or as a dead letter", async (place) => {
  const stent = await place.open({ serve: true });
  await inEveryState(stent);
  const { items } = await stent.listTasks({ execution: "waiting", limit: 100 });
  const [item] = items;
  assert.ok(item !== undefined);
  assert.deepEqual(await stent.admin.task(item.id), item);
  const job = (await stent.listTasks({ execution: "job" })).items[0];
  assert.deepEqual(await stent.admin.task(job?.id ?? ""), job);
  const letter = (await stent.listDeadLetters()).items[0];
  assert.equal((await stent.admin.task(letter?.task.id ?? ""))?.state, "failed");
  assert.equal(await stent.admin.task("waiting/9/9"), undefined);
  assert.equal(await stent.admin.task("nonsense"), undefined);
});

onBoth("what is exported comes back with its history, values and outcome", async (place) => {
  const stent = await place.open({ serve: true });
  const handle = await stent.dispatch(parent, [], { id: "there" });
  await until(
    "it waits",
    async () => (await stent.listExecutions({ workflow: "admin.order" })).items[0],
  );
  const [child] = (await stent.listExecutions({ workflow: "admin.order" })).items;
  await stent.sendSignal(child?.id ?? "", "go", new Map([["a", 1]]));
  await handle.result();
  const lines = await linesOf(stent, "there", true);
  const head = JSON.parse(lines[0] ?? "") as { json: { workflow: string; args: unknown[] } };
  assert.deepEqual([head.json.workflow, head.json.args], ["admin.parent", []]);

  assert.equal(await stent.admin.import(lines, { id: "here" }), "here");
  assert.deepEqual(await stent.resultOf("here"), await stent.resultOf("there"));
  const childId = child?.id.replace("there", "here") ?? "";
  assert.deepEqual(await entriesOf(stent, childId), await entriesOf(stent, child?.id ?? ""));
  assert.deepEqual(
    { ...(await stent.stateOf(childId)), progress: [], progressText: "" },
    {
      ...(await stent.stateOf(child?.id ?? "")),
      id: childId,
      parentId: "here",
      progress: [],
      progressText: "",
    },
  );
  assert.equal(
    (await rejection(stent.admin.import(lines, { id: "here" })))["code"],
    "EXECUTION_EXISTS",
  );
  assert.equal((await rejection(stent.admin.import(["{}"])))["code"], "SERIALIZATION");
});

onBoth("what had not ended is imported as blocked, and nobody begins it", async (place) => {
  const stent = await place.open({ serve: true });
  await inEveryState(stent);
  await stent.admin.import(await linesOf(stent, "waiting"), { id: "copy" });
  await place.open({ serve: true });
  const [reason] = await stent.why("copy");
  assert.equal(reason?.kind, "blocked");
  assert.match(reason?.detail ?? "", /imported while it was running elsewhere/);
  assert.deepEqual(await entriesOf(stent, "copy"), await entriesOf(stent, "waiting"));
});

/** One of each state, and some of what waits in each way. */
async function inEveryState(stent: Stent): Promise<void> {
  await (await stent.dispatch(double, [1], { id: "job" })).wait();
  const failed = await stent.dispatchMany(failing, [[], []]);
  for (const handle of failed) await handle.wait();
  const cancelled = await stent.schedule("1h", order, [1]);
  await cancelled.cancel();
  await stent.dispatch(elsewhere, [1]);
  await stent.schedule("1h", elsewhere, [2]);
  await stent.dispatch(unserved, []);
  const waiting = await stent.dispatch(order, [1], { id: "waiting" });
  await until("it waits", async () => (await waiting.state()).waitingFor[0]?.kind === "signal");
  const sleeping = await stent.dispatch(sleeper, []);
  await until("it sleeps", async () => (await sleeping.state()).waitingFor[0]?.kind === "sleep");
}

async function linesOf(stent: Stent, id: string, children = false): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of stent.admin.export(id, { children })) lines.push(line);
  return lines;
}

async function entriesOf(stent: Stent, id: string): Promise<unknown[]> {
  const entries: unknown[] = [];
  for await (const entry of stent.history(id)) entries.push(entry);
  return entries;
}
