import { entryStatus, isFinal } from "../../core/status.ts";
import type { CancelAnswer, CancelRequest, End, Expired, NewDeadLetter, Store } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { claimedExecution } from "./claim.ts";
import { endChildItem } from "./fanout.ts";
import { giveUpItems } from "./give-up-items.ts";
import { leave } from "./leaving.ts";
import { handOver, underWay, waitingEntry, type EntryKey } from "./outcome.ts";
import { removeWork } from "./removal.ts";

/** What ending has to know of an execution. */
export interface Ending {
  readonly key: number;
  readonly id: string;
  readonly run: number;
  readonly parent: number | null;
  readonly parent_run: number | null;
  readonly parent_seq: number | null;
  /** It may hold places of limits, or wait for one. */
  readonly gated: boolean;
}

/** Ends an execution with all its work, and leaves its outcome with its parent, if that still waits for it. */
export function* endExecution(batch: Batch, row: Ending, end: End): Procedure<void> {
  yield* removeWork(batch, row.key);
  if (batch.hasMarks) batch.sql.sessions.removeMarks.do({ execution: row.key });
  if (row.gated)
    yield* leave(batch, -row.key, end.state === "completed" ? { stored: end.stored } : "over");
  batch.sql.executions.end.do({
    key: row.key,
    state: end.state,
    result: end.result,
    failedBy: end.failedBy,
    now: batch.now,
  });
  batch.hintEnded({ id: row.id, state: end.state, result: end.result });
  if (end.deadLetter !== undefined) keepLetter(batch, row, end.deadLetter);
  if (row.parent === null || row.parent_run === null || row.parent_seq === null) return;
  const entry = { execution: row.parent, run: row.parent_run, seq: row.parent_seq };
  const parent = yield* underWay(batch, entry);
  const waiting = parent === undefined ? undefined : yield* waitingEntry(batch, entry);
  if (parent === undefined || waiting === undefined) return;
  if (waiting.kind === "map") {
    yield* endChildItem(batch, entry, row.key, end);
    return;
  }
  handOver(batch, entry, parent, {
    status: end.state === "completed" ? entryStatus.completed : entryStatus.failed,
    value: end.result,
    attempt: 1,
    failures: end.state === "completed" ? 0 : 1,
  });
}

/** Keeps a dead letter of an execution. */
export function keepLetter(
  batch: Batch,
  row: { readonly key: number; readonly run: number },
  letter: NewDeadLetter,
): void {
  batch.sql.sessions.keepLetter.do({
    ...letter,
    execution: row.key,
    run: row.run,
    now: batch.now,
  });
}

/** Asks an execution to end, or ends it where none of its code has to run. */
export function* cancel(batch: Batch, request: CancelRequest): Procedure<CancelAnswer> {
  const row = yield* batch.sql.executions.byId.get({ id: request.executionId });
  if (row === undefined) return "not-found";
  if (isFinal(row.state)) return "finished";
  if (request.force) yield* forceEnd(batch, row.key, request.reason);
  else yield* cancelExecution(batch, row.key, request.reason);
  return "cancelled";
}

/** I10: once asked, `cancelling` stays, and the first reason with it. */
export function* cancelExecution(
  batch: Batch,
  key: number,
  reason: string | undefined,
): Procedure<void> {
  const row = yield* batch.sql.executions.standing.get({ key });
  if (row === undefined || isFinal(row.state) || row.state === "cancelling") return;
  if (row.worker === null && (row.state === "pending" || row.kind === "activity")) {
    yield* endAtOnce(batch, { ...row, gated: row.gates !== null }, reason);
    return;
  }
  batch.sql.executions.requestCancel.do({
    key,
    reason: JSON.stringify({ reason: reason ?? null }),
    now: batch.now,
  });
  if (row.worker === null) batch.hintReady();
  else batch.hintWoken(key);
}

/** Cancels the children of a map that have not ended. */
export function* cancelChildren(batch: Batch, entry: EntryKey, reason: string): Procedure<void> {
  for (const { key } of yield* batch.sql.executions.childrenOfEntry.all(entry))
    yield* cancelExecution(batch, key, reason);
}

/** Ends an execution and its children without running any more of their code. From above, so that no parent is woken by a child's end. */
function* forceEnd(batch: Batch, key: number, reason: string | undefined): Procedure<void> {
  const row = yield* batch.sql.executions.standing.get({ key });
  if (row === undefined || isFinal(row.state)) return;
  if (row.worker !== null) batch.hintWoken(key);
  // The attempt of a job that runs keeps its place until it has answered.
  const runs = row.worker !== null && row.kind === "activity";
  yield* endAtOnce(batch, { ...row, gated: row.gates !== null && !runs }, reason);
  for (const child of yield* batch.sql.executions.childrenOf.all({ parent: key }))
    yield* forceEnd(batch, child.key, reason);
}

/** Ends what was asked to, and has nothing left to run. */
export function* endCancelled(batch: Batch, key: number): Procedure<void> {
  const row = yield* batch.sql.executions.byKey.get({ key });
  if (row !== undefined)
    yield* endAtOnce(batch, { ...row, gated: row.gates !== null }, reasonIn(row.cancel_reason));
}

function reasonIn(column: string | null): string | undefined {
  const { reason } = JSON.parse(column ?? "{}") as { readonly reason?: string | null };
  return reason ?? undefined;
}

function* endAtOnce(batch: Batch, row: Ending, reason: string | undefined): Procedure<void> {
  yield* endExecution(batch, row, {
    state: "cancelled",
    result: batch.failures.cancelled(reason, row.id),
    failedBy: undefined,
    deadLetter: undefined,
  });
}

/** Ends what has passed its time, where nothing of its code has to run. */
export function* expire(batch: Batch, { limit }: { readonly limit: number }): Procedure<Expired> {
  const overdue = yield* batch.sql.deadlines.expired.all({ now: batch.now, limit });
  for (const { key } of overdue) {
    const row = yield* batch.sql.executions.standing.get({ key });
    if (row === undefined) continue;
    yield* endExecution(
      batch,
      { ...row, gated: row.gates !== null },
      {
        state: "timed_out",
        result: batch.failures.timedOut(row.id),
        failedBy: undefined,
        deadLetter: undefined,
      },
    );
  }
  // What is past both its deadline and its totalTimeout has been ended by its deadline.
  const deadLetters = yield* giveUpJobs(batch, limit - overdue.length);
  const executions = overdue.length + deadLetters.length;
  const items = yield* giveUpItems(batch, limit - executions);
  return { ended: executions + items, deadLetters };
}

/** Ends jobs whose totalTimeout has passed while nobody held them. @returns their dead letters */
function* giveUpJobs(batch: Batch, limit: number): Procedure<NewDeadLetter[]> {
  if (limit === 0) return [];
  const deadLetters: NewDeadLetter[] = [];
  for (const { key } of yield* batch.sql.deadlines.jobsOutOfTime.all({ now: batch.now, limit })) {
    const row = yield* batch.sql.executions.byKey.get({ key });
    if (row === undefined || !isOutOfTime(batch, row)) continue;
    const { failure: result, deadLetter } = batch.failures.jobOutOfTime(claimedExecution(row));
    const end = { state: "failed" as const, result, failedBy: undefined, deadLetter };
    yield* endExecution(batch, { ...row, gated: row.gates !== null }, end);
    deadLetters.push(deadLetter);
  }
  return deadLetters;
}

/** Still so: somebody may have taken or ended it meanwhile. */
function isOutOfTime({ now }: Batch, row: RowOf<Statements["executions"]["byKey"]>): boolean {
  const { give_up_at: giveUpAt, worker, ended_at: endedAt } = row;
  return giveUpAt !== null && giveUpAt <= now && worker === null && endedAt === null;
}

/** Whether there is something to expire, and how long until there is next. */
export function* deadlines({
  sql,
  now,
}: Batch): Procedure<Awaited<ReturnType<Store["deadlines"]>>> {
  const look = yield* sql.deadlines.look.get({ now });
  if (look === undefined) throw new Error("a look at deadlines gave no row");
  const { passed, next_deadline, next_of_jobs, next_of_items } = look;
  const next = [next_deadline, next_of_jobs, next_of_items].flatMap((time) => time ?? []);
  return {
    passed: passed === 1,
    nextInMs: next.length === 0 ? undefined : Math.min(...next) - now,
  };
}
