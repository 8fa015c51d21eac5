import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  CancelledError,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  ExecutionRunningError,
  signal,
  workflow,
} from "stentjs";
import { clientOn } from "../support/client.ts";
import { rejection } from "../support/serving.ts";

const waits = workflow("waits", function* (_n?: number) {
  return yield* signal("go");
});
const job = activity("job", async () => 1);

test("a pending execution ends at once when it is cancelled", async (t) => {
  const stent = await clientOn(t);
  for (const fn of [waits, job] as const) {
    const handle = await stent.dispatch(fn as typeof job, []);
    await handle.cancel("customer request");
    const state = await handle.state();
    assert.equal(state.state, "cancelled");
    assert.ok(state.completedAt !== undefined);
    const error = state.result?.error;
    assert.ok(error instanceof CancelledError);
    assert.deepEqual([error.reason, error.message], ["customer request", "customer request"]);
  }
});

test("without a reason the error says that the execution was cancelled", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await stent.cancel(handle.id);
  const error = (await stent.resultOf(handle.id)).error;
  assert.ok(error instanceof CancelledError);
  assert.deepEqual([error.reason, error.message], [undefined, "Execution cancelled"]);
});

test("a second cancel changes nothing, nor does a force", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await handle.cancel("first");
  const before = await handle.state();
  await handle.cancel("second");
  await stent.cancel(handle.id, { reason: "third", force: true });
  assert.deepEqual(await handle.state(), before);
});

test("unknown executions are cancelled and retried by nobody", async (t) => {
  const stent = await clientOn(t);
  assert.ok((await rejection(stent.cancel("nobody"))) instanceof ExecutionNotFoundError);
  assert.ok((await rejection(stent.retry("nobody"))) instanceof ExecutionNotFoundError);
});

test("what has not ended cannot be retried", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  for (const from of ["failure", "start"] as const) {
    assert.ok((await rejection(stent.retry(handle.id, { from }))) instanceof ExecutionRunningError);
  }
});

test("a cancelled one starts again from the top, not from a failure", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await handle.cancel();
  assert.ok((await rejection(stent.retry(handle.id))) instanceof ExecutionFinishedError);
  await stent.retry(handle.id, { from: "start" });
  const state = await handle.state();
  assert.deepEqual(
    [state.state, state.result, state.completedAt],
    ["pending", undefined, undefined],
  );
});

test("wrong options of cancel and retry are refused", async (t) => {
  const stent = await clientOn(t);
  const { id } = await stent.dispatch(waits, []);
  await assert.rejects(stent.cancel(id, { reson: "x" } as never), TypeError);
  await assert.rejects(stent.cancel(id, { reason: 7 } as never), TypeError);
  await assert.rejects(stent.retry(id, { from: "middle" } as never), TypeError);
  await assert.rejects(stent.retry(id, { form: "start" } as never), TypeError);
  assert.equal((await stent.stateOf(id)).state, "pending");
});
