import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  ExecutionRunningError,
  NonRetryableError,
  signal,
  workflow,
} from "stentjs";
import { clientOn } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { serving, until } from "../support/serving.ts";

const waits = workflow("waits", function* (_n?: number) {
  yield* signal("go");
});
const job = activity("job", async (_n: number) => 1);
let broken = true;
const breaks = activity("breaks", async () => {
  if (broken) throw new NonRetryableError("broken");
});
const child = workflow("child", function* () {
  yield* call(breaks);
});
const parent = workflow("parent", function* () {
  yield* call(child);
});

test("everything that matches is cancelled, over many batches", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(
    job,
    Array.from({ length: 1_201 }, (_, n): [number] => [n]),
  );
  await stent.dispatch(waits, [], { id: "other" });
  const { matched, done, failed } = await stent.bulk("cancel", { workflow: "job" });
  assert.deepEqual([matched, failed], [1_201, []]);
  assert.deepEqual(done, handles.map(({ id }) => id).toReversed());
  assert.equal((await stent.stateOf("other")).state, "pending");
  assert.equal(await stent.queueDepth(), 1);
});

test("a dry run counts and does nothing", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatchMany(job, [[1], [2], [3]]);
  const dry = { dryRun: true };
  assert.deepEqual(await stent.bulk("cancel", {}, dry), { matched: 3, done: [], failed: [] });
  assert.equal((await stent.bulk("cancel", {}, { ...dry, limit: 2 })).matched, 2);
  assert.equal((await stent.bulk("delete", {}, dry)).matched, 0);
  assert.equal(await stent.queueDepth(), 3);
});

test("a limit bounds how many, newest first; those of the filter do not count", async (t) => {
  const stent = await clientOn(t);
  const handles = await stent.dispatchMany(job, [[1], [2], [3], [4]]);
  const { done } = await stent.bulk("cancel", { limit: 1, offset: 2 }, { limit: 3 });
  assert.deepEqual(done, [handles[3]?.id, handles[2]?.id, handles[1]?.id]);
});

test("only what has ended is deleted", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatch(waits, [], { id: "a" });
  await stent.dispatch(waits, [], { id: "b" });
  await stent.cancel("b");
  assert.deepEqual(await stent.bulk("delete", {}), { matched: 1, done: ["b"], failed: [] });
  assert.deepEqual(await stent.bulk("delete", { state: "pending" }), {
    matched: 0,
    done: [],
    failed: [],
  });
  const left = await stent.listExecutions();
  assert.deepEqual(
    left.items.map(({ id }) => id),
    ["a"],
  );
  await stent.dispatch(waits, [], { id: "b" });
});

test("what cannot be done is told for each", async (t) => {
  const stent = await clientOn(t);
  await stent.dispatch(waits, [], { id: "a" });
  const { matched, done, failed } = await stent.bulk("retry", {});
  assert.deepEqual([matched, done], [1, []]);
  assert.equal(failed[0]?.id, "a");
  assert.ok(failed[0].error instanceof ExecutionRunningError);
});

test("a family that failed together is retried together", async (t) => {
  const stent = await serving(t);
  await stent.dispatch(parent, [], { id: "p" });
  await stent.waitFor("p", { timeout: "10s" });
  broken = false;
  const { matched, failed } = await stent.bulk("retry", { state: "failed" });
  assert.deepEqual([matched, failed], [2, []]);
  assert.equal((await stent.waitFor("p", { timeout: "10s" })).ok, true);
});

test("clean-up deletes what ended longer ago than that, and its children with it", async (t) => {
  const stent = await serving(t);
  await stent.dispatch(parent, [], { id: "p" });
  await stent.waitFor("p", { timeout: "10s" });
  assert.deepEqual(await stent.cleanup(), { executions: 0 });
  await until("it is over", async () => (await stent.cleanup({ olderThan: 0 })).executions > 0);
  assert.deepEqual((await stent.listExecutions()).items, []);
});

test("clean-up goes by the age of the end, over many batches", async (t) => {
  const clock = new ManualClock();
  const stent = await clientOn(t, "sqlite::memory:", { clock });
  await stent.dispatchMany(
    job,
    Array.from({ length: 120 }, (_, n): [number] => [n]),
  );
  await stent.bulk("cancel", {});
  clock.advance(86_400_000);
  await stent.dispatch(job, [1], { id: "young" });
  await stent.cancel("young");
  await stent.dispatch(job, [1], { id: "open" });
  clock.advance(6.5 * 86_400_000);
  assert.deepEqual(await stent.cleanup(), { executions: 120 });
  const left = await stent.listExecutions();
  assert.deepEqual(
    left.items.map(({ id }) => id),
    ["open", "young"],
  );
  assert.deepEqual(await stent.cleanup({ olderThan: "6d" }), { executions: 1 });
});

test("wrong actions and options are refused", async (t) => {
  const stent = await clientOn(t);
  await assert.rejects(stent.bulk("remove" as never, {}), TypeError);
  await assert.rejects(stent.bulk("cancel", undefined as never), TypeError);
  await assert.rejects(stent.bulk("cancel", { stat: "failed" } as never), TypeError);
  await assert.rejects(stent.bulk("cancel", {}, { limit: 0 }), RangeError);
  await assert.rejects(stent.bulk("cancel", {}, { dry: true } as never), TypeError);
  await assert.rejects(stent.cleanup({ olderThan: "long" }), /olderThan: /);
});
