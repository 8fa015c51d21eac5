/**
 * How far a map is. What a batch's outcomes have done to it is counted in memory and written once a batch, not once an item
 * (`writeFanoutProgress`).
 */
import { entryStatus } from "../../core/status.ts";
import type { End } from "../store.ts";
import type { Batch, FanoutProgress, TaskColumns } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { keyOf, type EntryKey } from "./outcome.ts";

/** Names a fan-out within a batch. */
export function fanoutId({ execution, run, seq }: EntryKey): string {
  return `${execution}/${run}/${seq}`;
}

/** A map that waits for items; undefined once its outcome is known. `row`: one of its tasks, where its items are tasks. */
export function* fanoutOf(
  batch: Batch,
  entry: EntryKey,
  row: TaskColumns | undefined,
): Procedure<FanoutProgress | undefined> {
  const id = fanoutId(entry);
  const known = batch.fanouts.get(id);
  if (known !== undefined) return known;
  const stored = yield* batch.sql.journal.fanout.get(keyOf(entry));
  if (stored === undefined || batch.hasFailed(id)) return undefined;
  const meanwhile = batch.fanouts.get(id); // others may have asked beside it
  if (meanwhile !== undefined) return meanwhile;
  const progress: FanoutProgress = { ...stored, released: 0, failedBy: undefined, row };
  batch.fanouts.set(id, progress);
  return progress;
}

/** Counts a failure. @returns true for one more than the map bears. */
export function countFailure(fanout: FanoutProgress): boolean {
  fanout.failed += 1;
  return fanout.tolerated !== null && fanout.failed > fanout.tolerated;
}

/** A child has ended: its item has its outcome, unless its map had one before. */
export function* endChildItem(
  batch: Batch,
  entry: EntryKey,
  child: number,
  end: End,
): Procedure<void> {
  const item = (yield* batch.sql.executions.itemOf.get({ key: child }))?.parent_item ?? undefined;
  const fanout = item === undefined ? undefined : yield* fanoutOf(batch, entry, undefined);
  if (item === undefined || fanout === undefined) return;
  const completed = end.state === "completed";
  // The map has failed by another one in this very batch: what did come out well is kept for a retry.
  if (fanout.failedBy !== undefined && !completed) return;
  const place = { ...keyOf(entry), item };
  const alone = (yield* batch.sql.journal.item.get(place))?.alone === 1;
  const changed = yield* batch.sql.journal.endItem.run({
    ...place,
    status: completed ? entryStatus.completed : entryStatus.failed,
    value: end.result,
    attempt: 1,
    now: batch.now,
  });
  if (changed === 0) return;
  fanout.left -= 1;
  if (!alone) fanout.released += 1;
  if (!completed && countFailure(fanout)) fanout.failedBy ??= item;
}
