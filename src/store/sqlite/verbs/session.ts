import type { NewSession } from "../../store.ts";
import type { Batch, Statements } from "../batch.ts";

/** Registers a worker session. What is blocked is tried once more: the code may have been put right. @returns its key. */
export function register(batch: Batch, session: NewSession): number {
  const { key } = batch.sql.sessions.register.run({
    ...session,
    queues: session.queues === undefined ? null : JSON.stringify(session.queues),
    tags: session.tags === undefined ? null : JSON.stringify(session.tags),
    functions: JSON.stringify(session.functions),
    now: batch.now,
  });
  if (session.former !== undefined) batch.sql.sessions.removeMarksOf.run({ session: session.former });
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
  return batch.sql.sessions.beat.run({ session, now: batch.now }).changes > 0;
}

/** Marks a session dead and releases what it held. `died`: what was running in it gets a mark. */
export function reap(batch: Batch, { session, died }: { readonly session: number; readonly died: boolean }): { readonly released: number } {
  if (batch.sql.sessions.bury.run({ session }).changes === 0) return { released: 0 };
  batch.forgetSession(session);
  const executions = batch.sql.executions.heldBy.all({ session });
  for (const row of executions) {
    if (died) markExecution(batch, row, session);
    batch.sql.executions.release.run({ key: row.key, now: batch.now });
  }
  const tasks = batch.sql.tasks.heldBy.all({ session });
  for (const row of tasks) {
    if (died) {
      batch.sql.sessions.mark.run({ execution: row.execution, run: row.run, seq: row.seq, item: row.item_from ?? -1, session });
    }
    batch.sql.tasks.release.run({ key: row.key, now: batch.now });
  }
  if (executions.length + tasks.length > 0) batch.hintReady();
  return { released: executions.length + tasks.length };
}

type Held = ReturnType<Statements["executions"]["heldBy"]["all"]>[number];

/** The attempts that were running; where there were none, the turn itself. */
function markExecution(batch: Batch, row: Held, session: number): void {
  const place = { execution: row.key, run: row.run, item: -1, session };
  const begun = batch.sql.journal.begunBy.all({ execution: row.key, run: row.run, session });
  for (const { seq } of begun) batch.sql.sessions.mark.run({ ...place, seq });
  if (begun.length === 0) batch.sql.sessions.mark.run({ ...place, seq: -1 });
}
