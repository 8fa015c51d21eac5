import Database from "better-sqlite3";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import {
  CancelledError,
  ClosedError,
  ExecutionNotFoundError,
  ExecutionRunningError,
  ExpiryError,
  signal,
  workflow,
} from "stentjs";
import { clientOn } from "../support/client.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { databaseFile, rejection } from "../support/serving.ts";

const waits = workflow("waits", function* () {
  return yield* signal<number>("go");
});

test("a wait resolves when its execution ends in the same process", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  const waiting = handle.wait();
  await handle.cancel("enough");
  const result = await waiting;
  assert.equal(result.ok, false);
  assert.ok(result.error instanceof CancelledError);
  assert.equal(result.error.reason, "enough");
  await assert.rejects(handle.result(), /enough/);
});

test("a wait resolves when another client ends its execution", async (t) => {
  const path = databaseFile(t);
  const here = await clientOn(t, path, { pollMinInterval: "1h", pollMaxInterval: "1h" });
  const there = await clientOn(t, path);
  const handle = await here.dispatch(waits, []);
  const waiting = handle.wait({ timeout: "5s" });
  await there.cancel(handle.id);
  assert.equal((await waiting).ok, false);
});

test("a wait for what has ended resolves at once", async (t) => {
  const clock = new ManualClock();
  const stent = await clientOn(t, "sqlite::memory:", { clock });
  const handle = await stent.dispatch(waits, []);
  await handle.cancel();
  assert.equal((await stent.waitFor(handle.id)).ok, false);
  assert.equal((await stent.resultOf(handle.id)).ok, false);
  assert.equal(clock.pending, 0);
});

test("one that was started anew is waited for until it ends again", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, [], { id: "x" });
  const waiting = handle.wait();
  const first = handle.cancel("first");
  const anew = stent.dispatch(waits, [], { id: "x", ifExists: "restart-if-failed" });
  await Promise.all([first, anew]);
  await handle.cancel("second");
  assert.match(String((await waiting).error), /first|second/);
});

test("a wait that takes too long ends with an ExpiryError, and the execution goes on", async (t) => {
  const clock = new ManualClock();
  const stent = await clientOn(t, "sqlite::memory:", { clock });
  const handle = await stent.dispatch(waits, []);
  for (const options of [{ timeout: "1m" }, { expiry: "1m" }]) {
    const waiting = rejection(stent.waitFor(handle.id, options));
    await clock.advanceAsync(59_999);
    await clock.advanceAsync(1);
    const error = await waiting;
    assert.ok(error instanceof ExpiryError);
    assert.equal(error.code, "WAIT_EXPIRED");
  }
  assert.equal((await handle.state()).state, "pending");
  assert.equal(clock.pending, 0);
});

test("a timeout of nothing looks once", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  assert.ok((await rejection(handle.wait({ timeout: 0 }))) instanceof ExpiryError);
  await handle.cancel();
  assert.equal((await handle.wait({ timeout: 0 })).ok, false);
});

test("a wait ends with the reason of its signal, and lets go of it", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  const controller = new AbortController();
  const waiting = rejection(handle.wait({ signal: controller.signal }));
  const reason = new Error("no longer wanted");
  controller.abort(reason);
  assert.equal(await waiting, reason);
  assert.equal(await rejection(handle.wait({ signal: controller.signal })), reason);
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
});

test("a signal that does not fire is let go of too", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  const { signal } = new AbortController();
  const waiting = handle.wait({ signal });
  await handle.cancel();
  await waiting;
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("an unknown id is not waited for", async (t) => {
  const stent = await clientOn(t);
  assert.ok((await rejection(stent.waitFor("nobody"))) instanceof ExecutionNotFoundError);
  assert.ok((await rejection(stent.resultOf("nobody"))) instanceof ExecutionNotFoundError);
});

test("one that is deleted while it is waited for is not found, if the wait has not seen its end", async (t) => {
  const path = databaseFile(t);
  const clock = new ManualClock();
  const here = await clientOn(t, path, { clock });
  const handle = await here.dispatch(waits, []);
  const waiting = rejection(handle.wait());
  await clock.advanceAsync(0);
  // Ended and deleted by another process, with nobody looking in between.
  const database = new Database(path);
  database.prepare("delete from stent_executions where id = ?").run(handle.id);
  database.close();
  await clock.advanceAsync(10_000);
  assert.ok((await waiting) instanceof ExecutionNotFoundError);
});

test("one that ends and is deleted at once is still told to who waited for it in the same process", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  const waiting = handle.wait();
  await stent.cancel(handle.id, { reason: "done with it" });
  await stent.bulk("delete", {});
  const result = await waiting;
  assert.equal(result.error?.message, "done with it");
});

test("the result of what has not ended is not there yet", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  const error = await rejection(stent.resultOf(handle.id));
  assert.ok(error instanceof ExecutionRunningError);
  assert.match(error.message, /pending/);
});

test("wrong options of a wait are refused", async (t) => {
  const stent = await clientOn(t);
  const handle = await stent.dispatch(waits, []);
  await assert.rejects(handle.wait({ timeout: "soon" }), /timeout: /);
  await assert.rejects(stent.waitFor(handle.id, { timeout: 1, expiry: 1 }), TypeError);
  await assert.rejects(handle.wait({ signal: {} as AbortSignal }), TypeError);
  await assert.rejects(handle.wait({ timout: 1 } as never), TypeError);
});

test("a wait that is open when its client closes is rejected, and the execution is untouched", async (t) => {
  const path = databaseFile(t);
  const stent = await clientOn(t, path);
  const handle = await stent.dispatch(waits, []);
  const waiting = rejection(handle.wait());
  await stent.close();
  assert.ok((await waiting) instanceof ClosedError);
  const again = await clientOn(t, path);
  assert.equal((await again.stateOf(handle.id)).state, "pending");
});

test("a process that has closed its client, or waits for nothing, ends by itself", () => {
  for (const last of ["await stent.close()", "void stent"]) {
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", program(last)],
      { cwd: join(import.meta.dirname, "../.."), encoding: "utf8", timeout: 20_000 },
    );
    assert.equal(status, 0, stderr);
  }
});

function program(last: string): string {
  return `
    import { Stent, workflow, signal } from "./src/index.ts";
    const waits = workflow("waits", function* () { yield* signal("go"); });
    const stent = await Stent.open("sqlite::memory:");
    const handle = await stent.dispatch(waits, []);
    await handle.wait({ timeout: 20 }).catch(() => undefined);
    const open = handle.wait({ timeout: "1h" });
    setImmediate(() => handle.cancel());
    await open;
    ${last};
  `;
}
