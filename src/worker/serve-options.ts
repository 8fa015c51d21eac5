import { hostname } from "node:os";
import { parseDuration, type Duration } from "../core/duration.ts";
import { InvalidDurationError } from "../core/errors.ts";
import { knownOptions } from "../core/option.ts";
import { newUuid } from "../runtime/ids.ts";
import { WorkerLifecycle } from "./lifecycle.ts";

/** How a worker serves. */
export interface ServeOptions {
  /** How it is called in lists, logs and metrics. Default: host, process number and a few characters by chance. */
  workerId?: string;
  /** Only tasks of these queues; default: all, unqueued included. "default" names the unqueued. */
  queues?: readonly string[];
  /** Only tasks that carry one of these tags, or none. Default: all. */
  tags?: readonly string[];
  /** Activities at a time. Default 10. */
  maxConcurrency?: number;
  /** Coroutines kept in memory between turns; beyond it the least recently used is dropped and replayed when needed. Default 1000. */
  maxCachedWorkflows?: number;
  /** One lease a worker, renewed by heartbeat; long activities need no long lease. Default "1m". */
  leaseDuration?: Duration;
  /** Default: a third of the lease; null: none, so the session ends with its lease. */
  heartbeatInterval?: Duration | null;
  /** A task or turn that was running in this many worker sessions when they died is poison. Default 5. */
  maxClaims?: number;
  /** How soon it looks again when idle and nothing wakes it. Default "1s". */
  pollInterval?: Duration;
  /** What the interval grows to. Default "5s", or pollInterval if that is longer. */
  pollIntervalMax?: Duration;
  /** By this the interval grows with each look that finds nothing. Default 2. */
  pollBackoffFactor?: number;
  /** How often ended executions and the like are deleted. Default "1h"; null: never. */
  cleanupInterval?: Duration | null;
  /** How long executions are kept after their end. Default "7d". */
  retentionPeriod?: Duration;
  /** On drain: how long running activities may take before their AbortSignal fires. Default "30s". */
  drainTimeout?: Duration;
  /** How long a cancelled or timed-out execution waits for its running attempts to answer their AbortSignal before it goes on without them. Default "30s". */
  cancelGrace?: Duration;
  /** How long dead letters are kept. Default "30d"; null: for ever. */
  deadLetterRetention?: Duration | null;
  /** To watch the worker and to end it. Default: one of its own. */
  lifecycle?: WorkerLifecycle;
}

/** Serve options, every one decided and checked; durations in milliseconds. */
export interface ResolvedServeOptions {
  readonly workerId: string;
  /** Undefined: all. */
  readonly queues: readonly string[] | undefined;
  /** Undefined: all. */
  readonly tags: readonly string[] | undefined;
  readonly maxConcurrency: number;
  readonly maxCachedWorkflows: number;
  readonly leaseDurationMs: number;
  /** Undefined: no heartbeat. */
  readonly heartbeatIntervalMs: number | undefined;
  readonly maxClaims: number;
  readonly pollIntervalMs: number;
  readonly pollIntervalMaxMs: number;
  readonly pollBackoffFactor: number;
  /** Undefined: no cleanup. */
  readonly cleanupIntervalMs: number | undefined;
  readonly retentionPeriodMs: number;
  readonly drainTimeoutMs: number;
  readonly cancelGraceMs: number;
  /** Infinity: for ever. */
  readonly deadLetterRetentionMs: number;
  readonly lifecycle: WorkerLifecycle;
}

const defaults = {
  maxConcurrency: 10,
  maxCachedWorkflows: 1_000,
  leaseDuration: "1m",
  maxClaims: 5,
  pollInterval: "1s",
  pollIntervalMaxMs: 5_000,
  pollBackoffFactor: 2,
  cleanupInterval: "1h",
  retentionPeriod: "7d",
  drainTimeout: "30s",
  cancelGrace: "30s",
  deadLetterRetention: "30d",
} as const;

const known = [
  "workerId",
  "queues",
  "tags",
  "maxConcurrency",
  "maxCachedWorkflows",
  "leaseDuration",
  "heartbeatInterval",
  "maxClaims",
  "pollInterval",
  "pollIntervalMax",
  "pollBackoffFactor",
  "cleanupInterval",
  "retentionPeriod",
  "drainTimeout",
  "cancelGrace",
  "deadLetterRetention",
  "lifecycle",
];

/** Every option decided, checked once. @throws RangeError, TypeError or InvalidDurationError naming the option and its value. */
export function resolveServeOptions(options: ServeOptions = {}): ResolvedServeOptions {
  knownOptions("serve", options, known);
  const leaseDurationMs = positiveMs(
    "leaseDuration",
    options.leaseDuration ?? defaults.leaseDuration,
  );
  const pollIntervalMs = positiveMs("pollInterval", options.pollInterval ?? defaults.pollInterval);
  return {
    workerId: workerIdOf(options.workerId),
    queues: queuesOf(options.queues),
    tags: namesOf("tags", options.tags),
    maxConcurrency: wholeNumber(
      "maxConcurrency",
      1,
      options.maxConcurrency ?? defaults.maxConcurrency,
    ),
    maxCachedWorkflows: wholeNumber(
      "maxCachedWorkflows",
      0,
      options.maxCachedWorkflows ?? defaults.maxCachedWorkflows,
    ),
    leaseDurationMs,
    heartbeatIntervalMs: heartbeatIntervalMs(options.heartbeatInterval, leaseDurationMs),
    maxClaims: wholeNumber("maxClaims", 1, options.maxClaims ?? defaults.maxClaims),
    pollIntervalMs,
    pollIntervalMaxMs: pollIntervalMaxMs(options.pollIntervalMax, pollIntervalMs),
    pollBackoffFactor: backoffFactor(options.pollBackoffFactor ?? defaults.pollBackoffFactor),
    cleanupIntervalMs:
      options.cleanupInterval === null
        ? undefined
        : positiveMs("cleanupInterval", options.cleanupInterval ?? defaults.cleanupInterval),
    retentionPeriodMs: durationMs(
      "retentionPeriod",
      options.retentionPeriod ?? defaults.retentionPeriod,
    ),
    drainTimeoutMs: durationMs("drainTimeout", options.drainTimeout ?? defaults.drainTimeout),
    cancelGraceMs: durationMs("cancelGrace", options.cancelGrace ?? defaults.cancelGrace),
    deadLetterRetentionMs:
      options.deadLetterRetention === null
        ? Infinity
        : durationMs(
            "deadLetterRetention",
            options.deadLetterRetention ?? defaults.deadLetterRetention,
          ),
    lifecycle: lifecycleOf(options.lifecycle),
  };
}

function workerIdOf(workerId: string | undefined): string {
  if (workerId === undefined) return `${hostname()}-${process.pid}-${newUuid().slice(0, 8)}`;
  if (isName(workerId)) return workerId;
  throw new TypeError(`workerId must be a non-empty string, got ${show(workerId)}`);
}

function queuesOf(queues: readonly string[] | undefined): readonly string[] | undefined {
  const names = namesOf("queues", queues);
  if (names?.length !== 0) return names;
  throw new RangeError("queues must name at least one queue; leave it out for all of them");
}

function namesOf(
  option: string,
  names: readonly string[] | undefined,
): readonly string[] | undefined {
  if (names === undefined) return undefined;
  if (Array.isArray(names) && names.every(isName)) return Object.freeze([...new Set(names)]);
  throw new TypeError(`${option} must be an array of non-empty strings, got ${show(names)}`);
}

function isName(name: unknown): name is string {
  return typeof name === "string" && name !== "";
}

function heartbeatIntervalMs(
  interval: Duration | null | undefined,
  leaseMs: number,
): number | undefined {
  if (interval === null) return undefined;
  const ms =
    interval === undefined
      ? Math.max(1, Math.floor(leaseMs / 3))
      : positiveMs("heartbeatInterval", interval);
  if (ms < leaseMs) return ms;
  throw new RangeError(`heartbeatInterval (${ms} ms) must be below leaseDuration (${leaseMs} ms)`);
}

function pollIntervalMaxMs(interval: Duration | undefined, pollIntervalMs: number): number {
  if (interval === undefined) return Math.max(pollIntervalMs, defaults.pollIntervalMaxMs);
  const ms = positiveMs("pollIntervalMax", interval);
  if (ms >= pollIntervalMs) return ms;
  throw new RangeError(
    `pollIntervalMax (${ms} ms) must not be below pollInterval (${pollIntervalMs} ms)`,
  );
}

function backoffFactor(factor: number): number {
  if (Number.isFinite(factor) && factor >= 1) return factor;
  throw new RangeError(`pollBackoffFactor must be a number from 1, got ${show(factor)}`);
}

function lifecycleOf(lifecycle: WorkerLifecycle | undefined): WorkerLifecycle {
  if (lifecycle === undefined) return new WorkerLifecycle();
  if (!(lifecycle instanceof WorkerLifecycle)) {
    throw new TypeError("lifecycle must come from createWorkerLifecycle()");
  }
  if (lifecycle.state === "starting" || lifecycle.state === "draining") return lifecycle;
  throw new TypeError(
    `lifecycle is that of a worker that is ${lifecycle.state} already; each worker needs its own, from createWorkerLifecycle()`,
  );
}

function wholeNumber(option: string, from: number, value: number): number {
  if (Number.isSafeInteger(value) && value >= from) return value;
  throw new RangeError(`${option} must be a whole number from ${from}, got ${show(value)}`);
}

function positiveMs(option: string, value: Duration): number {
  const ms = durationMs(option, value);
  if (ms > 0) return ms;
  throw new RangeError(`${option} must be longer than 0, got ${show(value)}`);
}

function durationMs(option: string, value: Duration): number {
  try {
    return parseDuration(value);
  } catch (error) {
    if (!(error instanceof InvalidDurationError)) throw error;
    error.message = `${option}: ${error.message}`;
    throw error;
  }
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
