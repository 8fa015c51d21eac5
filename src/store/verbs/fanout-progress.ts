/** Writes what a batch's outcomes have done to their fan-outs, and begins what follows: once a fan-out, not once an item. */
import { mapOptionsOf } from "../../core/map-items.ts";
import { entryStatus } from "../../core/status.ts";
import type { Batch, FanoutProgress, TaskColumns } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { cancelChildren } from "./ending.ts";
import { countFailure, fanoutOf } from "./fanout.ts";
import { beginChild, candidates, childMapOf, type Beginning } from "./map-children.ts";
import { keyOf, leaveOutcome, type EntryKey } from "./outcome.ts";

/** Writing may count on: what it begins or ends is written as well. `of`: only those of this execution. */
export function* writeFanoutProgress(batch: Batch, of?: number): Procedure<void> {
  if (of === undefined) removeEndedRanges(batch);
  for (const [id, fanout] of batch.fanouts) {
    if (of !== undefined && fanout.execution !== of) continue;
    batch.fanouts.delete(id);
    yield* write(batch, fanout);
  }
}

function removeEndedRanges(batch: Batch): void {
  for (const row of batch.ranges.values()) {
    const { key, item_from: from, item_to: to } = row;
    batch.sql.tasks.removeEnded.do({ ...keyOf(row), key, from, to });
  }
  batch.ranges.clear();
}

/**
 * Maps that a cancel leaves alone go on: while their workflow had not seen it, their children ended and none began. What the cancel ends
 * has been told by now.
 */
export function* resumeChildMaps(
  batch: Batch,
  { execution, run }: Pick<EntryKey, "execution" | "run">,
): Procedure<void> {
  for (const row of yield* batch.sql.journal.unbegunFanouts.all({ execution, run })) {
    const map = yield* childMapOf(batch, row);
    const fanout = map === undefined ? undefined : yield* fanoutOf(batch, row, undefined);
    if (map === undefined || fanout === undefined) continue;
    const { concurrency = fanout.total } = mapOptionsOf(map.entry);
    const underWay = (yield* batch.sql.executions.childrenOfEntry.all(keyOf(row))).length;
    fanout.released = Math.max(0, concurrency - underWay);
  }
}

function* write(batch: Batch, fanout: FanoutProgress): Procedure<void> {
  if (fanout.failedBy === undefined && fanout.released > 0 && fanout.next < fanout.total) {
    if (fanout.row === undefined) yield* releaseChildren(batch, fanout);
    else yield* releaseTasks(batch, fanout, fanout.row);
  }
  const { left, failed, next, forgone } = fanout;
  if (fanout.failedBy !== undefined) yield* failByChild(batch, fanout, fanout.failedBy);
  else if (left === 0) yield* finish(batch, fanout);
  else batch.sql.journal.changeFanout.do({ ...keyOf(fanout), left, failed, next, forgone });
}

function* finish(batch: Batch, fanout: FanoutProgress): Procedure<void> {
  batch.sql.journal.removeFanout.do(keyOf(fanout));
  yield* leaveOutcome(batch, keyOf(fanout), {
    kind: "map",
    status: fanout.forgone === 0 ? entryStatus.completed : entryStatus.failed,
    attempt: 1,
    failures: 0,
    startedAt: batch.now,
  });
}

/** What has not begun never does, and what is under way is told; nobody waits for it. */
function* failByChild(batch: Batch, fanout: FanoutProgress, item: number): Procedure<void> {
  const place = keyOf(fanout);
  batch.sql.journal.removeFanout.do(place);
  yield* leaveOutcome(batch, place, {
    kind: "item",
    status: entryStatus.failed,
    value: String(item),
    attempt: 1,
    failures: 1,
    startedAt: batch.now,
  });
  yield* cancelChildren(batch, place, "another item of its map failed");
}

/** As many items as have ended follow into the queue, where a map has a bound on those in flight. */
function* releaseTasks(batch: Batch, fanout: FanoutProgress, row: TaskColumns): Procedure<void> {
  const place = keyOf(fanout);
  const entry = yield* batch.sql.journal.one.get(place);
  if (entry === undefined) return;
  const { totalTimeout } = mapOptionsOf(entry);
  const { next: from, released: limit } = fanout;
  const items = yield* batch.sql.journal.waitingItems.all({ ...place, from, limit });
  const last = items.at(-1);
  fanout.next = last === undefined ? fanout.total : last.item + 1;
  for (const { itemFrom, itemTo, gates } of rangesOf(items)) {
    batch.sql.tasks.insert.do({
      ...place,
      path: entry.path,
      itemFrom,
      itemTo,
      name: row.name,
      lane: row.lane,
      queue: row.queue,
      rank: row.rank,
      tags: row.tags,
      dueAt: batch.now,
      worker: null,
      claim: 0,
      attempt: 0,
      failures: 0,
      now: batch.now,
      giveUpAt: totalTimeout === undefined ? null : batch.now + totalTimeout,
      gates,
    });
  }
  batch.hintReady();
}

interface Range {
  readonly itemFrom: number;
  itemTo: number;
  readonly gates: string | null;
}

/** Ascending items as ranges. One with gates of its own is one by itself. */
function rangesOf(
  items: readonly { readonly item: number; readonly gates: string | null }[],
): Range[] {
  const ranges: Range[] = [];
  for (const { item, gates } of items) {
    const last = ranges.at(-1);
    if (last?.itemTo === item && last.gates === null && gates === null) last.itemTo = item + 1;
    else ranges.push({ itemFrom: item, itemTo: item + 1, gates });
  }
  return ranges;
}

/** As many children as have ended are followed by others. */
function* releaseChildren(batch: Batch, fanout: FanoutProgress): Procedure<void> {
  const map = yield* childMapOf(batch, fanout);
  if (map === undefined) return;
  while (fanout.released > 0 && fanout.next < fanout.total && fanout.failedBy === undefined) {
    const items = yield* batch.sql.journal.openItems.all({
      ...keyOf(fanout),
      from: fanout.next,
      to: fanout.total,
      alone: 0,
      limit: fanout.released,
    });
    if (items.length === 0) fanout.next = fanout.total;
    for (const candidate of yield* candidates(batch, map, items)) {
      const { item } = candidate;
      fanout.next = item + 1;
      yield* note(batch, fanout, item, yield* beginChild(batch, map, candidate));
      if (fanout.failedBy !== undefined) return;
    }
  }
}

function* note(
  batch: Batch,
  fanout: FanoutProgress,
  item: number,
  beginning: Beginning,
): Procedure<void> {
  switch (beginning.kind) {
    case "begun":
      if (!beginning.counted) fanout.released -= 1;
      return;
    case "ended":
      yield* endItem(batch, fanout, item, beginning);
      if (beginning.status === entryStatus.failed && countFailure(fanout)) fanout.failedBy = item;
      return;
    // As with the call of a child: no number of failures that is borne covers it.
    case "taken":
      yield* endItem(batch, fanout, item, {
        status: entryStatus.failed,
        value: batch.failures.taken(beginning.id),
      });
      fanout.failedBy = item;
      return;
    default:
      beginning satisfies never;
  }
}

function* endItem(
  batch: Batch,
  fanout: FanoutProgress,
  item: number,
  how: Pick<Extract<Beginning, { kind: "ended" }>, "status" | "value">,
): Procedure<void> {
  const { status, value } = how;
  batch.sql.journal.endItem.do({
    ...keyOf(fanout),
    item,
    status,
    value,
    attempt: 1,
    now: batch.now,
  });
  fanout.left -= 1;
}
