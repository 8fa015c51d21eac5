import type { RemoveRequest } from "../store.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { fanoutId } from "./fanout.ts";
import { leave } from "./limits.ts";
import type { EntryKey } from "./outcome.ts";

/** Removes every task, arrival and fan-out of an execution. Whoever runs one of the tasks is told. */
export function* removeWork(batch: Batch, execution: number): Procedure<void> {
  const { journal, tasks } = batch.sql;
  const any = batch.knownWork(execution) ?? (yield* journal.anyWork.get({ execution }))?.any;
  if (any === 0) return;
  for (const task of yield* tasks.ofExecution.all({ execution })) {
    if (task.worker !== null) batch.hintStopped(task.key);
    else if (task.gates !== null) yield* leave(batch, task.key);
  }
  tasks.removeAll.do({ execution });
  journal.removeArrivals.do({ execution });
  journal.removeAllFanouts.do({ execution });
  if (batch.fanouts.size > 0) batch.forgetFanouts(execution);
}

/** Removes the tasks and the fan-out of one entry, whose outcome is known. Whoever runs one of them is told. */
export function* removeTasks(batch: Batch, entry: EntryKey): Procedure<void> {
  for (const task of yield* batch.sql.tasks.ofEntry.all(entry)) {
    // What runs keeps its place until it has answered.
    if (task.worker !== null) batch.hintStopped(task.key);
    else if (task.gates !== null) yield* leave(batch, task.key);
    batch.sql.tasks.remove.do({ key: task.key });
  }
  batch.sql.journal.removeFanout.do(entry);
  batch.fanouts.delete(fanoutId(entry));
}

/** Removes finished executions with all that belongs to them, old dead letters and dead sessions. */
export function* remove(
  batch: Batch,
  request: RemoveRequest,
): Procedure<{ readonly removed: readonly string[] }> {
  const removed: string[] = [];
  for (const key of request.keys?.slice(0, request.limit) ?? []) {
    if (!(yield* isKept(batch, key))) removed.push(...(yield* removeTree(batch, key)));
  }
  if (request.deadLettersBefore !== undefined)
    batch.sql.sessions.removeOldLetters.do({ before: request.deadLettersBefore });
  if (request.expiredResults === true) {
    const { now } = batch;
    const { limits } = batch.sql;
    for (const { key } of yield* limits.expired.all({ now, limit: request.limit }))
      limits.removeResult.do({ key });
  }
  if (request.deadSessionsBefore !== undefined)
    batch.sql.sessions.removeDead.do({ before: request.deadSessionsBefore });
  return { removed };
}

/** A child of its parent's current run stays for as long as its root goes on: replay may ask for it. */
function* isKept(batch: Batch, key: number): Procedure<boolean> {
  let child = yield* batch.sql.executions.standing.get({ key });
  while (child !== undefined && child.parent !== null) {
    const parent = yield* batch.sql.executions.standing.get({ key: child.parent });
    if (parent === undefined || parent.run !== child.parent_run) return false;
    if (parent.ended_at === null) return true;
    child = parent;
  }
  return false;
}

/** Only finished executions go; a child that is still under way keeps its tree. */
function* removeTree(batch: Batch, key: number): Procedure<string[]> {
  const row = yield* batch.sql.executions.byKey.get({ key });
  if (row === undefined || row.ended_at === null) return [];
  const children = yield* batch.sql.executions.allChildrenOf.all({ parent: key });
  if (children.some((child) => child.ended_at === null)) return [];
  const removed: string[] = [];
  for (const child of children) removed.push(...(yield* removeTree(batch, child.key)));
  yield* removeWork(batch, key);
  const { journal, sessions, executions } = batch.sql;
  journal.removeAll.do({ execution: key });
  journal.removeAllItems.do({ execution: key });
  journal.removeLeftRuns.do({ execution: key });
  journal.removeCounters.do({ execution: key });
  journal.removeStates.do({ execution: key });
  sessions.removeSignals.do({ execution: key });
  sessions.removeMarks.do({ execution: key });
  sessions.removeLetters.do({ execution: key });
  executions.remove.do({ key });
  return [...removed, row.id];
}
