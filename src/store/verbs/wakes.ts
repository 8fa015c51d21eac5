/** What was left to whoever claims: messages that have come with the commit of a sender's transaction, and gates that others were changing. */
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";

/** How many are seen to at once: bounds how long the claim takes that does it. */
const mostWakes = 200;

/** Whether there is one. */
export function* anyWake(batch: Batch): Procedure<boolean> {
  return (yield* batch.sql.sessions.wakes.all({ limit: 1 })).length > 0;
}

/** Sees to it. What others hold just now is left for the next look. @returns whether something was left */
export function* wakeAll(batch: Batch): Procedure<boolean> {
  const wakes = yield* batch.sql.sessions.wakes.all({ limit: mostWakes });
  const left = yield* batch.each(wakes, (wake) => wakeOne(batch, wake));
  return left.includes(true) || wakes.length === mostWakes;
}

function* wakeOne(
  batch: Batch,
  { key, execution, gate }: RowOf<Statements["sessions"]["wakes"]>,
): Procedure<boolean> {
  const { executions, sessions } = batch.sql;
  if (gate !== null) batch.freed.add(gate);
  if (execution === null) {
    sessions.removeWake.do({ key });
    return false;
  }
  const row = yield* executions.wakeable.get({ key: execution });
  if (row?.ended_at === null) batch.wake(execution, row.worker !== null);
  if (row === undefined) {
    if ((yield* executions.runOf.get({ key: execution })) !== undefined) return true;
    // It was deleted while its message was not committed yet.
    sessions.removeSignals.do({ execution });
  }
  sessions.removeWake.do({ key });
  return false;
}
