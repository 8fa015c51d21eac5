import type { RemoveRequest } from "../../store.ts";
import type { Batch } from "../batch.ts";
import { fanoutId } from "./fanout.ts";
import type { EntryKey } from "./outcome.ts";

/** Removes every task, arrival and fan-out of an execution. Whoever runs one of the tasks is told. */
export function removeWork(batch: Batch, execution: number): void {
  const { journal, tasks } = batch.sql;
  if (journal.anyWork.get({ execution })?.any === 0) return;
  for (const task of tasks.ofExecution.all({ execution })) {
    if (task.worker !== null) batch.hintStopped(task.key);
  }
  tasks.removeAll.run({ execution });
  journal.removeArrivals.run({ execution });
  journal.removeAllFanouts.run({ execution });
  if (batch.fanouts.size > 0) batch.forgetFanouts(execution);
}

/** Removes the tasks and the fan-out of one entry, whose outcome is known. Whoever runs one of them is told. */
export function removeTasks(batch: Batch, entry: EntryKey): void {
  for (const task of batch.sql.tasks.ofEntry.all(entry)) {
    if (task.worker !== null) batch.hintStopped(task.key);
    batch.sql.tasks.remove.run({ key: task.key });
  }
  batch.sql.journal.removeFanout.run(entry);
  batch.fanouts.delete(fanoutId(entry));
}

/** Removes finished executions with all that belongs to them, old dead letters and dead sessions. */
export function remove(
  batch: Batch,
  request: RemoveRequest,
): { readonly removed: readonly string[] } {
  const removed: string[] = [];
  for (const key of request.keys?.slice(0, request.limit) ?? []) {
    if (!isKept(batch, key)) removed.push(...removeTree(batch, key));
  }
  if (request.deadLettersBefore !== undefined)
    batch.sql.sessions.removeOldLetters.run({ before: request.deadLettersBefore });
  if (request.deadSessionsBefore !== undefined)
    batch.sql.sessions.removeDead.run({ before: request.deadSessionsBefore });
  return { removed };
}

/** A child of its parent's current run stays for as long as its root goes on: replay may ask for it. */
function isKept(batch: Batch, key: number): boolean {
  let child = batch.sql.executions.standing.get({ key });
  while (child !== undefined && child.parent !== null) {
    const parent = batch.sql.executions.standing.get({ key: child.parent });
    if (parent === undefined || parent.run !== child.parent_run) return false;
    if (parent.ended_at === null) return true;
    child = parent;
  }
  return false;
}

/** Only finished executions go; a child that is still under way keeps its tree. */
function removeTree(batch: Batch, key: number): string[] {
  const row = batch.sql.executions.byKey.get({ key });
  if (row === undefined || row.ended_at === null) return [];
  const children = batch.sql.executions.allChildrenOf.all({ parent: key });
  if (children.some((child) => child.ended_at === null)) return [];
  const removed = children.flatMap((child) => removeTree(batch, child.key));
  removeWork(batch, key);
  const { journal, sessions, executions } = batch.sql;
  journal.removeAll.run({ execution: key });
  journal.removeAllItems.run({ execution: key });
  journal.removeLeftRuns.run({ execution: key });
  journal.removeCounters.run({ execution: key });
  journal.removeStates.run({ execution: key });
  sessions.removeSignals.run({ execution: key });
  sessions.removeMarks.run({ execution: key });
  sessions.removeLetters.run({ execution: key });
  executions.remove.run({ key });
  return [...removed, row.id];
}
