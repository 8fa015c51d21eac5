import type { ActivityOptions, AnyDurable } from "./durable.ts";
import { parseDuration } from "./duration.ts";
import type { Overrides } from "./overrides.ts";
import { mergeRetry, resolveRetry, retryFromData, type ResolvedRetry } from "./retry.ts";

/** Attempts in all where nothing is said. */
const defaultAttempts = { activity: 3, workflow: 1 } as const;

/** What is stored of where and how a call runs: data only, and only what is set. */
export interface StoredOptions extends Overrides {
  /** The span from which those of this call or execution go on: see `Tracing`. */
  readonly trace?: string;
  /** How often its dead letter has been replayed. */
  readonly replays?: number;
  /** Of a map: how many items may fail; left out: one fails it. null: any number may. */
  readonly tolerated?: number | null;
  /** Of a map: at most so many items are in flight; left out: all of them. */
  readonly concurrency?: number;
  /** Of a map whose items are children. Then version and maxDuration are those of the children, the definition's too. */
  readonly over?: "workflow";
}

/** How the attempts of one call are made: the definition's options under those of the place of call. Milliseconds. */
export interface AttemptPolicy {
  readonly retry: ResolvedRetry;
  readonly timeoutMs: number | undefined;
  readonly totalTimeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
}

/** How a function's attempts are made, `stored` over what its definition says. */
export function attemptPolicy(fn: AnyDurable, stored: StoredOptions): AttemptPolicy {
  const options = fn.options as ActivityOptions<unknown[]>;
  const own =
    stored.retry === undefined
      ? options.retry
      : mergeRetry(options.retry ?? {}, retryFromData(stored.retry));
  const ms = (name: "timeout" | "totalTimeout" | "heartbeatTimeout"): number | undefined => {
    const value = stored[name] ?? options[name];
    return value === undefined ? undefined : parseDuration(value);
  };
  return {
    retry: resolveRetry(own, defaultAttempts[fn.kind]),
    timeoutMs: ms("timeout"),
    totalTimeoutMs: ms("totalTimeout"),
    heartbeatTimeoutMs: ms("heartbeatTimeout"),
  };
}

/** How long a call of an activity may take in all, in milliseconds; undefined for no limit, and for a workflow. */
export function totalTimeoutOf(
  fn: AnyDurable,
  overrides: Overrides | undefined,
): number | undefined {
  if (fn.kind !== "activity") return undefined;
  const total = overrides?.totalTimeout ?? fn.options.totalTimeout;
  return total === undefined ? undefined : parseDuration(total);
}

/** How many attempts a call may have in all. `fn`: undefined where its code is not in this process; then its definition is not counted in. */
export function maxAttemptsOf(
  kind: AnyDurable["kind"],
  fn: AnyDurable | undefined,
  stored: StoredOptions,
): number {
  return fn === undefined
    ? (stored.retry?.maxAttempts ?? defaultAttempts[kind])
    : attemptPolicy(fn, stored).retry.maxAttempts;
}

/** Where a call runs: what is set at its place of call, then at the definition, then what its execution has. */
export interface Placement {
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
}

/** The name under which work without a queue is asked for. */
export const unqueued = "default";

/** Where a call or child of this execution runs. */
export function placementOf(
  fn: AnyDurable,
  overrides: Overrides | undefined,
  execution: Placement,
): Placement {
  const queue = overrides?.queue ?? fn.options.queue ?? execution.queue;
  return {
    queue: queue === unqueued ? undefined : queue,
    priority: overrides?.priority ?? fn.options.priority ?? execution.priority,
    tags: overrides?.tags ?? fn.options.tags ?? execution.tags,
  };
}
