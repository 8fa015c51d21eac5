/** States of an execution. The last four are final. */
export const executionStates = [
  "pending",
  "running",
  "cancelling",
  "completed",
  "failed",
  "timed_out",
  "cancelled",
] as const;
export type ExecutionStatus = (typeof executionStates)[number];

/** States in which an execution has ended. */
export const finalStates = ["completed", "failed", "timed_out", "cancelled"] as const;

/** True once an execution has ended. */
export function isFinal(state: ExecutionStatus): boolean {
  return (finalStates as readonly string[]).includes(state);
}

/** Whether an entry or item has its outcome. Nobody wants the outcome of a withdrawn one any more. */
export const entryStatus = { pending: 0, completed: 1, failed: 2, withdrawn: 3 } as const;
export type EntryStatus = (typeof entryStatus)[keyof typeof entryStatus];
