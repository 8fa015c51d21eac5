import { SerializationError } from "../core/errors.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import { entryPlace } from "../core/places.ts";
import type { Place } from "../core/serializer.ts";
import type { EntryRow, ExecutionRow, Store, TaskRow } from "../store/store.ts";

/** Of an execution with more than this that waits, the rest is not looked at. */
const maxShown = 200;

/** What an execution has asked for and not been given yet: entries without an outcome, and their tasks by `seq`. */
export interface OpenWork {
  readonly entries: readonly EntryRow[];
  readonly tasks: ReadonlyMap<number, readonly TaskRow[]>;
  /** By `seq`: those whose outcome is there, and is taken in the next turn. */
  readonly arrived: ReadonlySet<number>;
}

/** Reads what of the current run is open; of one that has ended, nothing is. */
export async function openWorkOf(store: Store, row: ExecutionRow): Promise<OpenWork> {
  if (row.endedAt !== undefined || row.kind === "activity")
    return { entries: [], tasks: new Map(), arrived: new Set() };
  const entries = await store.pendingEntries(row.key, row.run, maxShown);
  const queued = entries.some(({ kind }) => kind === "call" || kind === "map")
    ? await store.tasks({ execution: row.key, limit: maxShown })
    : [];
  const tasks = tasksBySeq(queued.filter((task) => task.run === row.run));
  const arrivals = entries.some(({ seq, worker }) => worker === undefined && !tasks.has(seq))
    ? await store.arrivals(row.key)
    : [];
  return {
    entries,
    tasks,
    arrived: new Set(arrivals.flatMap(({ kind, seq }) => (kind === "records" ? [] : [seq]))),
  };
}

/** The tasks of one run by their entry. */
export function tasksBySeq(rows: readonly TaskRow[]): ReadonlyMap<number, readonly TaskRow[]> {
  const bySeq = new Map<number, TaskRow[]>();
  for (const row of rows) {
    const others = bySeq.get(row.seq);
    if (others === undefined) bySeq.set(row.seq, [row]);
    else others.push(row);
  }
  return bySeq;
}

/** What the last attempt of a task failed with, in one line. */
export function lastErrorOf(
  codec: PayloadCodec,
  task: TaskRow,
  entry: { readonly path: string },
): string | undefined {
  // The items of a map are encoded at the place of their map.
  return errorText(codec, task.error, entryPlace(task.executionId, task.run, entry.path));
}

/** A stored failure in one line; undefined for none. */
export function errorText(
  codec: PayloadCodec,
  failure: Payload | undefined,
  place: Place,
): string | undefined {
  if (failure === undefined) return undefined;
  try {
    const { name, message } = codec.decodeFailure(failure, place);
    return `${name}: ${message.length > 200 ? `${message.slice(0, 200)}…` : message}`;
  } catch (error) {
    if (error instanceof SerializationError) return "an error that cannot be read";
    throw error;
  }
}
