import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  activity,
  all,
  call,
  ClosedError,
  context,
  DrainError,
  FunctionRegistry,
  LeaseLostError,
  map,
  signal,
  sleep,
  sqlite,
  Stent,
  workflow,
  type Flow,
  type Logger,
  type MetricsRecorder,
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
import { lookingLate } from "../support/slow-answers.ts";

const limit = { timeout: "10s" };

const gates = new Map<string, Gate<unknown>>();
function gate(key: string): Gate<unknown> {
  const known = gates.get(key) ?? new Gate<unknown>();
  gates.set(key, known);
  return known;
}
const starts: string[] = [];
const echo = activity("workers.echo", async (value: unknown) => value);
const held = activity("workers.held", async (key: string) => {
  starts.push(key);
  return gate(key).passed;
});
const heldOnce = activity(
  "workers.heldOnce",
  { retry: { maxAttempts: 1 } },
  async (key: string) => {
    starts.push(key);
    return gate(key).passed;
  },
);
const listens = activity("workers.listens", async (key: string) => {
  starts.push(key);
  if (starts.filter((each) => each === key).length > 1) return "second start";
  const reason = await aborted(context().signal);
  reasons.set(key, reason);
  throw reason;
});
const reasons = new Map<string, unknown>();
const steps = workflow(
  "workers.steps",
  function* (which: "held" | "heldOnce" | "listens", key: string, queue?: string): Flow<unknown> {
    const fn = { held, heldOnce, listens }[which];
    const first = yield* call(queue === undefined ? fn : fn.with({ queue }), key);
    return [first, yield* call(echo, "then")];
  },
);
const waits = workflow("workers.waits", function* (): Flow<unknown> {
  return yield* signal("go");
});
const started = (key: string): Promise<unknown> =>
  until(`${key} starts`, () => starts.includes(key));

// ── drain ──

test("a drain waits for what runs, and claims nothing more", async (t) => {
  const stent = await serving(t, { serve: false });
  const lifecycle = stent.createWorkerLifecycle("first");
  const done = stent.serve({ lifecycle, drainTimeout: "5s" });
  await lifecycle.waitUntilReady();
  const handle = await stent.dispatch(steps, ["held", "drained"]);
  await started("drained");
  stent.requestWorkerDrain(lifecycle);
  assert.equal(lifecycle.state, "draining");
  assert.deepEqual(
    stent.workerStatusOverview().workers.map((each) => each.state),
    ["draining"],
  );
  const later = await stent.dispatch(echo, [1]);
  gate("drained").open("well");
  await done;
  assert.equal(lifecycle.state, "stopped");
  assert.equal((await later.state()).state, "pending");
  void stent.serve();
  assert.deepEqual(await handle.result(limit), ["well", "then"]);
  assert.equal(await later.result(limit), 1);
  assert.equal(starts.filter((key) => key === "drained").length, 1);
});

test("an execution whose last activity ends during a drain is completed, not handed on", async (t) => {
  const stent = await serving(t, { serve: false });
  const lifecycle = stent.createWorkerLifecycle();
  const done = stent.serve({ lifecycle });
  const handle = await stent.dispatch(lastOne, ["the last"]);
  await started("the last");
  lifecycle.requestDrain();
  gate("the last").open("end");
  await done;
  assert.equal((await handle.state()).state, "completed");
});
const lastOne = workflow("workers.lastOne", function* (key: string): Flow<unknown> {
  return yield* call(held, key);
});

for (const queue of [undefined, "far"]) {
  test(`past the drainTimeout what runs is told with a DrainError, released and done by the next worker (${queue ?? "here"})`, async (t) => {
    const file = databaseFile(t);
    const first = await stentOn(t, file, { serve: { drainTimeout: 30 } });
    const key = `told ${queue ?? "here"}`;
    const handle = await first.dispatch(steps, ["listens", key, queue]);
    await started(key);
    const before = performance.now();
    await first.close();
    assert.ok(performance.now() - before < 1_500);
    assert.ok(reasons.get(key) instanceof DrainError);
    const second = await stentOn(t, file);
    assert.deepEqual((await second.waitFor(handle.id, limit)).unwrap(), ["second start", "then"]);
  });

  test(`what does not listen to a drain is released all the same (${queue ?? "here"})`, async (t) => {
    const file = databaseFile(t);
    const first = await stentOn(t, file, { serve: { drainTimeout: 10 } });
    const key = `deaf ${queue ?? "here"}`;
    const handle = await first.dispatch(steps, ["held", key, queue]);
    await started(key);
    await first.close();
    const second = await stentOn(t, file);
    await until("it starts again", () => starts.filter((each) => each === key).length === 2);
    gate(key).open("again");
    assert.deepEqual((await second.waitFor(handle.id, limit)).unwrap(), ["again", "then"]);
  });

  test(`under maxAttempts 1 an attempt that was lost fails its call with LeaseLostError (${queue ?? "here"})`, async (t) => {
    const file = databaseFile(t);
    const first = await stentOn(t, file, { serve: { drainTimeout: 10 } });
    const key = `once ${queue ?? "here"}`;
    const handle = await first.dispatch(steps, ["heldOnce", key, queue]);
    await started(key);
    await first.close();
    const second = await stentOn(t, file);
    const result = await second.waitFor(handle.id, limit);
    assert.ok(
      !result.ok && result.error instanceof LeaseLostError,
      String(result.ok ? result.value : result.error.stack),
    );
    assert.equal(starts.filter((each) => each === key).length, 1);
    gate(key).open(1);
  });
}

test("a job that a drain cuts short is done by the next worker; under maxAttempts 1 it fails with LeaseLostError", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 10 } });
  const job = await first.dispatch(held, ["job"]);
  const once = await first.dispatch(heldOnce, ["job once"]);
  await started("job");
  await started("job once");
  await first.close();
  const second = await stentOn(t, file);
  const result = await second.waitFor(once.id, limit);
  assert.ok(!result.ok && result.error instanceof LeaseLostError);
  await until("it starts again", () => starts.filter((each) => each === "job").length === 2);
  gate("job").open("done");
  assert.equal((await second.waitFor(job.id, limit)).unwrap(), "done");
});

test("items of a map that a drain cuts short are done by the next worker", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 10 } });
  const handle = await first.dispatch(maps, []);
  await started("item 1");
  await first.close();
  const second = await stentOn(t, file);
  for (const key of ["item 0", "item 1"]) gate(key).open(key);
  assert.deepEqual((await second.waitFor(handle.id, limit)).unwrap(), ["item 0", "item 1"]);
});
const maps = workflow("workers.maps", function* (): Flow<unknown> {
  return yield* map(held, ["item 0", "item 1"]);
});

test("a worker that has nothing to do drains at once, and waiting workflows do not hold it up", async (t) => {
  const stent = await serving(t, { serve: { drainTimeout: "1h" } });
  for (let i = 0; i < 5; i += 1) {
    const handle = await stent.dispatch(waits, []);
    await until("it waits", async () =>
      (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
    );
  }
  const before = performance.now();
  await stent.close();
  assert.ok(performance.now() - before < 500);
});

// ── lifecycle ──

test("a lifecycle goes from starting to ready to draining to stopped", async (t) => {
  const stent = await serving(t, { serve: false });
  const lifecycle = stent.createWorkerLifecycle("named");
  assert.equal(lifecycle.name, "named");
  assert.equal(lifecycle.state, "starting");
  assert.equal(stent.workerStatusOverview().ready, false);
  const ready = stent.waitUntilReady();
  const done = stent.serve({ lifecycle });
  await lifecycle.waitUntilReady();
  await ready;
  assert.equal(lifecycle.state, "ready");
  assert.deepEqual(stent.workerStatusOverview(), {
    ready: true,
    draining: false,
    workers: [{ name: "named", state: "ready" }],
  });
  lifecycle.requestDrain();
  lifecycle.requestDrain();
  await lifecycle.waitUntilStopped();
  await done;
  assert.equal(lifecycle.state, "stopped");
  await assert.rejects(stent.serve({ lifecycle }), TypeError);
});

test("a drain that is asked for before serve makes serve end at once", async (t) => {
  const stent = await serving(t, { serve: false });
  const lifecycle = stent.createWorkerLifecycle();
  lifecycle.requestDrain();
  await stent.serve({ lifecycle });
  assert.equal(lifecycle.state, "stopped");
});

test("closing rejects open waits and what comes later with ClosedError, and twice is fine", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file);
  const handle = await stent.dispatch(waits, []);
  const open = [
    rejection(handle.result()),
    rejection(stent.waitFor(handle.id)),
    rejection(handle.wait({ timeout: "1h" })),
  ];
  await until("it waits", async () =>
    (await handle.state()).waitingFor.some(({ kind }) => kind === "signal"),
  );
  await Promise.all([stent.close(), stent.close()]);
  for (const error of await Promise.all(open)) assert.ok(error instanceof ClosedError);
  for (const ask of [
    () => stent.dispatch(waits, []),
    () => handle.state(),
    () => handle.result(),
    () => stent.serve(),
    () => stent.waitUntilReady(),
  ]) {
    await assert.rejects(ask, ClosedError);
  }
  await stent.close();
  const second = await stentOn(t, file);
  await second.sendSignal(handle.id, "go", 1);
  assert.equal((await second.waitFor(handle.id, limit)).unwrap(), 1);
});

test("await using closes", async (t) => {
  const file = databaseFile(t);
  let kept: Stent;
  {
    await using stent = await Stent.bootstrap(file, { serve: true });
    assert.equal(await stent.run(echo, [1]), 1);
    kept = stent;
  }
  await assert.rejects(kept.run(echo, [1]), ClosedError);
});

// ── several workers ──

test("several workers on one file share the work, each step is done once", async (t) => {
  const file = databaseFile(t);
  const stents = [await stentOn(t, file), await stentOn(t, file), await stentOn(t, file)] as const;
  ran.clear();
  const handles = (
    await Promise.all(
      stents.map((stent, n) =>
        stent.dispatchMany(
          shared,
          Array.from({ length: 20 }, (_, i) => [`${n}-${i}`] as [string]),
        ),
      ),
    )
  ).flat();
  await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.equal(ran.size, 60 * 3);
  assert.ok([...ran.values()].every((n) => n === 1));
});
const ran = new Map<string, number>();
const counted = activity("workers.counted", async (key: string) => {
  ran.set(key, (ran.get(key) ?? 0) + 1);
});
const shared = workflow("workers.shared", function* (key: string): Flow<void> {
  yield* call(counted, `${key} a`);
  yield* sleep(2);
  yield* all([call(counted, `${key} b`), call(counted, `${key} c`)]);
});

test("a wait in another client ends within milliseconds of the end", async (t) => {
  const file = databaseFile(t);
  const worker = await stentOn(t, file);
  const client = await stentOn(t, file, { serve: false });
  assert.equal(await client.run(echo, [0]), 0);
  const before = performance.now();
  for (let i = 0; i < 10; i += 1) await client.run(echo, [i]);
  assert.ok(
    (performance.now() - before) / 10 < 150,
    `${(performance.now() - before) / 10} ms each`,
  );
  await worker.close();
});

test("workers take only their queues; default names the unqueued", async (t) => {
  const file = databaseFile(t);
  const client = await stentOn(t, file, { serve: false });
  const a = await client.dispatch(echo, ["a"], { queue: "a" });
  const none = await client.dispatch(echo, ["none"]);
  const first = await stentOn(t, file, { serve: { queues: ["a"] } });
  assert.equal(await a.result(limit), "a");
  assert.equal((await none.state()).state, "pending");
  await first.close();
  await stentOn(t, file, { serve: { queues: ["default", "b"] } });
  assert.equal(await none.result(limit), "none");
  const again = await client.dispatch(echo, ["a"], { queue: "a" });
  assert.equal(await client.run(echo, [2], { queue: "b" }), 2);
  assert.equal((await again.state()).state, "pending");
  await stentOn(t, file);
  assert.equal(await again.result(limit), "a");
});

test("workers take what carries one of their tags, or none", async (t) => {
  const file = databaseFile(t);
  const client = await stentOn(t, file, { serve: false });
  const gpu = await client.dispatch(echo, ["gpu"], { tags: ["gpu", "big"] });
  const none = await client.dispatch(echo, ["none"]);
  await stentOn(t, file, { serve: { tags: ["cpu", "small"] } });
  assert.equal(await none.result(limit), "none");
  assert.equal((await gpu.state()).state, "pending");
  const [reason] = await client.why(gpu.id);
  assert.equal(reason?.kind, "worker");
  await stentOn(t, file, { serve: { tags: ["big"] } });
  assert.equal(await gpu.result(limit), "gpu");
});

test("a worker leaves alone what it has no code for, and the rest is not held up", async (t) => {
  const file = databaseFile(t);
  const registry = new FunctionRegistry();
  registry.register(echo);
  const client = await stentOn(t, file, { serve: false });
  const unknown = await client.dispatchMany(
    lastOne,
    Array.from({ length: 60 }, (_, i) => [`unknown ${i}`] as [string]),
    { priority: 5 },
  );
  const known = await client.dispatch(echo, [1]);
  const worker = await stentOn(t, file, { serve: true, stent: { registry } });
  assert.equal(await known.result(limit), 1);
  assert.equal((await unknown[0]?.state())?.state, "pending");
  assert.match((await client.why(unknown[0]?.id ?? ""))[0]?.detail ?? "", /workers\.lastOne/);
  await worker.close();
});

test("a task of a function that its workflow's worker does not have waits for one that has", async (t) => {
  const file = databaseFile(t);
  const registry = new FunctionRegistry();
  registry.register(lastOne);
  const first = await stentOn(t, file, { stent: { registry } });
  const handle = await first.dispatch(lastOne, ["elsewhere"]);
  await until(
    "the task waits",
    async () =>
      (await first.listTasks({ execution: handle.id, state: "pending" })).items.length === 1,
  );
  gate("elsewhere").open("there");
  await stentOn(t, file);
  assert.equal(await handle.result(limit), "there");
});

// ── hooks ──

const throwing = (): never => {
  throw new Error("hook");
};
const hanging = (): never => new Promise(() => undefined) as never;
const rejecting = (): never => Promise.reject(new Error("hook")) as never;

for (const [how, hook] of [
  ["throw", throwing],
  ["hang", hanging],
  ["reject", rejecting],
] as const) {
  test(`hooks that ${how} do nothing to the work`, async (t) => {
    const logger: Logger = { debug: hook, info: hook, warn: hook, error: hook };
    const metrics: MetricsRecorder = {
      taskClaimed: hook,
      taskCompleted: hook,
      taskFailed: hook,
      deadLettered: hook,
      leaseRenewed: hook,
    };
    const stent = await serving(t, {
      serve: { leaseDuration: 300, heartbeatInterval: 20 },
      stent: { logger, metrics },
    });
    ran.clear();
    await stent.run(shared, [how]);
    await assert.rejects(stent.run(fails, []), /failed/);
    assert.ok([...ran.values()].every((n) => n === 1));
    assert.equal(ran.size, 3);
    await stent.run(sleeps, []);
  });
}
const fails = activity(
  "workers.fails",
  { retry: { maxAttempts: 2, initialDelay: 1 } },
  async () => {
    throw new Error("failed");
  },
);
const sleeps = workflow("workers.sleeps", function* (): Flow<void> {
  yield* sleep(60);
});

test("metrics are told of claims, completions and failures, with the worker's id", async (t) => {
  const events: [string, object][] = [];
  const note =
    (name: string) =>
    (event: object): void => {
      events.push([name, event]);
    };
  const metrics: MetricsRecorder = {
    taskClaimed: note("claimed"),
    taskCompleted: note("completed"),
    taskFailed: note("failed"),
    deadLettered: note("dead"),
    leaseRenewed: note("lease"),
  };
  const stent = await serving(t, {
    serve: { workerId: "w1", leaseDuration: 300, heartbeatInterval: 10 },
    stent: { metrics },
  });
  await stent.run(echo, [1], { queue: "q" });
  await stent.run(lastEcho, []);
  await assert.rejects(stent.run(fails, []));
  await until("the lease was renewed", () => events.some(([name]) => name === "lease"));
  await until("it is a dead letter", () => events.some(([name]) => name === "dead"));
  const of = (name: string): object[] =>
    events.filter(([each]) => each === name).map(([, event]) => event);
  assert.equal(of("claimed").length, 4);
  assert.equal(of("completed").length, 2);
  assert.deepEqual(
    of("failed").map((event) => (event as { retrying: boolean }).retrying),
    [true, false],
  );
  assert.ok(events.every(([, event]) => (event as { workerId: string }).workerId === "w1"));
  assert.equal((of("claimed")[0] as { queue: string }).queue, "q");
});
const lastEcho = workflow("workers.lastEcho", function* (): Flow<unknown> {
  return yield* call(echo, 1);
});

// ── losing the lease ──

test("a worker whose event loop was blocked past its lease loses what it holds, and it goes on elsewhere", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { leaseDuration: 200, heartbeatInterval: null } });
  const key = "lost";
  const handle = await first.dispatch(steps, ["held", key]);
  await started(key);
  const second = await stentOn(t, file, { serve: { leaseDuration: 200 } });
  await until("it starts again", () => starts.filter((each) => each === key).length >= 2);
  gate(key).open("once more");
  assert.deepEqual((await second.waitFor(handle.id, limit)).unwrap(), ["once more", "then"]);
});

const looked = new Gate();
const stubborn = activity(
  "workers.stubborn",
  { retry: { maxAttempts: 3, initialDelay: 1 } },
  async () => {
    const { attempt, signal: told } = context();
    // The first runs with its workflow; the second is claimed while an older answer is on its way.
    if (attempt === 1) await looked.passed;
    if (attempt === 2) {
      answered.open();
      await pause(50);
    }
    if (attempt < 3) throw told.aborted ? told.reason : new Error("not yet");
    return attempt;
  },
);
const asksStubborn = workflow("workers.asksStubborn", function* (): Flow<number> {
  return yield* call(stubborn);
});
const answered = new Gate();

test("a task that was claimed after the database was asked what is held goes on, and is tried again", async (t) => {
  const backend = lookingLate(sqlite(databaseFile(t)), async () => {
    looked.open();
    await answered.passed;
  });
  const stent = await serving(t, { stent: { backend } });
  assert.equal(await stent.run(asksStubborn, []), 3);
});

test("wrong options are refused clearly", async (t) => {
  const backend = "sqlite::memory:";
  await assert.rejects(Stent.open({ backend, serializer: "xml" as never }), TypeError);
  await assert.rejects(Stent.open({ backend, nonsense: 1 } as never), /nonsense/);
  const stent = await serving(t, { serve: false });
  for (const bad of [
    { maxConcurrency: 0 },
    { maxConcurrency: 1.5 },
    { queues: [""] },
    { leaseDuration: 0 },
    { heartbeatInterval: "2m", leaseDuration: "1m" },
    { nonsense: 1 },
  ]) {
    await assert.rejects(stent.serve(bad), JSON.stringify(bad));
  }
  assert.equal(await stent.dispatch(echo, [1]).then((handle) => handle.id.length > 5), true);
});
