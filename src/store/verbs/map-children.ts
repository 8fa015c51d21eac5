/**
 * The items of a map over a workflow: each is a child execution, whose id is made of its parent, run, cut, path and item, so that none is
 * started twice (I11).
 */
import { isOverWorkflow, itemChildId, mapOptionsOf, type MapEntry } from "../../core/map-items.ts";
import type { Payload } from "../../core/payload.ts";
import { entryStatus, type EntryStatus } from "../../core/status.ts";
import type { StoredOptions } from "../../core/step-options.ts";
import type { NewExecution } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { insertChild, type Lineage } from "./dispatch.ts";
import { itemPlacement } from "./item-placement.ts";
import { keyOf, waitingEntry, type EntryKey } from "./outcome.ts";
import { goesOn } from "./reopening.ts";

type Mapper = RowOf<Statements["executions"]["mapper"]>;
type Row = RowOf<Statements["executions"]["byId"]>;

/** A map that may start children. */
export interface ChildMap {
  readonly entry: EntryKey & MapEntry;
  readonly mapper: Mapper;
  /** What its children have in common. */
  readonly common: Omit<NewExecution, "id" | "input">;
}

/** How the child of an item begins. */
export type Beginning =
  /** `counted`: it was running already, and is counted as one that does. */
  | { readonly kind: "begun"; readonly counted: boolean }
  /** It has ended, and need not or cannot go on. */
  | {
      readonly kind: "ended";
      readonly status: EntryStatus;
      readonly value: Payload | null;
    }
  /** Its id is that of a stranger, who is left alone. */
  | { readonly kind: "taken"; readonly id: string };

/** Undefined for a map that is not waited for any more, and for one behind a cancel that its workflow has not seen: it decides first (I10). */
export function* childMapOf(batch: Batch, place: EntryKey): Procedure<ChildMap | undefined> {
  const key = keyOf(place);
  const mapper = yield* batch.sql.executions.mapper.get({ key: place.execution });
  const row = yield* waitingEntry(batch, key);
  if (mapper === undefined || row === undefined) return undefined;
  if (mapper.ended_at !== null || mapper.run !== place.run || !isOverWorkflow(row))
    return undefined;
  if (mapper.state === "cancelling" && mapper.cancel_seen === 0) return undefined;
  const { path, cut, options, name } = row;
  return {
    entry: { ...key, path, cut, options },
    mapper,
    common: commonOf(name ?? "", mapOptionsOf(row), mapper),
  };
}

function commonOf(name: string, stored: StoredOptions, mapper: Mapper): ChildMap["common"] {
  const { tolerated: _, concurrency: __, over: ___, replays: ____, ...options } = stored;
  return {
    kind: "workflow",
    name,
    version: options.version,
    options: Object.keys(options).length === 0 ? undefined : JSON.stringify(options),
    ...itemPlacement(options, mapper),
    delayMs: 0,
    maxDurationMs: options.maxDuration,
  };
}

/** An item whose child is to begin. */
export interface Candidate {
  readonly item: number;
  readonly input: Payload;
  readonly gates: string | null;
  readonly id: string;
  /** What has its id already. */
  readonly row: Row | undefined;
}

/** The items with the ids of their children, and what has these already. */
export function candidates(
  batch: Batch,
  { entry, mapper }: ChildMap,
  items: readonly Pick<Candidate, "item" | "input" | "gates">[],
): Procedure<Candidate[]> {
  return batch.each(items, function* ({ item, input, gates }) {
    const id = itemChildId({ id: mapper.id, run: mapper.run, cut: 0 }, entry, item);
    return { item, input, gates, id, row: yield* batch.sql.executions.byId.get({ id }) };
  });
}

/** Begins the child of an item: starts it, or lets it go on where it has ended before. */
export function* beginChild(
  batch: Batch,
  map: ChildMap,
  { item, input, gates, id, row }: Candidate,
): Procedure<Beginning> {
  const { entry } = map;
  if (row === undefined) {
    const child = { ...map.common, id, input, gates: gates ?? undefined };
    yield* insertChild(batch, child, lineageOf(map, item));
    return begun;
  }
  if (!isChild(row, entry, item)) return { kind: "taken", id };
  if (row.ended_at === null) return { kind: "begun", counted: true };
  if (row.state === "completed")
    return { kind: "ended", status: entryStatus.completed, value: row.result };
  if (!(yield* goesOn(batch, row)))
    return { kind: "ended", status: entryStatus.failed, value: row.result };
  batch.sql.journal.countItem.do({ ...keyOf(entry), item });
  return begun;
}

const begun: Beginning = { kind: "begun", counted: false };

function lineageOf({ entry, mapper }: ChildMap, item: number): Lineage {
  return {
    parent: entry.execution,
    parentRun: entry.run,
    parentSeq: entry.seq,
    parentItem: item,
    root: mapper.root ?? entry.execution,
  };
}

function isChild(row: Row, entry: EntryKey, item: number): boolean {
  return (
    row.parent === entry.execution &&
    row.parent_run === entry.run &&
    row.parent_seq === entry.seq &&
    row.parent_item === item
  );
}
