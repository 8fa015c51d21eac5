/** A map that goes on: items that have a result keep it, the others wait again, as many in flight as its `concurrency` allows. */
import { isOverWorkflow, mapOptionsOf } from "../../core/map-items.ts";
import { entryStatus } from "../../core/status.ts";
import type { EntryRow } from "../store.ts";
import { tagsColumn, type Batch, type FanoutProgress, type TaskColumns } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { fanoutId } from "./fanout.ts";
import { itemPlacement } from "./item-placement.ts";
import type { EntryKey } from "./outcome.ts";

/** What the items of a map take from the execution that makes it. */
type Mapper = Parameters<typeof itemPlacement>[1];

/** Opens the items of a map; they begin with the batch's progress, when its execution is open as well. */
export function* reopenMap(
  batch: Batch,
  mapper: Mapper,
  place: EntryKey,
  entry: EntryRow,
): Procedure<void> {
  const { journal } = batch.sql;
  const items = yield* journal.items.all(place);
  const open = items.filter((item) => item.status !== entryStatus.completed);
  for (const { item } of open) journal.reopenItem.do({ ...place, item });
  const { tolerated = 0, concurrency = Infinity } = mapOptionsOf(entry);
  const fanout = { ...place, total: items.length, next: 0, left: open.length, tolerated };
  journal.insertFanout.do(fanout);
  const progress: FanoutProgress = {
    ...fanout,
    failed: 0,
    forgone: 0,
    failedBy: undefined,
    released: Math.max(0, Math.min(open.length, concurrency) - (yield* underWay(batch, place))),
    row: isOverWorkflow(entry) ? undefined : yield* taskColumns(batch, mapper, place, entry),
  };
  batch.fanouts.set(fanoutId(place), progress);
}

/** Children that go on already: one that was retried by itself. */
function* underWay(batch: Batch, place: EntryKey): Procedure<number> {
  return (yield* batch.sql.executions.childrenOfEntry.all(place)).length;
}

function* taskColumns(
  batch: Batch,
  mapper: Mapper,
  place: EntryKey,
  entry: EntryRow,
): Procedure<TaskColumns> {
  const { queue, priority, tags } = itemPlacement(mapOptionsOf(entry), mapper);
  const name = entry.name ?? "";
  return {
    ...place,
    name,
    lane: yield* batch.lane({ kind: "activity", name, version: undefined, queue, tags }),
    queue: queue ?? null,
    rank: -priority,
    tags: tagsColumn(tags),
    scheduled_at: batch.now,
  };
}

/** An item whose child is reopened, while its map goes on, waits for it again. */
export function* takeBackItem(batch: Batch, place: EntryKey, item: number): Procedure<void> {
  const { journal } = batch.sql;
  const fanout = yield* journal.fanout.get(place);
  const status = (yield* journal.item.get({ ...place, item }))?.status;
  if (fanout === undefined || (yield* journal.takeBackItem.run({ ...place, item })) === 0) return;
  if (status !== entryStatus.failed) return;
  const { left, failed, next, forgone } = fanout;
  journal.changeFanout.do({ ...place, left: left + 1, failed: failed - 1, next, forgone });
}
