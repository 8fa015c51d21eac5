import assert from "node:assert/strict";
import { test } from "node:test";
import { activity, ClosedError, Stent } from "stentjs";
import { clientOn } from "../support/client.ts";
import { rejection } from "../support/serving.ts";

const job = activity("job", async (n: number) => n + 1);

test("serve runs a worker until it is drained", async (t) => {
  const stent = await clientOn(t);
  const lifecycle = stent.createWorkerLifecycle("w-1");
  assert.deepEqual(stent.workerStatusOverview(), {
    ready: false,
    draining: false,
    workers: [{ name: "w-1", state: "starting" }],
  });
  const serving = stent.serve({ lifecycle });
  await stent.waitUntilReady();
  assert.deepEqual(stent.workerStatusOverview(), {
    ready: true,
    draining: false,
    workers: [{ name: "w-1", state: "ready" }],
  });
  assert.equal(await stent.run(job, [1]), 2);
  stent.requestWorkerDrain(lifecycle);
  assert.equal(stent.workerStatusOverview().draining, true);
  await serving;
  assert.equal(lifecycle.state, "stopped");
  assert.deepEqual(stent.workerStatusOverview(), {
    ready: false,
    draining: false,
    workers: [{ name: "w-1", state: "stopped" }],
  });
});

test("a worker without a lifecycle is listed under its workerId", async (t) => {
  const stent = await clientOn(t);
  const serving = stent.serve({ workerId: "here" });
  await stent.waitUntilReady();
  assert.deepEqual(stent.workerStatusOverview().workers, [{ name: "here", state: "ready" }]);
  stent.requestWorkerDrain();
  await serving;
});

test("workers that have stopped are forgotten when another one is begun", async (t) => {
  const stent = await clientOn(t);
  for (const workerId of ["one", "two"]) {
    const serving = stent.serve({ workerId });
    await stent.waitUntilReady();
    stent.requestWorkerDrain();
    await serving;
  }
  assert.deepEqual(stent.workerStatusOverview().workers, [{ name: "two", state: "stopped" }]);
});

test("a worker that is drained before it is begun does not begin", async (t) => {
  const stent = await clientOn(t);
  const lifecycle = stent.createWorkerLifecycle();
  stent.requestWorkerDrain();
  await stent.serve({ lifecycle });
  assert.equal(lifecycle.state, "stopped");
  assert.deepEqual(await stent.listTasks(), { items: [], nextCursor: undefined });
});

test("a lifecycle has one worker", async (t) => {
  const stent = await clientOn(t);
  const lifecycle = stent.createWorkerLifecycle();
  const serving = stent.serve({ lifecycle });
  assert.match(String(await rejection(stent.serve({ lifecycle }))), /has a worker already/);
  stent.requestWorkerDrain();
  await serving;
});

test("closing drains the workers, and serve resolves", async (t) => {
  const stent = await clientOn(t);
  const serving = stent.serve();
  await stent.waitUntilReady();
  await stent.close();
  await serving;
  assert.equal(stent.workerStatusOverview().ready, false);
});

test("closing ends the wait for a worker that never came", async (t) => {
  const stent = await clientOn(t);
  const waiting = rejection(stent.waitUntilReady());
  await stent.close();
  assert.ok((await waiting) instanceof ClosedError);
});

test("what keeps a worker from starting is told to serve, to those who wait for it, and to its lifecycle", async (t) => {
  const stent = new Stent({ backend: "/no/such/folder/stent.db" });
  t.after(() => stent.close());
  const lifecycle = stent.createWorkerLifecycle();
  const waiting = rejection(stent.waitUntilReady());
  const error = await rejection(stent.serve({ lifecycle }));
  assert.equal(error["code"], "DATABASE_MISSING");
  assert.equal(await waiting, error);
  assert.equal(await rejection(lifecycle.waitUntilStopped()), error);
});

test("bootstrap with wrong options of the worker closes what it has opened", async () => {
  const error = await rejection(
    Stent.bootstrap("sqlite::memory:", { serve: { maxConcurrency: 0 } }),
  );
  assert.ok(error instanceof RangeError);
});
