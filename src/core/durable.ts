import type { Duration } from "./duration.ts";
import type { Flow } from "./effects/effect.ts";
import type { RetryPolicy } from "./retry.ts";
import type { StandardSchema } from "./schema.ts";

/** Options of workflows and activities alike. `A` is the arguments tuple. */
export interface DurableOptions<A extends readonly unknown[]> {
  /** `queue`, `priority` and `tags`: what a call or child has none of its own of, it takes from the execution that makes it. */
  queue?: string;
  /** Higher is taken first. Default 0. */
  priority?: number;
  tags?: readonly string[];
  /** Activities: 3 attempts in all; workflows: 1. */
  retry?: RetryPolicy;
  version?: string;
  /** Store results and reuse them in every execution with equal arguments and version. */
  cached?: boolean | { ttl: Duration };
  /** Run once per key in all executions; callers in flight wait for the one that runs. The result outlives its execution: for ever, or for `ttl`. */
  idempotent?: boolean | { ttl: Duration };
  /** Default: function name, version and canonical arguments. Own keys are namespaced by the function's name alone. */
  idempotencyKey?: (...args: A) => string;
  /** At most this many running at a time, cluster-wide; a workflow keeps its slot while it sleeps. */
  maxConcurrent?: number | { limit: number; key: (...args: A) => string };
  /** Token bucket, cluster-wide: a burst of at most `limit` starts, refilled evenly over `per`. */
  rateLimit?: { limit: number; per: Duration; key?: (...args: A) => string };
}

/** Options of an activity. */
export interface ActivityOptions<A extends readonly unknown[]> extends DurableOptions<A> {
  /** Longest one attempt may take; past it the attempt's AbortSignal fires and it counts as failed. Default: none. */
  timeout?: Duration;
  /** Longest from scheduling to final outcome, retries included. Default: none. */
  totalTimeout?: Duration;
  /** The attempt fails if `context().heartbeat()` is silent for this long. Default: none. */
  heartbeatTimeout?: Duration;
}

/** Options of a workflow. */
export interface WorkflowOptions<A extends readonly unknown[]> extends DurableOptions<A> {
  /** Longest run over all its runs, from the scheduled start; past it the state is timed_out. Default: none. */
  maxDuration?: Duration;
  /** Validates the arguments tuple before anything is written; what the schema puts out is what is stored. @throws ValidationError where it is dispatched or called. */
  input?: StandardSchema<A>;
}

/** An async function registered under a stable name. Calling it runs the plain function, undurably (unit tests). */
export interface Activity<A extends readonly unknown[], R> {
  (...args: A): Promise<R>;
  readonly kind: "activity";
  readonly functionName: string;
  readonly options: ActivityOptions<A>;
  /** The same activity, these options merged over its own, at this place of call. */
  with(options: CallOptions<ActivityOptions<A>>): Activity<A, R>;
}

/** A generator function registered under a stable name. Calling it returns its generator: step it in a unit test, or `yield*` it inline. */
export interface Workflow<A extends readonly unknown[], R> {
  (...args: A): Flow<R>;
  readonly kind: "workflow";
  readonly functionName: string;
  readonly options: WorkflowOptions<A>;
  with(options: CallOptions<WorkflowOptions<A>>): Workflow<A, R>;
}

/** What travels with a call is data: `retryFor` only as error classes, by name; a predicate there is a TypeError. */
export type CallOptions<O extends { retry?: RetryPolicy }> = Omit<O, "retry" | "input"> & {
  retry?: Omit<RetryPolicy, "retryFor"> & {
    // oxlint-disable-next-line typescript/no-explicit-any -- any constructor of errors will do
    retryFor?: readonly (abstract new (...args: any[]) => Error)[];
  };
};

/** A workflow or an activity. */
export type Durable<A extends readonly unknown[], R> = Activity<A, R> | Workflow<A, R>;

/** A durable function whose types no longer matter: what registries, journals and workers hold. */
// oxlint-disable-next-line typescript/no-explicit-any -- every function has to fit
export type AnyDurable = Durable<any, any>;
