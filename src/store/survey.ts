import type { ExecutionStatus } from "../core/status.ts";

/** How many executions there are. */
export interface ExecutionCounts {
  readonly byState: Readonly<Record<ExecutionStatus, number>>;
  /** That ended so since a time. */
  readonly completedSince: number;
  readonly failedSince: number;
  readonly deadLetters: number;
}

/** What stands in one lane of the queue and is held by nobody. */
export interface LaneDepth {
  readonly lane: number;
  /** Executions that have begun, such that have not, or tasks. */
  readonly of: "begun" | "unbegun" | "task";
  readonly ready: number;
  readonly delayed: number;
  /** Held back, until a place is free or a result there. */
  readonly aside: number;
  /** When the first of it became due, or becomes so. */
  readonly firstDueAt: number;
}

/** What one session holds of one lane. */
export interface HeldDepth {
  readonly lane: number;
  readonly session: number;
  readonly count: number;
}

/** An execution that has not ended, and that nothing would ever wake. */
export interface Stranded {
  readonly id: string;
  readonly name: string;
}

/** What operators ask of the whole database: aggregates, of which a million executions make no more work than an index does. */
export interface Survey {
  counts(since: number): Promise<ExecutionCounts>;
  depths(now: number): Promise<readonly LaneDepth[]>;
  held(): Promise<readonly HeldDepth[]>;
  /** Of blocked executions, the oldest. */
  blocked(limit: number): Promise<readonly { readonly id: string; readonly blocked: string }[]>;
  /** Reads every execution that has not ended. */
  stranded(limit: number): Promise<readonly Stranded[]>;
  /** What a session that is marked dead, or is not there, holds all the same. */
  heldByNobody(limit: number): Promise<readonly { readonly id: string }[]>;
  /** When the newest execution was made. */
  newestAt(): Promise<number | undefined>;
}
