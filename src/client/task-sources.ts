/**
 * Where tasks are found: the queue, attempts that the holders of executions have begun themselves, and jobs; of one execution its journal.
 * Each source gives its tasks in order, from behind a position on, and the position of each.
 */
import { never } from "../store/never.ts";
import type { AnyDurable } from "../core/durable.ts";
import { itemPath, resultPlace, taskIdOf } from "../core/places.ts";
import { valuePlace } from "../core/entry-outcome.ts";
import { maxAttemptsOf, type StoredOptions } from "../core/step-options.ts";
import type {
  BegunRow,
  EntryRow,
  ExecutionRow,
  SessionRow,
  Store,
  TaskRow,
} from "../store/store.ts";
import type { Connection } from "./connection.ts";
import { storedErrorOf } from "./or-unreadable.ts";
import { storedOptionsOf } from "./row-codec.ts";
import type { FoundTask, TaskRecord } from "./task-record.ts";

/** A task, and where its source goes on behind it. */
export interface Found {
  readonly task: FoundTask;
  readonly position: readonly number[];
}

const pageSize = 100;

/** Names of workers by the key of their session. */
export type WorkerNames = ReadonlyMap<number, string>;

export function workerNames(sessions: readonly SessionRow[]): WorkerNames {
  return new Map(sessions.map(({ key, name }) => [key, name]));
}

/** What waits and runs in the queue; a range of a map's items, item by item. Position: key of the row, item. */
export async function* queued(
  connection: Connection,
  names: WorkerNames,
  query: { readonly queue?: string; readonly running?: boolean },
  position: readonly number[],
): AsyncGenerator<Found> {
  const { store } = connection;
  const [fromKey = 0, behindItem = Infinity] = position;
  // The row of the position may have items left.
  for (let after = Math.max(0, fromKey - 1); ;) {
    const rows = await store.tasks({ ...query, after, limit: pageSize });
    for (const row of rows) {
      const entry = await entryOf(store, row.execution, row.run, row.seq);
      if (entry === undefined) continue;
      const behind = row.key === fromKey ? behindItem : -1;
      for (
        let item = Math.max(row.itemFrom ?? 0, behind + 1);
        item < (row.itemTo ?? 1);
        item += 1
      ) {
        const ofMap = row.itemFrom === undefined ? undefined : item;
        yield { task: queuedTask(connection, names, row, entry, ofMap), position: [row.key, item] };
      }
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = last.key;
  }
}

/** Calls that run in the worker that holds their execution. Position: key of the execution, seq. */
export async function* begun(
  connection: Connection,
  names: WorkerNames,
  position: readonly number[],
): AsyncGenerator<Found> {
  const { store } = connection;
  let [execution = 0, seq = -1] = position;
  for (;;) {
    const rows = await store.begunEntries({ execution, seq }, pageSize);
    for (const row of rows) {
      const of = await store.executionByKey(row.execution);
      if (of !== undefined)
        yield { task: begunTask(connection, names, of, row), position: [row.execution, row.seq] };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    ({ execution, seq } = last);
  }
}

/** Activities that were dispatched by themselves and have not ended, newest first. Position: key of the execution. */
export async function* jobs(
  connection: Connection,
  names: WorkerNames,
  query: { readonly queue?: string },
  position: readonly number[],
): AsyncGenerator<Found> {
  let [before = Number.MAX_SAFE_INTEGER] = position;
  for (;;) {
    const rows = await connection.store.executions({
      ...query,
      kind: "activity",
      states: ["pending", "running", "cancelling"],
      before,
      limit: pageSize,
    });
    for (const row of rows) yield { task: jobTask(connection, names, row), position: [row.key] };
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    before = last.key;
  }
}

async function entryOf(
  store: Store,
  execution: number,
  run: number,
  seq: number,
): Promise<EntryRow | undefined> {
  const [entry] = await store.entries(execution, run, { after: seq - 1, limit: 1 });
  return entry?.seq === seq ? entry : undefined;
}

/** A task in the queue. `item`: which of a map's. */
export function queuedTask(
  { codec, registry }: Connection,
  names: WorkerNames,
  row: TaskRow,
  entry: EntryRow,
  item: number | undefined,
): FoundTask {
  const run = { id: row.executionId, run: row.run, cut: entry.cut };
  const running = row.worker !== undefined;
  // An item that has a task of its own has a path of its own.
  const path = item === undefined || row.path !== entry.path ? row.path : itemPath(row.path, item);
  return {
    id: taskIdOf(run, path, storedOptionsOf(entry)),
    executionId: row.executionId,
    name: row.name,
    kind: "activity",
    state: running ? "running" : "pending",
    attempt: running ? row.attempt : row.attempt + 1,
    maxAttempts: knownMaxAttempts("activity", registry.get(row.name), storedOptionsOf(entry)),
    queue: row.queue,
    priority: row.priority,
    tags: row.tags,
    workerId: row.worker === undefined ? undefined : names.get(row.worker),
    createdAt: new Date(row.scheduledAt),
    scheduledFor: running ? undefined : dueDate(row.dueAt),
    startedAt: dateOf(row.startedAt),
    completedAt: undefined,
    error: storedErrorOf(codec, row.error, valuePlace(run, entry)),
  };
}

/** A call that runs in the worker that holds its execution. */
export function begunTask(
  { codec, registry }: Connection,
  names: WorkerNames,
  of: ExecutionRow,
  entry: BegunRow | EntryRow,
): FoundTask {
  const run = { id: of.id, run: entry.run, cut: entry.cut };
  const name = entry.name ?? entry.kind;
  const options = storedOptionsOf(entry);
  return {
    id: taskIdOf(run, entry.path, options),
    executionId: of.id,
    name,
    kind: "activity",
    state: "running",
    attempt: entry.attempt,
    maxAttempts: knownMaxAttempts("activity", registry.get(name), options),
    ...placeOf(options, of),
    workerId: entry.worker === undefined ? undefined : names.get(entry.worker),
    createdAt: new Date(entry.scheduledAt),
    scheduledFor: undefined,
    startedAt: dateOf(entry.startedAt),
    completedAt: undefined,
    error: storedErrorOf(codec, entry.value, valuePlace(run, entry)),
  };
}

/** The one task of an activity that was dispatched by itself. */
export function jobTask(
  { codec, registry }: Connection,
  names: WorkerNames,
  row: ExecutionRow,
): FoundTask {
  const { id, name, state, attempt, worker, endedAt, result } = row;
  const failure = state === "completed" ? undefined : result;
  return {
    id: taskIdOf(row, "1", storedOptionsOf(row)),
    executionId: id,
    name,
    kind: "activity",
    state: jobState(row),
    attempt,
    maxAttempts: knownMaxAttempts("activity", registry.get(name), storedOptionsOf(row)),
    queue: row.queue,
    priority: row.priority,
    tags: row.tags,
    workerId: worker === undefined ? undefined : names.get(worker),
    createdAt: new Date(row.createdAt),
    scheduledFor:
      endedAt === undefined && worker === undefined
        ? dueDate(row.dueAt ?? row.notBefore)
        : undefined,
    startedAt: dateOf(row.startedAt),
    completedAt: dateOf(endedAt),
    error: storedErrorOf(codec, failure, resultPlace(id)),
  };
}

function jobState({ state, worker }: ExecutionRow): TaskRecord["state"] {
  switch (state) {
    case "completed":
    case "cancelled":
    case "failed":
      return state;
    case "timed_out":
      return "failed";
    case "pending":
    case "running":
    case "cancelling":
      return worker === undefined ? "pending" : "running";
    default:
      return state satisfies never;
  }
}

/** How many attempts a call may have, as far as this process can know: what its place of call sets is stored, what its definition says is in its code. */
export function knownMaxAttempts(
  kind: AnyDurable["kind"],
  fn: AnyDurable | undefined,
  stored: StoredOptions,
): number | undefined {
  return fn === undefined ? stored.retry?.maxAttempts : maxAttemptsOf(kind, fn, stored);
}

/** Where a call runs: what is stored with it, else what its execution has. */
function placeOf(
  options: StoredOptions,
  of: ExecutionRow,
): Pick<TaskRecord, "queue" | "priority" | "tags"> {
  return {
    queue: options.queue ?? of.queue,
    priority: options.priority ?? of.priority,
    tags: options.tags ?? of.tags,
  };
}

/** A time of a row. */
export function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

/** What is held back by a limit is due at no time. */
function dueDate(dueAt: number): Date | undefined {
  return dueAt >= never ? undefined : new Date(dueAt);
}
