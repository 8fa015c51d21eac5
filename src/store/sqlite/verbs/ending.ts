import { entryStatus, isFinal } from "../../../core/status.ts";
import type { CancelAnswer, CancelRequest, End, NewDeadLetter } from "../../store.ts";
import type { Batch } from "../batch.ts";
import { isWaitedFor, removeWork } from "./removal.ts";

/** What ending has to know of an execution. */
export interface Ending {
  readonly key: number;
  readonly id: string;
  readonly run: number;
  readonly parent: number | null;
  readonly parent_run: number | null;
  readonly parent_seq: number | null;
}

/** Ends an execution and leaves its outcome with its parent, if that still waits for it. */
export function endExecution(batch: Batch, row: Ending, end: End): void {
  batch.sql.executions.end.run({ key: row.key, state: end.state, result: end.result, failedBy: end.failedBy, now: batch.now });
  batch.hintEnded(row.id);
  if (end.deadLetter !== undefined) keepLetter(batch, row, end.deadLetter);
  if (row.parent === null || row.parent_run === null || row.parent_seq === null) return;
  leaveOutcome(batch, { execution: row.parent, run: row.parent_run, seq: row.parent_seq }, {
    status: end.state === "completed" ? entryStatus.completed : entryStatus.failed,
    value: end.result,
    attempt: 1,
    failures: end.state === "completed" ? 0 : 1,
  });
}

/** Leaves an outcome for the holder of an execution and wakes it, if the entry still waits for one. */
export function leaveOutcome(
  batch: Batch,
  entry: { readonly execution: number; readonly run: number; readonly seq: number },
  outcome: Readonly<Record<string, unknown>>,
): void {
  const target = batch.sql.executions.standing.get({ key: entry.execution });
  if (target === undefined || target.ended_at !== null || target.run !== entry.run || !isWaitedFor(batch, entry)) return;
  batch.sql.journal.insertArrival.run({ kind: "outcome", ...entry, ...outcome, now: batch.now });
  batch.wake(entry.execution, target.worker !== null);
}

/** Keeps a dead letter of an execution. */
export function keepLetter(batch: Batch, row: { readonly key: number; readonly run: number }, letter: NewDeadLetter): void {
  batch.sql.sessions.keepLetter.run({ ...letter, execution: row.key, run: row.run, now: batch.now });
}

/** Asks an execution to end, or ends it where none of its code has to run. */
export function cancel(batch: Batch, request: CancelRequest): CancelAnswer {
  const row = batch.sql.executions.byId.get({ id: request.executionId });
  if (row === undefined) return "not-found";
  if (isFinal(row.state)) return "finished";
  if (request.force) forceEnd(batch, row.key, request.reason);
  else cancelExecution(batch, row.key, request.reason);
  return "cancelled";
}

/** I10: once asked, `cancelling` stays, and the first reason with it. */
export function cancelExecution(batch: Batch, key: number, reason: string | undefined): void {
  const row = batch.sql.executions.standing.get({ key });
  if (row === undefined || isFinal(row.state) || row.state === "cancelling") return;
  if (row.worker === null && (row.state === "pending" || row.kind === "activity")) {
    endAtOnce(batch, row, reason);
    return;
  }
  batch.sql.executions.requestCancel.run({ key, reason: JSON.stringify({ reason: reason ?? null }), now: batch.now });
  if (row.worker === null) batch.hintReady();
  else batch.hintWoken(key);
}

/** Ends an execution and its children without running any more of their code. */
function forceEnd(batch: Batch, key: number, reason: string | undefined): void {
  const row = batch.sql.executions.standing.get({ key });
  if (row === undefined || isFinal(row.state)) return;
  for (const child of batch.sql.executions.childrenOf.all({ parent: key })) forceEnd(batch, child.key, reason);
  if (row.worker !== null) batch.hintWoken(key);
  endAtOnce(batch, row, reason);
}

function endAtOnce(batch: Batch, row: Ending, reason: string | undefined): void {
  removeWork(batch, row.key);
  endExecution(batch, row, { state: "cancelled", result: batch.failures.cancelled(reason, row.id), failedBy: undefined, deadLetter: undefined });
}

/** Ends what has passed its deadline without having begun. */
export function expire(batch: Batch, request: { readonly limit: number }): { readonly ended: number } {
  const due = batch.sql.executions.expired.all({ now: batch.now, limit: request.limit });
  for (const { key } of due) {
    const row = batch.sql.executions.standing.get({ key });
    if (row === undefined) continue;
    removeWork(batch, key);
    endExecution(batch, row, { state: "timed_out", result: batch.failures.timedOut(row.id), failedBy: undefined, deadLetter: undefined });
  }
  return { ended: due.length };
}

