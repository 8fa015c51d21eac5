import type { Result } from "../core/result.ts";
import type { ExecutionStatus } from "../core/status.ts";

/** An execution as it stands. */
export interface ExecutionState<R = unknown> {
  readonly id: string;
  /** The name of its workflow; of a job, of its activity. */
  readonly workflow: string;
  readonly version: string | undefined;
  readonly state: ExecutionStatus;
  /** Undefined until it has ended; the SerializationError that says so where it cannot be read. */
  readonly result: Result<R> | undefined;
  readonly createdAt: Date;
  readonly startedAt: Date | undefined;
  readonly completedAt: Date | undefined;
  /** Attempts less one: of a job, its task's; of a workflow, those by its retry policy. */
  readonly retries: number;
  /** The newest 200; `progressTotal` counts them all. */
  readonly progress: readonly ProgressEntry[];
  readonly progressTotal: number;
  /** "reserve(0.3s) > charge(1.2s) > sleep" */
  readonly progressText: string;
  /** What it waits for now: signal names, timers with their time, tasks with queue, attempt and next retry, children. */
  readonly waitingFor: readonly WaitReason[];
  readonly tags: readonly string[];
  readonly priority: number;
  readonly queue: string | undefined;
  readonly parentId: string | undefined;
  readonly counters: Readonly<Record<string, number>>;
  /** A value that cannot be read is the SerializationError that says so. */
  readonly customState: Readonly<Record<string, unknown>>;
}

/** One step of an execution. */
export interface ProgressEntry {
  step: string;
  status: "dispatched" | "running" | "completed" | "failed" | "cache_hit";
  startedAt?: Date;
  completedAt?: Date;
  detail?: string;
}

/**
 * Something that an execution waits for. `name`: of the function or signal; of a sleep, "sleep". "worker": nobody who could take it is
 * alive. "limit": maxConcurrent or rateLimit. "blocked": non-determinism, poison, or an unreadable journal; the detail says what to do.
 */
export interface WaitReason {
  kind: "activity" | "workflow" | "sleep" | "signal" | "worker" | "limit" | "blocked";
  name: string;
  since: Date;
  until?: Date;
  detail?: string;
}

/** An execution in a list. */
export type ExecutionSummary = Omit<
  ExecutionState,
  | "progress"
  | "progressTotal"
  | "result"
  | "counters"
  | "customState"
  | "waitingFor"
  | "progressText"
>;
