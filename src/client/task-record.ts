/** A task: an attempt of an activity that waits, runs or has ended; in the list of one execution also its children, sleeps and signals. */
export interface TaskRecord {
  id: string;
  executionId: string;
  name: string;
  kind: "activity" | "workflow" | "sleep" | "signal";
  state: "pending" | "running" | "completed" | "failed" | "cancelled";
  /** From 1; of one that waits, the attempt that comes next. */
  attempt: number;
  /** Where only its definition says it, and this process does not have that: the default. */
  maxAttempts: number;
  queue: string | undefined;
  priority: number;
  tags: readonly string[];
  /** Where it runs. */
  workerId: string | undefined;
  createdAt: Date;
  /** Of one that waits: when it may begin, or ends by itself. */
  scheduledFor: Date | undefined;
  startedAt: Date | undefined;
  completedAt: Date | undefined;
  /** Of the last attempt that failed. */
  error: Error | undefined;
}

/** A task as far as its rows and this process tell. */
export type FoundTask = Omit<TaskRecord, "maxAttempts"> & {
  /** Undefined where only its definition says it, and this process does not have that. */
  readonly maxAttempts: number | undefined;
};
