/**
 * Work of an execution that is being closed: what has begun is told to stop, and its outcome is waited for; what has not is taken back.
 * Whoever waits gets an outcome in any case, so nobody waits for what nobody does.
 */
import { isOverWorkflow } from "../../core/map-items.ts";
import { entryStatus } from "../../core/status.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { cancelChildren } from "./ending.ts";
import { leave } from "./leaving.ts";
import { keyOf, leaveOutcome, type EntryKey } from "./outcome.ts";

type TaskRow = RowOf<Statements["tasks"]["heldBy"]>;
/** What an outcome tells of a task's attempts. */
type Attempts = Pick<TaskRow, "attempt" | "failures" | "error" | "started_at">;

/** Why a child is cancelled whose parent's effect was closed. */
export const notWaitedFor = "its parent does not wait for it any more";

/** Tells the items of a map. */
export function* tellMap(batch: Batch, entry: EntryKey): Procedure<void> {
  const row = yield* batch.sql.journal.one.get(entry);
  if (row !== undefined && isOverWorkflow(row)) yield* tellChildren(batch, entry);
  else yield* tellTasks(batch, entry, "map");
}

/** Children that have begun are cancelled and waited for, whatever they come to; the others will not begin. */
function* tellChildren(batch: Batch, entry: EntryKey): Procedure<void> {
  const { journal } = batch.sql;
  const fanout = yield* journal.fanout.get(entry);
  if (fanout === undefined) return;
  const unbegun = yield* journal.forgoUnbegun.run({ ...entry, next: fanout.next, now: batch.now });
  const left = fanout.left - unbegun;
  if (left === 0) yield* endForgone(batch, entry);
  else journal.tellFanout.do({ ...entry, left, forgone: fanout.forgone + fanout.left });
  yield* cancelChildren(batch, entry, notWaitedFor);
}

/** Tells the tasks of an entry. */
export function* tellTasks(batch: Batch, entry: EntryKey, kind: string): Procedure<void> {
  for (const task of yield* batch.sql.tasks.ofEntry.all(entry)) {
    if (task.worker !== null) {
      batch.sql.tasks.tell.do({ key: task.key });
      batch.hintStopped(task.key);
    } else {
      batch.sql.tasks.remove.do({ key: task.key });
      if (task.gates !== null) yield* leave(batch, task.key);
      if (kind === "call") yield* leaveNothing(batch, entry, task);
    }
  }
  if (kind === "map") yield* forgoItems(batch, entry);
}

/** A task that was told, and is lost with its session: nobody begins it again. */
export function* loseTold(batch: Batch, task: TaskRow): Procedure<void> {
  batch.sql.tasks.remove.do({ key: task.key });
  if (task.gates !== null) yield* leave(batch, task.key);
  if (task.item_from === null) yield* leaveNothing(batch, keyOf(task), task);
  else yield* forgoItems(batch, keyOf(task));
}

/** True for the task that an item of a map is given for its retry: it has a path of its own. */
export function* isApart(
  batch: Batch,
  task: EntryKey & { readonly path: string },
): Procedure<boolean> {
  return (yield* batch.sql.journal.one.get(keyOf(task)))?.path !== task.path;
}

function* leaveNothing(batch: Batch, entry: EntryKey, task: Attempts): Procedure<void> {
  yield* leaveOutcome(batch, entry, {
    status: entryStatus.failed,
    value: task.error,
    attempt: task.attempt,
    failures: task.failures,
    startedAt: task.started_at,
  });
}

/** Items that no task is for any more will not be begun. The map fails once those that have begun are over. */
function* forgoItems(batch: Batch, entry: EntryKey): Procedure<void> {
  const { journal } = batch.sql;
  const fanout = yield* journal.fanout.get(entry);
  const path = (yield* journal.one.get(entry))?.path;
  if (fanout === undefined || path === undefined) return;
  const changes = yield* journal.forgoItems.run({ ...entry, path, now: batch.now });
  const left = fanout.left - changes;
  if (left > 0) {
    journal.changeFanout.do({
      ...entry,
      left,
      failed: fanout.failed,
      next: fanout.total,
      forgone: fanout.forgone + changes,
    });
    return;
  }
  yield* endForgone(batch, entry);
}

function* endForgone(batch: Batch, entry: EntryKey): Procedure<void> {
  batch.sql.journal.removeFanout.do(entry);
  yield* leaveOutcome(batch, entry, {
    kind: "map",
    status: entryStatus.failed,
    attempt: 1,
    failures: 0,
    startedAt: batch.now,
  });
}
