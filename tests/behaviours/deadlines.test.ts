import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  CancelledError,
  context,
  ExpiryError,
  map,
  workflow,
  type Flow,
} from "stentjs";
import { testClock } from "stentjs/testing";
import { MemoryLogger } from "../support/memory-logger.ts";
import { rejection, serving, until } from "../support/serving.ts";

// ── maxDuration in the wait for the next attempt ──

const slowlyRetried = { retry: { maxAttempts: 5, initialDelay: "60s" } } as const;
const failingJob = activity("deadlines.failingJob", slowlyRetried, async () => {
  throw new Error("no");
});
const failingFlow = workflow("deadlines.failingFlow", slowlyRetried, function* (): Flow<void> {
  throw new Error("no");
});

for (const fn of [failingJob, failingFlow]) {
  test(`maxDuration is met in the wait for the next attempt: ${fn.functionName}`, async (t) => {
    const clock = testClock();
    const stent = await serving(t, { stent: { clock } });
    const handle = await stent.dispatch(fn, [], { maxDuration: "20s" });
    await until("it waits for its next attempt", async () =>
      (await handle.state()).waitingFor.some((reason) => reason.until !== undefined),
    );
    clock.advance("20s");
    const error = await rejection(handle.result());
    assert.ok(error instanceof ExpiryError);
    assert.equal(error.code, "EXECUTION_TIMED_OUT");
  });
}

// ── totalTimeout of the items of a map ──

const attempts: string[] = [];
const tardy = activity(
  "deadlines.tardy",
  { totalTimeout: "200ms", retry: { maxAttempts: 50, initialDelay: "30ms", backoffFactor: 1 } },
  async (what: string) => {
    attempts.push(what);
    if (what === "fails") throw new RangeError("again");
    if (what === "hangs") await new Promise(() => undefined);
    return what;
  },
);
const tardyMap = workflow("deadlines.tardyMap", function* (items: string[]): Flow<unknown> {
  const results = yield* map(tardy, items, { onError: "settle", concurrency: 2 });
  return results.map((result) =>
    result.status === "fulfilled"
      ? result.value
      : `${(result.reason as Error).name} ${(result.reason as { code?: string }).code ?? ""}`,
  );
});

test("the totalTimeout of a map's activity counts for each item, from its place in the queue on, retries included", async (t) => {
  const stent = await serving(t);
  const [first, failed, fine, last] = (await stent.run(tardyMap, [
    ["hangs", "fails", "fine", "hangs"],
  ])) as string[];
  assert.deepEqual(
    [first, fine, last],
    ["ExpiryError ATTEMPT_TIMED_OUT", "fine", "ExpiryError ATTEMPT_TIMED_OUT"],
  );
  // By its own error where the next attempt would come too late, else by the time.
  assert.match(failed ?? "", /^(RangeError |ExpiryError ATTEMPT_TIMED_OUT)$/);
  const tries = attempts.filter((what) => what === "fails").length;
  assert.ok(tries >= 2 && tries <= 8, `${tries} attempts`);
});

// ── what an attempt is told ──

const told: unknown[] = [];
const listening = activity("deadlines.listening", async () => {
  const { signal } = context();
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  told.push(signal.reason);
});
const listeningFlow = workflow("deadlines.listeningFlow", function* (): Flow<void> {
  yield* call(listening);
});

for (const fn of [listening, listeningFlow]) {
  test(`an attempt is told of a forced cancel as of another: ${fn.functionName}`, async (t) => {
    const stent = await serving(t);
    const handle = await stent.dispatch(fn, []);
    await until("it runs", async () => (await handle.state()).state === "running");
    await new Promise((resolve) => setTimeout(resolve, 30));
    const before = told.length;
    await stent.cancel(handle.id, { force: true, reason: "enough" });
    await until("it is told", () => told.length > before);
    const reason = told.at(-1);
    assert.ok(reason instanceof CancelledError, String(reason));
    assert.equal(reason.reason, "enough");
  });
}

// ── who blocks the event loop ──

const blocking = activity("deadlines.blocking", async (ms: number) => {
  const end = performance.now() + ms;
  while (performance.now() < end);
});

test("who blocks the event loop is named, though it has ended when that is free again", async (t) => {
  const logger = new MemoryLogger();
  const stent = await serving(t, { serve: { leaseDuration: "3s" }, stent: { logger } });
  await stent.run(blocking, [2_300]);
  const warning = await until("it is warned", () =>
    logger.lines.find(({ message }) => message.includes("event loop was blocked")),
  );
  assert.equal((warning.fields as { running?: string }).running, "deadlines.blocking");
});
