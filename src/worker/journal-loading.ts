import type { CoroutineOptions } from "../core/interpreter/coroutine.ts";
import { isRecord, type Entry, type EntryKind, type Outcome } from "../core/journal.ts";
import { mapValue, outcomeOf, valuePlace } from "../core/entry-outcome.ts";
import { entryPlace, statePlace } from "../core/places.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { entryStatus } from "../core/status.ts";
import type { EntryRow, Store } from "../store/store.ts";

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
  readonly rows: readonly EntryRow[];
}

/** Loads and decodes the journal of a run. @throws SerializationError for a row that cannot be read, DatabaseError */
export async function loadJournal(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
): Promise<LoadedJournal> {
  const rows = await store.entries(run.key, run.run);
  const entries: Entry[] = [];
  for (const row of rows) entries.push(await toEntry(store, codec, run, row));
  return { entries, rows };
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

async function toEntry(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
  row: EntryRow,
): Promise<Entry> {
  const kind = row.kind as EntryKind;
  const outcome = await outcomeOfRow(store, codec, run, row);
  return {
    path: row.path,
    kind,
    name: row.name,
    reached: row.reached,
    dueAt: row.dueAt,
    ...(kind === "cancel" && row.input !== undefined
      ? { input: codec.decode(row.input, entryPlace(run.id, run.run, row.path)) }
      : {}),
    outcome,
    delivery: row.delivery,
  };
}

async function outcomeOfRow(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
  row: EntryRow,
): Promise<Outcome | undefined> {
  if (
    row.status === entryStatus.pending ||
    row.status === entryStatus.withdrawn ||
    row.kind === "race"
  )
    return undefined;
  // Of a record only a refusal is of interest: what was set has been applied.
  if (isRecord(row) && row.status === entryStatus.completed) return undefined;
  if (row.kind === "map" && row.status === entryStatus.completed)
    return mapOutcome(store, codec, run, row);
  return outcomeOf(codec, row.status, row.value, valuePlace(run, row));
}

/** The results of a map, from its items: values in order, or settled results where failures are tolerated. */
export async function mapOutcome(
  store: Store,
  codec: PayloadCodec,
  run: RunId,
  row: { readonly seq: number; readonly path: string; readonly options: string | undefined },
): Promise<Outcome> {
  const settling =
    (JSON.parse(row.options ?? "{}") as { readonly tolerated?: number | null }).tolerated !==
    undefined;
  const items = await store.items(run.key, run.run, row.seq);
  return {
    ok: true,
    value: mapValue(codec, entryPlace(run.id, run.run, row.path), items, settling),
  };
}
