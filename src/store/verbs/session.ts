import type { NewSession, ReapAnswer, ReapRequest } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { endCancelled } from "./ending.ts";
import { leaveSession } from "./leaving.ts";
import { isApart, loseTold } from "./told.ts";

/** Registers a worker session. What is blocked is tried once more: the code may have been put right. @returns its key. */
export function* register(batch: Batch, session: NewSession): Procedure<number> {
  const key = yield* batch.sql.sessions.register.insert({
    ...session,
    queues: session.queues === undefined ? null : JSON.stringify(session.queues),
    tags: session.tags === undefined ? null : JSON.stringify(session.tags),
    functions: JSON.stringify(session.functions),
    now: batch.now,
  });
  if (session.former !== undefined)
    batch.sql.sessions.removeMarksOf.do({ session: session.former });
  for (const row of yield* batch.sql.executions.blockedOnes.all({})) {
    if (row.blocked !== null && !isPoison(row.blocked)) batch.wake(row.key, false);
  }
  return key;
}

/** True for the reason of an execution that was blocked since its turns died with their processes. */
function isPoison(blocked: string): boolean {
  return (JSON.parse(blocked) as { readonly kind?: unknown }).kind === "poison";
}

/** @returns false if the session has been marked dead. */
export function* heartbeat(
  batch: Batch,
  { session }: { readonly session: number },
): Procedure<boolean> {
  return (yield* batch.sql.sessions.beat.run({ session, now: batch.now })) > 0;
}

/**
 * Marks a session dead and releases what it held. `died`: what was running in it gets a mark. Whether it has beaten meanwhile is asked in this
 * very commit: its worker trusts the lease that it has renewed, and begins what others would be given.
 */
export function* reap(batch: Batch, { session, died, beat }: ReapRequest): Procedure<ReapAnswer> {
  const { bury, buryUnlessBeaten, live } = batch.sql.sessions;
  const buried =
    beat === undefined
      ? yield* bury.run({ session })
      : yield* buryUnlessBeaten.run({ session, beat });
  if (buried === 0) {
    const lives = (yield* live.get({ session })) !== undefined;
    return lives ? { released: 0, lives } : { released: 0 };
  }
  batch.forgetSession(session);
  const executions = yield* batch.sql.executions.heldBy.all({ session });
  for (const row of executions) {
    if (died) yield* markExecution(batch, row, session);
    // Of a job that was asked to end nothing has to run any more.
    if (row.state === "cancelling" && row.kind === "activity") yield* endCancelled(batch, row.key);
    else batch.sql.executions.release.do({ key: row.key, now: batch.now });
  }
  const tasks = yield* batch.sql.tasks.heldBy.all({ session });
  for (const row of tasks) {
    if (died) yield* markTask(batch, row, session);
    if (row.cancelled === 0) batch.sql.tasks.release.do({ key: row.key, now: batch.now });
    else yield* loseTold(batch, row);
  }
  yield* leaveSession(batch, session);
  if (executions.length + tasks.length > 0) batch.hintReady();
  return { released: executions.length + tasks.length };
}

type HeldExecution = RowOf<Statements["executions"]["heldBy"]>;
type HeldTask = RowOf<Statements["tasks"]["heldBy"]>;

/** The attempts that were running; where there were none, the turn itself. */
function* markExecution(batch: Batch, row: HeldExecution, session: number): Procedure<void> {
  const place = { execution: row.key, run: row.run, item: -1, session };
  const begun = yield* batch.sql.journal.begunBy.all({ execution: row.key, run: row.run, session });
  for (const { seq } of begun) batch.mark({ ...place, seq });
  if (begun.length === 0) batch.mark({ ...place, seq: -1 });
}

/** Every item that was running, each by itself: one of them may be the poison, and is to be told from the others. */
function* markTask(batch: Batch, row: HeldTask, session: number): Procedure<void> {
  const place = { execution: row.execution, run: row.run, seq: row.seq };
  if (row.item_from === null || row.item_to === null) {
    batch.mark({ ...place, item: -1, session });
    return;
  }
  const alone = (yield* isApart(batch, row)) ? 1 : 0;
  const range = {
    ...place,
    from: row.item_from,
    to: row.item_to,
    alone,
    limit: Number.MAX_SAFE_INTEGER,
  };
  for (const { item } of yield* batch.sql.journal.openItems.all(range))
    batch.mark({ ...place, item, session });
}
