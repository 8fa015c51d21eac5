import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClosedError } from "../../src/core/errors.ts";
import { WorkerLifecycle } from "../../src/worker/lifecycle.ts";
import { settled } from "../support/manual-clock.ts";

describe("a worker's life", () => {
  test("goes from starting over ready and draining to stopped", async () => {
    const lifecycle = new WorkerLifecycle("mails");
    const seen = [lifecycle.state];
    lifecycle.toReady();
    seen.push(lifecycle.state);
    lifecycle.requestDrain();
    seen.push(lifecycle.state);
    lifecycle.toStopped();
    seen.push(lifecycle.state);
    assert.deepEqual(seen, ["starting", "ready", "draining", "stopped"]);
    assert.equal(lifecycle.name, "mails");
    await lifecycle.waitUntilReady();
    await lifecycle.waitUntilStopped();
  });

  test("needs no name", () => {
    assert.equal(new WorkerLifecycle().name, undefined);
  });

  test("lets those who wait go on when it gets there", async () => {
    const lifecycle = new WorkerLifecycle();
    const reached: string[] = [];
    void lifecycle.waitUntilReady().finally(() => reached.push("ready"));
    void lifecycle.waitUntilStopped().finally(() => reached.push("stopped"));
    await settled();
    assert.deepEqual(reached, []);
    lifecycle.toReady();
    await settled();
    assert.deepEqual(reached, ["ready"]);
    lifecycle.toStopped();
    await settled();
    assert.deepEqual(reached, ["ready", "stopped"]);
  });

  test("never goes back", () => {
    const lifecycle = new WorkerLifecycle();
    lifecycle.requestDrain();
    lifecycle.toReady();
    assert.equal(lifecycle.state, "draining");
    lifecycle.toStopped();
    lifecycle.toReady();
    lifecycle.requestDrain();
    assert.equal(lifecycle.state, "stopped");
  });

  test("fails those who wait for it to be ready, by what stopped it before", async () => {
    const lifecycle = new WorkerLifecycle();
    const waiting = lifecycle.waitUntilReady();
    const error = new Error("no database");
    lifecycle.toStopped(error);
    await assert.rejects(waiting, error);
    await assert.rejects(lifecycle.waitUntilReady(), error);
    await assert.rejects(lifecycle.waitUntilStopped(), error);
  });

  test("fails those who wait for it to be ready, if it was drained before", async () => {
    const lifecycle = new WorkerLifecycle("mails");
    lifecycle.requestDrain();
    lifecycle.toStopped();
    await assert.rejects(lifecycle.waitUntilReady(), (error) => {
      return (
        error instanceof ClosedError &&
        /worker "mails" was stopped before it was ready/.test(error.message)
      );
    });
    await lifecycle.waitUntilStopped();
  });

  test("stays ready for those who ask after it has stopped by an error", async () => {
    const lifecycle = new WorkerLifecycle();
    lifecycle.toReady();
    lifecycle.toStopped(new Error("lost the database"));
    await lifecycle.waitUntilReady();
    await assert.rejects(lifecycle.waitUntilStopped(), /lost the database/);
  });

  test("has one end: the first", async () => {
    const lifecycle = new WorkerLifecycle();
    lifecycle.toStopped();
    lifecycle.toStopped(new Error("too late"));
    await lifecycle.waitUntilStopped();
  });

  test("leaves no rejection behind when nobody waits", async () => {
    // The test runner fails a test that leaves one.
    new WorkerLifecycle().toStopped(new Error("nobody waits"));
    await settled();
  });
});

describe("a drain", () => {
  test("is told to the worker once, however often it is asked for", () => {
    const { lifecycle, told } = listened();
    lifecycle.toReady();
    lifecycle.requestDrain();
    lifecycle.requestDrain();
    assert.deepEqual(told, ["drain"]);
  });

  test("is told to a worker that begins to listen after it was asked for", () => {
    const lifecycle = new WorkerLifecycle();
    lifecycle.requestDrain();
    assert.deepEqual(listened(lifecycle).told, ["drain"]);
  });

  test("is not told to who has taken the listener back", () => {
    const { lifecycle, told, takeBack } = listened();
    takeBack();
    lifecycle.requestDrain();
    assert.deepEqual(told, []);
  });

  test("is nothing to a worker that has stopped", () => {
    const { lifecycle, told } = listened();
    lifecycle.toStopped();
    lifecycle.requestDrain();
    lifecycle.onDrain(() => told.push("late"));
    assert.deepEqual(told, []);
  });
});

function listened(lifecycle = new WorkerLifecycle()): {
  lifecycle: WorkerLifecycle;
  told: string[];
  takeBack: () => void;
} {
  const told: string[] = [];
  const takeBack = lifecycle.onDrain(() => told.push("drain"));
  return { lifecycle, told, takeBack };
}
