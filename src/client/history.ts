import { asError, mapValue, outcomeOf, valuePlace } from "../core/entry-outcome.ts";
import { SerializationError } from "../core/errors.ts";
import { itemInputPlaces, itemValuePlaces } from "../core/map-items.ts";
import { inputPlace, signalPlace, stepId } from "../core/places.ts";
import { entryStatus } from "../core/status.ts";
import type { EntryRow, ExecutionRow, FullItemRow } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import { findExecution } from "./find-execution.ts";
import { orUnreadable } from "./or-unreadable.ts";
import { receiverOf, storedOptionsOf } from "./row-codec.ts";

/**
 * One journal entry: what the workflow yielded and what came back; `delivery` is the place of its outcome in the order in which
 * outcomes reached the workflow.
 */
export interface HistoryEntry {
  run: number;
  path: string;
  delivery?: number;
  effect: { kind: string; name?: string; args?: unknown };
  outcome?: { ok: true; value: unknown } | { ok: false; error: Error };
  scheduledAt: Date;
  deliveredAt?: Date;
}

const pageSize = 500;
const itemPageSize = 1_000;

/** Entries that are decisions and records of the engine, not effects that were answered. */
export const unseen: ReadonlySet<string> = new Set([
  "race",
  "within",
  "cancel",
  "grace",
  "counters.add",
  "state.set",
  "progress",
  "patched",
  "middleware",
  "result",
]);

/** Asks for one page, each time by a connection that is open. */
type Read = <T>(read: (connection: Connection) => Promise<T>) => Promise<T>;

/** The current run, entry by entry, in the order in which they were reached. @throws ExecutionNotFoundError at the first step */
export async function* history(read: Read, id: string): AsyncGenerator<HistoryEntry, void, void> {
  const row = await read(({ store }) => findExecution(store, id));
  for (let after = -1; ;) {
    const entries = await read(({ store }) =>
      store.entries(row.key, row.run, { after, limit: pageSize }),
    );
    for (const entry of entries) {
      if (!unseen.has(entry.kind))
        yield await read((connection) => historyEntry(connection, row, entry));
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < pageSize) return;
    after = last.seq;
  }
}

async function historyEntry(
  connection: Connection,
  row: ExecutionRow,
  entry: EntryRow,
): Promise<HistoryEntry> {
  const { run, path, kind, name, delivery, scheduledAt, endedAt } = entry;
  const items = kind === "map" ? await itemsOf(connection, entry, row) : [];
  const args = orUnreadable(() => argsOf(connection, row, entry, items));
  return {
    run,
    path,
    ...(delivery === undefined ? {} : { delivery }),
    effect: {
      kind: kind === "child" ? "call" : kind,
      ...(name === undefined ? {} : { name }),
      ...(args === undefined ? {} : { args }),
    },
    ...outcomeOfEntry(connection, row, entry, items),
    scheduledAt: new Date(scheduledAt),
    ...(delivery === undefined || endedAt === undefined ? {} : { deliveredAt: new Date(endedAt) }),
  };
}

async function itemsOf(
  { store }: Connection,
  { run, seq }: EntryRow,
  { key }: ExecutionRow,
): Promise<FullItemRow[]> {
  const items: FullItemRow[] = [];
  for (;;) {
    const after = items.at(-1)?.item ?? -1;
    const page = await store.itemPage(key, run, seq, { after, limit: itemPageSize });
    items.push(...page);
    if (page.length < itemPageSize) return items;
  }
}

/** What the effect carried, where the journal keeps it: arguments, the argument lists of a map's items, a message. */
function argsOf(
  { codec }: Connection,
  row: ExecutionRow,
  entry: EntryRow,
  items: readonly FullItemRow[],
): unknown {
  const { kind, path, cut, input, name = "" } = entry;
  const run = { id: row.id, run: entry.run, cut };
  if (kind === "map") {
    const placeOf = itemInputPlaces(run, entry);
    return items.map(({ item, input: args }) => codec.decode(args, placeOf(item)));
  }
  if (input === undefined) return undefined;
  if (kind === "child") return codec.decode(input, inputPlace(stepId(run, path)));
  if (kind === "continueAsNew") return codec.decode(input, inputPlace(row.id));
  if (kind !== "sendSignal" && kind !== "dispatch")
    return codec.decode(input, valuePlace(run, entry));
  const execution = receiverOf(entry);
  if (kind === "dispatch")
    return execution === undefined ? undefined : codec.decode(input, inputPlace(execution));
  return execution === undefined
    ? undefined
    : [execution, codec.decode(input, signalPlace(execution, name))];
}

function outcomeOfEntry(
  { codec }: Connection,
  row: ExecutionRow,
  entry: EntryRow,
  items: readonly FullItemRow[],
): Pick<HistoryEntry, "outcome"> {
  const { status, delivery, cut } = entry;
  if (delivery === undefined || status === entryStatus.pending || status === entryStatus.withdrawn)
    return {};
  const run = { id: row.id, run: entry.run, cut };
  if (entry.kind === "map" && status === entryStatus.completed) {
    const { tolerated } = storedOptionsOf(entry);
    const places = itemValuePlaces(run, entry);
    const value = orUnreadable(() => mapValue(codec, places, items, tolerated !== undefined));
    return { outcome: { ok: true, value } };
  }
  const outcome = orUnreadable(() => outcomeOf(codec, status, entry.value, valuePlace(run, entry)));
  if (outcome instanceof SerializationError) {
    return {
      outcome:
        status === entryStatus.completed
          ? { ok: true, value: outcome }
          : { ok: false, error: outcome },
    };
  }
  return { outcome: outcome.ok ? outcome : { ok: false, error: asError(outcome.error) } };
}
