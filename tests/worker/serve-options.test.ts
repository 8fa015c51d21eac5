import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describe, test } from "node:test";
import { InvalidDurationError } from "../../src/core/errors.ts";
import { WorkerLifecycle } from "../../src/worker/lifecycle.ts";
import { resolveServeOptions, type ServeOptions } from "../../src/worker/serve-options.ts";

describe("the options of a worker", () => {
  test("have defaults", () => {
    const { workerId, lifecycle, ...rest } = resolveServeOptions();
    assert.deepEqual(rest, {
      queues: undefined,
      tags: undefined,
      maxConcurrency: 10,
      maxCachedWorkflows: 1_000,
      leaseDurationMs: 60_000,
      heartbeatIntervalMs: 20_000,
      maxClaims: 5,
      pollIntervalMs: 1_000,
      pollIntervalMaxMs: 5_000,
      pollBackoffFactor: 2,
      cleanupIntervalMs: 3_600_000,
      retentionPeriodMs: 7 * 86_400_000,
      drainTimeoutMs: 30_000,
      cancelGraceMs: 30_000,
      deadLetterRetentionMs: 30 * 86_400_000,
    });
    assert.ok(workerId.startsWith(`${hostname()}-${process.pid}-`));
    assert.equal(lifecycle.state, "starting");
  });

  test("name each worker differently", () => {
    assert.notEqual(resolveServeOptions().workerId, resolveServeOptions().workerId);
  });

  test("are taken as they are given", () => {
    const lifecycle = new WorkerLifecycle("mails");
    assert.deepEqual(
      resolveServeOptions({
        workerId: "w-1",
        queues: ["mail", "default", "mail"],
        tags: [],
        maxConcurrency: 1,
        maxCachedWorkflows: 0,
        leaseDuration: "3s",
        heartbeatInterval: 2_999,
        maxClaims: 1,
        pollInterval: "100ms",
        pollIntervalMax: { milliseconds: 100 },
        pollBackoffFactor: 1,
        cleanupInterval: "1m",
        retentionPeriod: 0,
        drainTimeout: 0,
        cancelGrace: 0,
        deadLetterRetention: 0,
        lifecycle,
      }),
      {
        workerId: "w-1",
        queues: ["mail", "default"],
        tags: [],
        maxConcurrency: 1,
        maxCachedWorkflows: 0,
        leaseDurationMs: 3_000,
        heartbeatIntervalMs: 2_999,
        maxClaims: 1,
        pollIntervalMs: 100,
        pollIntervalMaxMs: 100,
        pollBackoffFactor: 1,
        cleanupIntervalMs: 60_000,
        retentionPeriodMs: 0,
        drainTimeoutMs: 0,
        cancelGraceMs: 0,
        deadLetterRetentionMs: 0,
        lifecycle,
      },
    );
  });

  test("say by null: no heartbeat, no cleanup, dead letters for ever", () => {
    const resolved = resolveServeOptions({
      heartbeatInterval: null,
      cleanupInterval: null,
      deadLetterRetention: null,
    });
    assert.equal(resolved.heartbeatIntervalMs, undefined);
    assert.equal(resolved.cleanupIntervalMs, undefined);
    assert.equal(resolved.deadLetterRetentionMs, Infinity);
  });

  test("that are undefined are left out", () => {
    const options = {
      maxConcurrency: undefined,
      leaseDuration: undefined,
    } as unknown as ServeOptions;
    assert.equal(resolveServeOptions(options).maxConcurrency, 10);
  });

  test("renew a short lease in time too", () => {
    assert.equal(resolveServeOptions({ leaseDuration: 2 }).heartbeatIntervalMs, 1);
  });

  test("let the poll interval grow to itself when it is long", () => {
    assert.equal(resolveServeOptions({ pollInterval: "1m" }).pollIntervalMaxMs, 60_000);
  });

  test("take a lifecycle that was told to drain before", () => {
    const lifecycle = new WorkerLifecycle();
    lifecycle.requestDrain();
    assert.equal(resolveServeOptions({ lifecycle }).lifecycle, lifecycle);
  });
});

describe("wrong options of a worker", () => {
  const ready = new WorkerLifecycle();
  ready.toReady();
  const stopped = new WorkerLifecycle();
  stopped.toStopped();

  type ErrorClass = new (...args: never[]) => Error;
  const wrong: readonly (readonly [options: object, errorClass: ErrorClass, message: RegExp])[] = [
    [{ workerId: "" }, TypeError, /workerId .* got ""/],
    [{ workerId: 7 }, TypeError, /workerId .* got 7/],
    [{ queues: [] }, RangeError, /queues .* leave it out/],
    [{ queues: "mail" }, TypeError, /queues .* got "mail"/],
    [{ queues: ["mail", ""] }, TypeError, /queues .* got mail,/],
    [{ tags: [7] }, TypeError, /tags .* got 7/],
    [{ maxConcurrency: 0 }, RangeError, /maxConcurrency .* from 1, got 0/],
    [{ maxConcurrency: 1.5 }, RangeError, /maxConcurrency .* got 1.5/],
    [{ maxConcurrency: Infinity }, RangeError, /maxConcurrency .* got Infinity/],
    [{ maxConcurrency: "5" }, RangeError, /maxConcurrency .* got "5"/],
    [{ maxCachedWorkflows: -1 }, RangeError, /maxCachedWorkflows .* from 0, got -1/],
    [{ maxClaims: 0 }, RangeError, /maxClaims .* from 1, got 0/],
    [{ leaseDuration: 0 }, RangeError, /leaseDuration must be longer than 0, got 0/],
    [{ leaseDuration: "soon" }, InvalidDurationError, /^leaseDuration: cannot read "soon"/],
    [{ drainTimeout: -1 }, InvalidDurationError, /^drainTimeout: cannot read "-1"/],
    [{ retentionPeriod: NaN }, InvalidDurationError, /^retentionPeriod: /],
    [{ heartbeatInterval: 0 }, RangeError, /heartbeatInterval must be longer than 0/],
    [
      { heartbeatInterval: "1m" },
      RangeError,
      /heartbeatInterval \(60000 ms\) must be below leaseDuration \(60000 ms\)/,
    ],
    [{ leaseDuration: 1 }, RangeError, /heartbeatInterval \(1 ms\) must be below/],
    [{ pollInterval: 0 }, RangeError, /pollInterval must be longer than 0/],
    [
      { pollIntervalMax: "999ms" },
      RangeError,
      /pollIntervalMax \(999 ms\) must not be below pollInterval \(1000 ms\)/,
    ],
    [{ pollBackoffFactor: 0.5 }, RangeError, /pollBackoffFactor .* got 0.5/],
    [{ pollBackoffFactor: NaN }, RangeError, /pollBackoffFactor .* got NaN/],
    [{ cleanupInterval: 0 }, RangeError, /cleanupInterval must be longer than 0/],
    [{ lifecycle: {} }, TypeError, /lifecycle must come from createWorkerLifecycle/],
    [{ lifecycle: ready }, TypeError, /worker that is ready already/],
    [{ lifecycle: stopped }, TypeError, /worker that is stopped already/],
  ];
  for (const [options, errorClass, message] of wrong) {
    test(`are refused: ${String(message)}`, () => {
      assert.throws(
        () => resolveServeOptions(options),
        (error) => error instanceof errorClass && message.test(error.message),
      );
    });
  }
});
