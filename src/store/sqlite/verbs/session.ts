import type { NewSession } from "../../store.ts";
import type { Batch, Statements } from "../batch.ts";
import { endCancelled } from "./ending.ts";
import { isApart, loseTold } from "./told.ts";

/** Registers a worker session. What is blocked is tried once more: the code may have been put right. @returns its key. */
export function register(batch: Batch, session: NewSession): number {
  const key = batch.sql.sessions.register.insert({
    ...session,
    queues: session.queues === undefined ? null : JSON.stringify(session.queues),
    tags: session.tags === undefined ? null : JSON.stringify(session.tags),
    functions: JSON.stringify(session.functions),
    now: batch.now,
  });
  if (session.former !== undefined)
    batch.sql.sessions.removeMarksOf.run({ session: session.former });
  for (const row of batch.sql.executions.blockedOnes.all({})) {
    if (row.blocked !== null && !isPoison(row.blocked)) batch.wake(row.key, false);
  }
  return key;
}

/** True for the reason of an execution that was blocked since its turns died with their processes. */
function isPoison(blocked: string): boolean {
  return (JSON.parse(blocked) as { readonly kind?: unknown }).kind === "poison";
}

/** @returns false if the session has been marked dead. */
export function heartbeat(batch: Batch, { session }: { readonly session: number }): boolean {
  return batch.sql.sessions.beat.run({ session, now: batch.now }) > 0;
}

/** Marks a session dead and releases what it held. `died`: what was running in it gets a mark. */
export function reap(
  batch: Batch,
  { session, died }: { readonly session: number; readonly died: boolean },
): { readonly released: number } {
  if (batch.sql.sessions.bury.run({ session }) === 0) return { released: 0 };
  batch.forgetSession(session);
  const executions = batch.sql.executions.heldBy.all({ session });
  for (const row of executions) {
    if (died) markExecution(batch, row, session);
    // Of a job that was asked to end nothing has to run any more.
    if (row.state === "cancelling" && row.kind === "activity") endCancelled(batch, row.key);
    else batch.sql.executions.release.run({ key: row.key, now: batch.now });
  }
  const tasks = batch.sql.tasks.heldBy.all({ session });
  for (const row of tasks) {
    if (died) markTask(batch, row, session);
    if (row.cancelled === 0) batch.sql.tasks.release.run({ key: row.key, now: batch.now });
    else loseTold(batch, row);
  }
  if (executions.length + tasks.length > 0) batch.hintReady();
  return { released: executions.length + tasks.length };
}

type HeldExecution = ReturnType<Statements["executions"]["heldBy"]["all"]>[number];
type HeldTask = ReturnType<Statements["tasks"]["heldBy"]["all"]>[number];

/** The attempts that were running; where there were none, the turn itself. */
function markExecution(batch: Batch, row: HeldExecution, session: number): void {
  const place = { execution: row.key, run: row.run, item: -1, session };
  const begun = batch.sql.journal.begunBy.all({ execution: row.key, run: row.run, session });
  for (const { seq } of begun) batch.mark({ ...place, seq });
  if (begun.length === 0) batch.mark({ ...place, seq: -1 });
}

/** Every item that was running, each by itself: one of them may be the poison, and is to be told from the others. */
function markTask(batch: Batch, row: HeldTask, session: number): void {
  const place = { execution: row.execution, run: row.run, seq: row.seq };
  if (row.item_from === null || row.item_to === null) {
    batch.mark({ ...place, item: -1, session });
    return;
  }
  const alone = isApart(batch, row) ? 1 : 0;
  const range = {
    ...place,
    from: row.item_from,
    to: row.item_to,
    alone,
    limit: Number.MAX_SAFE_INTEGER,
  };
  for (const { item } of batch.sql.journal.openItems.all(range))
    batch.mark({ ...place, item, session });
}
