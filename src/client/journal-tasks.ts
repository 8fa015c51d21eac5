import { asError, outcomeOf, valuePlace } from "../core/entry-outcome.ts";
import { SerializationError } from "../core/errors.ts";
import { itemPath, stepId, taskIdOf } from "../core/places.ts";
import { isOverWorkflow } from "../core/map-items.ts";
import { entryStatus, isFinal, type EntryStatus } from "../core/status.ts";
import type { EntryRow, ExecutionRow, FullItemRow, TaskRow } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import { tasksBySeq } from "./open-work.ts";
import { orUnreadable } from "./or-unreadable.ts";
import { storedOptionsOf } from "./row-codec.ts";
import type { FoundTask, TaskRecord } from "./task-record.ts";
import {
  begunTask,
  dateOf,
  jobTask,
  knownMaxAttempts,
  queuedTask,
  type Found,
  type WorkerNames,
} from "./task-sources.ts";

const pageSize = 200;
/** Of an execution with more tasks in the queue than this, the state of the rest is told without attempt and worker. */
const maxQueued = 10_000;

/** The tasks of one execution, in the order in which it came to them: calls, items of maps, children, sleeps, signals. Position: seq, item. */
export async function* tasksOfExecution(
  connection: Connection,
  names: WorkerNames,
  of: ExecutionRow,
  position: readonly number[],
): AsyncGenerator<Found> {
  if (of.kind === "activity") {
    if (position.length === 0) yield { task: jobTask(connection, names, of), position: [0, 0] };
    return;
  }
  const { store } = connection;
  const rows = await store.tasks({ execution: of.key, limit: maxQueued });
  const queued = tasksBySeq(rows);
  const [fromSeq = -1, behindItem = Infinity] = position;
  // The map of the position may have items left.
  for (let after = fromSeq - 1; ;) {
    const entries = await store.entries(of.key, of.run, { after, limit: pageSize });
    for (const entry of entries) {
      const behind = entry.seq === fromSeq ? behindItem : -1;
      yield* tasksOfEntry(
        { connection, names, of, entry, queued: queued.get(entry.seq) ?? [] },
        behind,
      );
    }
    const last = entries.at(-1);
    if (last === undefined || entries.length < pageSize) return;
    after = last.seq;
  }
}

interface Sought {
  readonly connection: Connection;
  readonly names: WorkerNames;
  readonly of: ExecutionRow;
  readonly entry: EntryRow;
  readonly queued: readonly TaskRow[];
}

async function* tasksOfEntry(sought: Sought, behindItem: number): AsyncGenerator<Found> {
  const { entry } = sought;
  const position = [entry.seq, 0];
  switch (entry.kind) {
    case "map":
      yield* tasksOfMap(sought, behindItem);
      return;
    case "call":
      if (behindItem < 0) yield { task: callTask(sought), position };
      return;
    case "child":
      if (behindItem < 0) yield { task: await childTask(sought), position };
      return;
    case "sleep":
    case "sleepUntil":
    case "signal":
      if (behindItem < 0) yield { task: waitTask(sought, entry.kind), position };
      return;
    default:
  }
}

function callTask(sought: Sought): FoundTask {
  const { connection, names, of, entry, queued } = sought;
  const [task] = queued;
  if (entry.status === entryStatus.pending) {
    if (task !== undefined) return queuedTask(connection, names, task, entry, undefined);
    if (entry.worker !== undefined) return begunTask(connection, names, of, entry);
  }
  return {
    ...begunTask(connection, names, of, { ...entry, value: undefined }),
    ...endedPart(sought),
  };
}

async function* tasksOfMap(sought: Sought, behindItem: number): AsyncGenerator<Found> {
  const { connection, of, entry } = sought;
  const taskOf = taskOfItems(sought);
  const overWorkflow = isOverWorkflow(entry);
  for (let after = behindItem; ;) {
    const items = await connection.store.itemPage(of.key, entry.run, entry.seq, {
      after,
      limit: pageSize,
    });
    for (const item of items) {
      const task = overWorkflow
        ? await childTask(ofItem(sought, item))
        : itemTask(sought, item, taskOf(item));
      yield { task, position: [entry.seq, item.item] };
    }
    const last = items.at(-1);
    if (last === undefined || items.length < pageSize) return;
    after = last.item;
  }
}

/** Finds the row under which an item waits or runs: its own, or that of a range. */
function taskOfItems({ entry, queued }: Sought): (item: FullItemRow) => TaskRow | undefined {
  const own = new Map(
    queued.filter(({ path }) => path !== entry.path).map((row) => [row.itemFrom, row]),
  );
  const ranges = queued.filter(({ path }) => path === entry.path);
  return ({ item, apart }) =>
    apart
      ? own.get(item)
      : ranges.find(({ itemFrom = 0, itemTo = 0 }) => item >= itemFrom && item < itemTo);
}

function itemTask(sought: Sought, item: FullItemRow, task: TaskRow | undefined): FoundTask {
  const { connection, names, of, entry } = sought;
  if (item.status === entryStatus.pending && task !== undefined) {
    return queuedTask(connection, names, task, entry, item.item);
  }
  const run = { id: of.id, run: entry.run, cut: entry.cut };
  const status = statusOf(entry, item);
  const { state, error } = stateOf({ ...sought, entry: { ...entry, status, value: item.value } });
  return {
    ...begunTask(connection, names, of, { ...entry, value: undefined }),
    id: taskIdOf(run, itemPath(entry.path, item.item), storedOptionsOf(entry)),
    attempt: Math.max(1, item.attempt),
    state,
    error,
    workerId: undefined,
    startedAt: undefined,
    completedAt: dateOf(item.endedAt),
  };
}

/** An item that its map does not wait for any more is never begun. */
function statusOf(entry: EntryRow, item: FullItemRow): EntryStatus {
  const dropped = item.status === entryStatus.pending && entry.status !== entryStatus.pending;
  return dropped ? entryStatus.withdrawn : item.status;
}

/** An item of a map over a workflow, as if its child had been called by itself. */
function ofItem(sought: Sought, item: FullItemRow): Sought {
  const { entry } = sought;
  return {
    ...sought,
    entry: {
      ...entry,
      kind: "child",
      path: itemPath(entry.path, item.item),
      status: statusOf(entry, item),
      value: item.value,
      startedAt: undefined,
      endedAt: item.endedAt,
    },
  };
}

async function childTask(sought: Sought): Promise<FoundTask> {
  const { connection, names, of, entry } = sought;
  const { store, registry } = connection;
  const id = stepId({ id: of.id, run: entry.run, cut: entry.cut }, entry.path);
  const child = await store.execution(id);
  const ended = {
    ...begunTask(connection, names, of, { ...entry, value: undefined }),
    ...endedPart(sought),
    id,
    kind: "workflow" as const,
  };
  if (child === undefined) return ended;
  const begun = child.startedAt !== undefined && !isFinal(child.state);
  return {
    ...ended,
    state: entry.status === entryStatus.pending && begun ? "running" : ended.state,
    attempt: child.attempt,
    maxAttempts: knownMaxAttempts(
      "workflow",
      registry.get(child.name, child.version),
      storedOptionsOf(child),
    ),
    queue: child.queue,
    priority: child.priority,
    tags: child.tags,
    workerId: child.worker === undefined ? undefined : names.get(child.worker),
    startedAt: dateOf(child.startedAt),
  };
}

function waitTask(sought: Sought, kind: "sleep" | "sleepUntil" | "signal"): FoundTask {
  const { connection, names, of, entry } = sought;
  return {
    ...begunTask(connection, names, of, { ...entry, value: undefined }),
    ...endedPart(sought),
    name: entry.name ?? "sleep",
    kind: kind === "signal" ? "signal" : "sleep",
    attempt: 1,
    maxAttempts: 1,
    startedAt: new Date(entry.scheduledAt),
  };
}

/** How an entry stands that nobody is working on now. */
function endedPart(
  sought: Sought,
): Pick<
  TaskRecord,
  "state" | "error" | "attempt" | "workerId" | "scheduledFor" | "startedAt" | "completedAt"
> {
  const { entry } = sought;
  return {
    ...stateOf(sought),
    attempt: Math.max(1, entry.attempt),
    workerId: undefined,
    scheduledFor: entry.status === entryStatus.pending ? dateOf(entry.dueAt) : undefined,
    startedAt: dateOf(entry.startedAt),
    completedAt: dateOf(entry.endedAt),
  };
}

function stateOf({ connection, of, entry }: Sought): Pick<TaskRecord, "state" | "error"> {
  switch (entry.status) {
    case entryStatus.pending:
      return { state: "pending", error: undefined };
    case entryStatus.completed:
      return { state: "completed", error: undefined };
    case entryStatus.withdrawn:
      return { state: "cancelled", error: undefined };
    case entryStatus.failed: {
      const place = valuePlace({ id: of.id, run: entry.run, cut: entry.cut }, entry);
      const outcome = orUnreadable(() =>
        outcomeOf(connection.codec, entry.status, entry.value, place),
      );
      const error =
        outcome instanceof SerializationError ? outcome : outcome.ok ? undefined : outcome.error;
      return { state: "failed", error: error === undefined ? undefined : asError(error) };
    }
    default:
      return entry.status satisfies never;
  }
}
