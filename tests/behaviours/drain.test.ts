import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { test } from "node:test";
import { activity, sqlite, WorkerLifecycle } from "stentjs";
import { databaseFile, Gate, sqliteOnly, stentOn } from "../support/serving.ts";
import { MemoryLogger } from "../support/memory-logger.ts";
import { answeringLate, peekingLate } from "../support/slow-answers.ts";

const limit = { timeout: "10s" };
const starts: number[] = [];
const once = activity("drain.once", { retry: { maxAttempts: 1 } }, async (n: number) => {
  starts.push(n);
  return n;
});
// What is taken by a claim whose answer is still to come has been begun by nobody: it is not to count as a start.
test(
  "a worker that drains while a claim is on its way runs what that has taken",
  sqliteOnly,
  async (t) => {
    const file = databaseFile(t);
    const client = await stentOn(t, file, { serve: false });
    const [taken, answered] = [new Gate(), new Gate()];
    const late = answeringLate(sqlite(file), "claim", async () => {
      taken.open();
      await answered.passed;
    });
    const serve = { drainTimeout: "5s", pollInterval: "10ms" } as const;
    const worker = await stentOn(t, file, { stent: { backend: late }, serve });
    const handle = await client.dispatch(once, [1]);
    await taken.passed;
    const closing = worker.close();
    await pause(50);
    answered.open();
    await closing;
    await stentOn(t, file);
    assert.equal(await handle.result(limit), 1);
    assert.deepEqual(starts, [1]);
  },
);

test("and so does one that drains while what it adopts is being stored", sqliteOnly, async (t) => {
  const file = databaseFile(t);
  const [taken, answered] = [new Gate(), new Gate()];
  const late = answeringLate(sqlite(file), "dispatch", async () => {
    taken.open();
    await answered.passed;
  });
  const lifecycle = new WorkerLifecycle();
  const serve = { drainTimeout: "5s", lifecycle } as const;
  const worker = await stentOn(t, file, { stent: { backend: late }, serve });
  const dispatching = worker.dispatch(once, [2]);
  await taken.passed;
  lifecycle.requestDrain();
  const drained = lifecycle.waitUntilStopped();
  await pause(50);
  answered.open();
  const { id } = await dispatching;
  await drained;
  const second = await stentOn(t, file);
  assert.equal((await second.waitFor(id, limit)).unwrap(), 2);
  assert.deepEqual(starts.slice(-1), [2]);
});

test(
  "a worker that stops while it looks for work neither claims nor complains once it has looked",
  sqliteOnly,
  async (t) => {
    const [looks, looked] = [new Gate(), new Gate()];
    const file = databaseFile(t);
    const client = await stentOn(t, file, { serve: false });
    await client.dispatch(once, [3]);
    const late = peekingLate(sqlite(file), async () => {
      looks.open();
      await looked.passed;
    });
    const logger = new MemoryLogger();
    const worker = await stentOn(t, file, { stent: { backend: late, logger } });
    await looks.passed;
    await worker.close();
    looked.open();
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    assert.deepEqual(
      logger.lines.filter(({ level }) => level === "error"),
      [],
    );
  },
);
