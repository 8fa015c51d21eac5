import type { CoroutineOptions } from "../core/interpreter/coroutine-options.ts";
import { isRecord, type Entry, type EntryKind, type Outcome } from "../core/journal.ts";
import { mapValue, outcomeOf, valuePlace } from "../core/entry-outcome.ts";
import { itemValuePlaces, mapOptionsOf, type MapEntry } from "../core/map-items.ts";
import { entryPlace, statePlace } from "../core/places.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import { entryStatus } from "../core/status.ts";
import type { JournalRow, Store } from "../store/store.ts";

/** Which run of which execution. */
export interface RunId {
  readonly key: number;
  readonly id: string;
  readonly run: number;
  readonly cut: number;
}

/** A run's journal as the interpreter takes it, and its rows. */
export interface LoadedJournal {
  readonly entries: readonly Entry[];
  readonly rows: readonly JournalRow[];
}

/** Loads and decodes the journal of a run. @throws SerializationError for a row that cannot be read, DatabaseError */
export async function loadJournal(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
): Promise<LoadedJournal> {
  const rows = await store.journal(run.key, run.run);
  return { entries: await decodeJournal(store, codec, run, rows), rows };
}

/** The rows of a run as the interpreter takes them. @throws SerializationError for a row that cannot be read, DatabaseError */
export async function decodeJournal(
  store: Pick<Store, "items">,
  codec: PayloadCodec,
  run: RunId,
  rows: readonly JournalRow[],
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const row of rows) {
    const fromItems = row.kind === "map" && row.status === entryStatus.completed;
    const outcome = fromItems
      ? await mapOutcome(store, codec, run, row)
      : outcomeOfRow(codec, run, row);
    entries.push(toEntry(codec, run, row, outcome));
  }
  return entries;
}

/** Counters and state as they are stored. @throws SerializationError, DatabaseError */
export async function loadRecords(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
): Promise<Pick<CoroutineOptions, "counters" | "state">> {
  const counters = await store.counters(run.key);
  const state = await store.state(run.key);
  return {
    counters: new Map(counters.map((counter) => [counter.name, counter.value])),
    state: new Map(
      state.map((value) => [value.name, codec.decode(value.value, statePlace(run.id, value.name))]),
    ),
  };
}

function toEntry(
  codec: PayloadCodec,
  run: RunId,
  row: JournalRow,
  outcome: Outcome | undefined,
): Entry {
  return {
    path: row.path,
    kind: row.kind as EntryKind,
    name: row.name ?? undefined,
    input: inputOf(codec, run, row),
    reached: row.reached,
    dueAt: row.dueAt ?? undefined,
    outcome,
    delivery: row.delivery ?? undefined,
  };
}

/** Only of what a replay needs: the paths that a cancel waits for; what the next run is to begin with, as it is stored. */
function inputOf(codec: PayloadCodec, run: RunId, row: JournalRow): unknown {
  if (row.input === null) return undefined;
  if (row.kind === "continueAsNew") return row.input;
  return row.kind === "cancel"
    ? codec.decode(row.input, entryPlace(run.id, run.run, row.path))
    : undefined;
}

function outcomeOfRow(codec: PayloadCodec, run: RunId, row: JournalRow): Outcome | undefined {
  const { status } = row;
  if (status === entryStatus.pending || status === entryStatus.withdrawn || row.kind === "race")
    return undefined;
  // Of a record only a refusal is of interest: what was set has been applied.
  if (isRecord(row) && status === entryStatus.completed) return undefined;
  return outcomeOf(codec, status, row.value ?? undefined, valuePlace(run, row));
}

/** The results of a map, from its items: values in order, or settled results where failures are tolerated. */
export async function mapOutcome(
  store: Pick<Store, "items">,
  codec: PayloadCodec,
  run: RunId,
  row: MapEntry & { readonly seq: number },
): Promise<Outcome> {
  const settling = mapOptionsOf(row).tolerated !== undefined;
  const items = await store.items(run.key, run.run, row.seq);
  return { ok: true, value: mapValue(codec, itemValuePlaces(run, row), items, settling) };
}

/** The failure of the item by whose child a map has failed, as it is stored with the map. */
export async function failureByItem(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
  row: MapEntry & { readonly seq: number },
  item: number,
): Promise<Payload | undefined> {
  const page = { after: item - 1, limit: 1 };
  const [failed] = await store.itemPage(run.key, run.run, row.seq, page);
  if (failed?.item !== item || failed.value === undefined) return undefined;
  const error = codec.decodeFailure(failed.value, itemValuePlaces(run, row)(item));
  return codec.encodeFailure(error, entryPlace(run.id, run.run, row.path));
}
