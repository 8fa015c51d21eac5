import { outcomeOf, valuePlace } from "../core/entry-outcome.ts";
import { executionExists, type StandingExecution } from "../core/execution-exists.ts";
import type { Place } from "../core/serializer.ts";
import type { Coroutine } from "../core/interpreter/coroutine.ts";
import type { Delivery, Records } from "../core/interpreter/turn.ts";
import { signalPlace, storedResultPlace } from "../core/places.ts";
import type { SmallMap } from "../core/small-map.ts";
import { entryStatus } from "../core/status.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { ArrivalRow, Store } from "../store/store.ts";
import { failureByItem, mapOutcome, type RunId } from "./journal-loading.ts";
import type { OpenEntry, OutcomeFacts } from "./turn-builder.ts";

/** What has arrived for a run and is not in its journal yet. */
export interface Inbound {
  readonly deliveries: Delivery[];
  /** Keys of the arrivals among them. */
  readonly arrived: number[];
}

/** Outcomes that others have left: of tasks from the queue, maps and children, in the order in which they came. */
export async function readArrivals(
  deps: { readonly store: Store; readonly codec: PayloadCodec },
  run: RunId,
  open: SmallMap<string, OpenEntry>,
): Promise<Inbound> {
  const rows = await deps.store.arrivals(run.key);
  const bySeq = new Map([...open.values()].map((entry) => [entry.seq, entry]));
  const inbound: Inbound = { deliveries: [], arrived: [] };
  const records = recordsOfMaps(deps.codec, run, rows, bySeq);
  for (const row of rows) {
    const entry = bySeq.get(row.seq);
    if (row.kind === "records" && entry !== undefined) continue;
    inbound.arrived.push(row.key);
    if (entry === undefined || row.kind === "records") continue;
    inbound.deliveries.push(await deliveryOf(deps, run, entry, row, records.get(row.seq)?.records));
    inbound.arrived.push(...(records.get(row.seq)?.keys ?? []));
  }
  return inbound;
}

async function deliveryOf(
  { store, codec }: { readonly store: Store; readonly codec: PayloadCodec },
  run: RunId,
  entry: OpenEntry,
  row: ArrivalRow,
  mapRecords: Records | undefined,
): Promise<Delivery> {
  const payload =
    row.kind === "item"
      ? await failureByItem(store, codec, run, entry, Number(row.value))
      : row.value;
  const tag: OutcomeFacts = {
    payload,
    attempt: row.attempt,
    failures: row.failures,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
  };
  const place = valuePlace(run, entry);
  if (row.kind === "stored") return storedDelivery(codec, entry, row, { place, tag });
  if (row.kind === "dispatched") return dispatchedDelivery(codec, entry, row, { place, tag });
  if (row.kind === "map" || row.kind === "item") {
    const outcome =
      row.status === entryStatus.completed
        ? await mapOutcome(store, codec, run, entry)
        : outcomeOf(codec, row.status, payload, place);
    return { kind: "outcome", path: entry.path, outcome, records: mapRecords, tag };
  }
  const records =
    row.records === undefined ? undefined : (codec.decode(row.records, place) as Records);
  return {
    kind: "outcome",
    path: entry.path,
    outcome: outcomeOf(codec, row.status, row.value, place),
    records,
    tag,
  };
}

/** What somebody else has run stands for it: kept at a place of its own, it is stored anew at that of the entry. */
function storedDelivery(
  codec: PayloadCodec,
  { path }: OpenEntry,
  row: ArrivalRow,
  { place, tag }: { readonly place: Place; readonly tag: OutcomeFacts },
): Delivery {
  const value = codec.decode(row.value ?? "", storedResultPlace(String(row.records)));
  const payload = codec.encode(value, place);
  return { kind: "outcome", path, outcome: { ok: true, value }, tag: { ...tag, payload } };
}

/** The new execution's id, or why it was not started. */
function dispatchedDelivery(
  codec: PayloadCodec,
  entry: OpenEntry,
  row: ArrivalRow,
  { place, tag }: { readonly place: Place; readonly tag: OutcomeFacts },
): Delivery {
  const { execution: id } = JSON.parse(entry.options ?? "{}") as { readonly execution: string };
  const { path, name = "" } = entry;
  if (row.status === entryStatus.completed) {
    const payload = codec.encode(id, place);
    const outcome = { ok: true as const, value: id };
    return { kind: "outcome", path, outcome, tag: { ...tag, payload } };
  }
  const error = executionExists(JSON.parse(String(row.value)) as StandingExecution, { id, name });
  const payload = codec.encodeFailure(error, place);
  const outcome = { ok: false as const, error: codec.decodeFailure(payload, place) };
  return { kind: "outcome", path, outcome, tag: { ...tag, payload } };
}

/** What the items of a map left in counters, state and progress takes effect together with the map. */
function recordsOfMaps(
  codec: PayloadCodec,
  run: RunId,
  rows: readonly ArrivalRow[],
  bySeq: ReadonlyMap<number, OpenEntry>,
): Map<number, { readonly keys: number[]; readonly records: Records }> {
  const found = new Map<
    number,
    {
      keys: number[];
      records: {
        counters: Record<string, number>;
        state: Record<string, unknown>;
        progress: string[];
      };
    }
  >();
  for (const row of rows) {
    const entry = bySeq.get(row.seq);
    if (row.kind !== "records" || row.records === undefined || entry === undefined) continue;
    const sum = found.get(row.seq) ?? {
      keys: [],
      records: { counters: {}, state: {}, progress: [] },
    };
    found.set(row.seq, sum);
    const {
      counters = {},
      state = {},
      progress = [],
    } = codec.decode(row.records, valuePlace(run, entry)) as Records;
    sum.keys.push(row.key);
    for (const [name, amount] of Object.entries(counters))
      sum.records.counters[name] = (sum.records.counters[name] ?? 0) + amount;
    Object.assign(sum.records.state, state);
    sum.records.progress.push(...progress);
  }
  return found;
}

/** Messages for the waits of a coroutine: oldest first, first come first served. `taken`: consumed by this commit already. */
export async function readInbox(
  deps: { readonly store: Store; readonly codec: PayloadCodec },
  run: RunId,
  name: string,
  paths: ReadonlySet<string>,
  taken: ReadonlySet<number>,
): Promise<
  readonly { readonly key: number; readonly delivery: Extract<Delivery, { kind: "outcome" }> }[]
> {
  const messages = await deps.store.inbox(run.key, name, paths.size + taken.size);
  const free = messages.filter((message) => !taken.has(message.key));
  return [...paths].slice(0, free.length).flatMap((path, index) => {
    const message = free[index];
    if (message === undefined) return [];
    const value = deps.codec.decode(message.payload, signalPlace(run.id, name));
    return [
      {
        key: message.key,
        delivery: { kind: "outcome" as const, path, outcome: { ok: true as const, value } },
      },
    ];
  });
}

/** Outcomes that the journal has, but that a retry has withdrawn: they are delivered again, to today's code. */
export function redeliveries({
  coroutine,
  open,
}: {
  readonly coroutine: Coroutine;
  readonly open: SmallMap<string, OpenEntry>;
}): Extract<Delivery, { kind: "outcome" }>[] {
  return coroutine
    .undelivered()
    .flatMap(({ path, outcome }): Extract<Delivery, { kind: "outcome" }>[] =>
      outcome === undefined || !open.has(path) ? [] : [{ kind: "outcome", path, outcome }],
    );
}
