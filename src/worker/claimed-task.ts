import type { ClaimedExecution, ClaimedTask, Json, NewTask } from "../store/store.ts";

/** A task that a turn has put into the queue and taken in the same commit, as a claim would give it. */
export function claimedTask(
  execution: ClaimedExecution,
  task: NewTask,
  of: {
    readonly items: ClaimedTask["items"];
    readonly options: Json | undefined;
    /** Of its entry, where that was there before. */
    readonly cut?: number;
    readonly taken: { readonly key: number; readonly claim: number };
    readonly now: number;
  },
): ClaimedTask {
  const { id, key, run, queue } = execution;
  return {
    key: of.taken.key,
    claim: of.taken.claim,
    execution: key,
    executionId: id,
    run,
    cut: of.cut ?? execution.cut,
    seq: task.seq,
    path: task.path,
    name: task.name,
    queue: task.queue ?? queue,
    attempt: task.attempt + 1,
    failures: task.failures,
    scheduledAt: of.now,
    dueAt: of.now,
    options: of.options,
    marks: 0,
    gates: undefined,
    deadlock: undefined,
    stored: undefined,
    apart: false,
    items: of.items,
  };
}
