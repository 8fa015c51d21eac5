import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  FunctionRegistry,
  map,
  signal,
  sleep,
  workflow,
  type Stent,
  type TaskFilter,
  type TaskRecord,
} from "stentjs";
import { clientOn } from "../support/client.ts";
import { databaseFile, Gate, serving, stentOn, until } from "../support/serving.ts";

const job = activity("job", { queue: "jobs", tags: ["t"], priority: 4 }, async (_n: number) => 1);
const far = activity("far", { queue: "nobody", retry: { maxAttempts: 7 } }, async (n: number) => n);
const gate = new Gate();
const held = activity("held", async () => gate.passed);
const flaky = activity(
  "flaky",
  { retry: { maxAttempts: 2, initialDelay: "1h" } },
  async (n: number) => {
    if (n === 2) throw new RangeError("two");
    return n;
  },
);
const child = workflow("child", function* () {
  yield* signal("never");
});

test("a job that waits is a pending task", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatch(job, [1], { id: "j" });
  const [task, ...others] = (await stent.listTasks()).items;
  assert.deepEqual(others, []);
  assert.deepEqual(
    { ...task, createdAt: undefined, scheduledFor: undefined },
    {
      id: "j/1/1",
      executionId: "j",
      name: "job",
      kind: "activity",
      state: "pending",
      attempt: 1,
      maxAttempts: 3,
      queue: "jobs",
      priority: 4,
      tags: ["t"],
      workerId: undefined,
      createdAt: undefined,
      scheduledFor: undefined,
      startedAt: undefined,
      completedAt: undefined,
      error: undefined,
    },
  );
  assert.deepEqual(task?.scheduledFor, task?.createdAt);
});

test("a job that was cancelled is listed with its execution only", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(job, [1], { id: "j" });
  await handle.cancel();
  assert.deepEqual((await stent.listTasks()).items, []);
  const [task] = (await stent.listTasks({ execution: "j" })).items;
  assert.equal(task?.state, "cancelled");
  assert.match(String(task?.error), /Execution cancelled/);
});

test("tasks of an unknown execution are none", async (t) => {
  const stent = await clientOn(t);
  assert.deepEqual(await stent.listTasks({ execution: "nobody" }), {
    items: [],
    nextCursor: undefined,
  });
});

test("without the code, the attempts are told where the call or the failure has them", async (t) => {
  const once = activity("once", { retry: { maxAttempts: 1 } }, async () => {
    throw new RangeError("no");
  });
  const steps = workflow("steps", function* () {
    yield* call(far.with({ retry: { maxAttempts: 5 } }), 1);
    yield* call(far, 2);
    yield* call(once);
  });
  const path = databaseFile(t);
  const worker = await stentOn(t, path);
  await (await worker.dispatch(steps, [], { id: "s" })).wait({ timeout: "10s" });
  const attempts = async (stent: Stent): Promise<unknown[]> =>
    (await stent.listTasks({ execution: "s" })).items.map(({ maxAttempts }) => maxAttempts);
  assert.deepEqual(await attempts(worker), [5, 7, 1]);
  const other = await clientOn(t, path, { registry: new FunctionRegistry() });
  assert.deepEqual(await attempts(other), [5, 3, 1]);
});

test("the items of a map wait one by one, and cursors lead through them", async (t) => {
  const fanOut = workflow("fan-out", function* () {
    yield* map(far, [10, 11, 12, 13, 14]);
  });
  const stent = await serving(t, { serve: { queues: ["default"] } });
  await stent.dispatch(fanOut, [], { id: "f" });
  await until("it waits", async () => (await stent.queueDepth("nobody")) === 5);
  for (const filter of [
    {},
    { execution: "f" },
    { queue: "nobody" },
    { state: "pending" },
  ] as const) {
    const tasks = await everyTask(stent, filter);
    assert.deepEqual(
      tasks.map(({ id, state, attempt, maxAttempts }) => [id, state, attempt, maxAttempts]),
      [0, 1, 2, 3, 4].map((item) => [`f/1/1.${item}`, "pending", 1, 7]),
      JSON.stringify(filter),
    );
  }
  assert.deepEqual(await everyTask(stent, { queue: "default" }), []);
  assert.deepEqual(await everyTask(stent, { state: "running" }), []);
});

test("what an execution has done, does and waits for is listed in the order in which it came to it", async (t) => {
  const everything = workflow("everything", function* () {
    yield* map(flaky, [1, 3]);
    yield* all([
      call(held),
      call(far, 1),
      map(flaky, [1, 2]),
      sleep("1h"),
      signal("go"),
      call(child),
    ]);
  });
  const stent = await serving(t, { serve: { workerId: "here", queues: ["default"] } });
  await stent.dispatch(everything, [], { id: "e" });
  await until("the second item waits", async () =>
    (await everyTask(stent, { execution: "e" })).find(
      ({ id, scheduledFor }) => id.endsWith("2.2.1") && scheduledFor !== undefined,
    ),
  );
  await until("the child runs", async () => (await stent.stateOf("e/1/2.5")).state === "running");
  const tasks = await everyTask(stent, { execution: "e" });
  assert.deepEqual(
    tasks.map(({ id, kind, name, state, attempt, workerId }) => [
      id.slice(4),
      kind,
      name,
      state,
      attempt,
      // A workflow is held while a turn of it runs, and only then.
      kind === "workflow" ? undefined : workerId,
    ]),
    [
      ["1.0", "activity", "flaky", "completed", 1, undefined],
      ["1.1", "activity", "flaky", "completed", 1, undefined],
      ["2.0", "activity", "held", "running", 1, "here"],
      ["2.1", "activity", "far", "pending", 1, undefined],
      ["2.2.0", "activity", "flaky", "completed", 1, undefined],
      ["2.2.1", "activity", "flaky", "pending", 2, undefined],
      ["2.3", "sleep", "sleep", "pending", 1, undefined],
      ["2.4", "signal", "go", "pending", 1, undefined],
      ["2.5", "workflow", "child", "running", 1, undefined],
    ],
  );
  const retried = tasks.find(({ id }) => id.endsWith("2.2.1"));
  assert.ok(retried?.error instanceof RangeError);
  assert.ok((retried.scheduledFor?.getTime() ?? 0) > Date.now());
  assert.deepEqual(
    (await everyTask(stent, { state: "running" })).map(({ id }) => id.slice(4)),
    ["2.0"],
  );
  gate.open();
});

for (const filter of [
  { state: "done" },
  { limit: 0 },
  { excution: "x" },
  { cursor: "x" },
  { queue: "" },
]) {
  test(`the filter ${JSON.stringify(filter)} is refused`, async (t) => {
    const stent = await clientOn(t);
    const error = "limit" in filter ? RangeError : TypeError;
    await assert.rejects(stent.listTasks(filter as never), error);
  });
}

async function everyTask(stent: Stent, filter: TaskFilter): Promise<TaskRecord[]> {
  const tasks: TaskRecord[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await stent.listTasks({
      ...filter,
      limit: 2,
      ...(cursor === undefined ? {} : { cursor }),
    });
    tasks.push(...page.items);
    cursor = page.nextCursor;
    if (cursor === undefined) return tasks;
  }
}
