import { isOverWorkflow } from "../core/map-items.ts";
import { resultPlace, stepId } from "../core/places.ts";
import type { EntryRow, ExecutionRow, MapProgress, TaskRow } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import type { WaitReason } from "./execution-state.ts";
import { heldBack } from "./held-back.ts";
import { errorText, lastErrorOf, type OpenWork } from "./open-work.ts";
import { blockReasonOf } from "./row-codec.ts";

/** How decisive a reason is, most decisive first: the order in which `why` tells them. */
export const weights = {
  blocked: 0,
  notDue: 1,
  noWorker: 2,
  lacksCode: 3,
  limit: 4,
  lateHolder: 5,
  retry: 6,
  sleep: 7,
  signal: 8,
  work: 9,
} as const;

/** Something that an execution waits for, and how decisive that is. */
export interface Weighed extends WaitReason {
  readonly weight: (typeof weights)[keyof typeof weights];
}

/** What an execution waits for, as its row and its open entries say it. One that has ended waits for nothing. */
export async function waitingFor(
  connection: Connection,
  row: ExecutionRow,
  open: OpenWork,
  now: number,
): Promise<Weighed[]> {
  if (row.endedAt !== undefined) return [];
  const own = [
    ...blockedBy(row),
    ...ownTurn(connection, row, now),
    ...(await ownLimit(connection, row, now)),
  ];
  const entries: Weighed[] = [];
  for (const entry of open.entries)
    entries.push(...(await reasonsOf(connection, row, entry, open, now)));
  return [...own, ...entries];
}

/** As the public contract has it. */
export function unweighed(weighed: Weighed): WaitReason {
  const { kind, name, since, until, detail } = weighed;
  return {
    kind,
    name,
    since,
    ...(until === undefined ? {} : { until }),
    ...(detail === undefined ? {} : { detail }),
  };
}

function blockedBy(row: ExecutionRow): Weighed[] {
  if (row.blocked === undefined) return [];
  const { message, since } = blockReasonOf(row.blocked);
  return [
    {
      weight: weights.blocked,
      kind: "blocked",
      name: row.name,
      since: new Date(since),
      detail: message,
    },
  ];
}

/** What holds the execution itself back. */
async function ownLimit({ store }: Connection, row: ExecutionRow, now: number): Promise<Weighed[]> {
  const { key, gates, dueAt, worker, name, notBefore } = row;
  if (worker !== undefined || notBefore > now) return [];
  const back = await heldBack(store, { holder: -key, gates, dueAt }, now);
  const since = new Date(Math.max(row.scheduledAt, row.createdAt));
  return back === undefined ? [] : [{ weight: weights.limit, kind: "limit", name, since, ...back }];
}

/** What has to happen before it has its next turn, or its attempt if it is a job. */
function ownTurn({ codec }: Connection, row: ExecutionRow, now: number): Weighed[] {
  const { kind, name, notBefore, failures, attempt } = row;
  const reason = { kind, name, since: new Date(row.createdAt) };
  if (row.worker !== undefined) {
    if (kind === "workflow") return [];
    const since = new Date(row.startedAt ?? row.createdAt);
    return [{ ...reason, weight: weights.work, since, detail: `attempt ${attempt} runs` }];
  }
  if (row.blocked !== undefined) return [];
  if (notBefore > now && failures > 0) {
    const error = errorText(codec, row.result, resultPlace(row.id)) ?? "a failure";
    const detail = `attempt ${attempt} begins then; the last ended with ${error}`;
    return [{ ...reason, weight: weights.retry, until: new Date(notBefore), detail }];
  }
  if (notBefore > now) {
    const until = new Date(notBefore);
    return [
      {
        ...reason,
        weight: weights.notDue,
        kind: "sleep",
        name: "sleep",
        until,
        detail: "it was dispatched with a delay, and starts then",
      },
    ];
  }
  if (row.dueAt === undefined || row.dueAt > now) return [];
  const since = new Date(Math.max(row.dueAt, row.createdAt));
  return [
    {
      ...reason,
      weight: weights.work,
      since,
      detail: "it is due, and waits for a worker to take it",
    },
  ];
}

async function reasonsOf(
  connection: Connection,
  row: ExecutionRow,
  entry: EntryRow,
  open: OpenWork,
  now: number,
): Promise<Weighed[]> {
  const { kind, name = kind, dueAt } = entry;
  const since = new Date(entry.scheduledAt);
  const until = dueAt === undefined ? {} : { until: new Date(dueAt) };
  switch (kind) {
    case "sleep":
    case "sleepUntil":
      return [{ weight: weights.sleep, kind: "sleep", name: "sleep", since, ...until }];
    case "signal":
      return [{ weight: weights.signal, kind: "signal", name, since, ...until }];
    case "map":
      if (isOverWorkflow(entry)) return [await childrenReason(connection, row, entry, open)];
      return itemReasons(connection, row, entry, open, now);
    case "call":
      return taskReasons(connection, entry, open, { now });
    case "child":
      return [await childReason(connection, row, entry)];
    case "run":
    case "transaction":
      return [
        {
          weight: weights.work,
          kind: "activity",
          name,
          since,
          detail:
            entry.worker === undefined
              ? restText(entry, open)
              : `a ${kind === "run" ? "closure" : "transaction"} in the worker that holds it`,
        },
      ];
    default:
      return []; // what is answered in the turn that asks for it
  }
}

async function taskReasons(
  { codec, store }: Connection,
  entry: EntryRow,
  open: OpenWork,
  { now, progress }: { readonly now: number; readonly progress?: MapProgress | undefined },
): Promise<Weighed[]> {
  const tasks = open.tasks.get(entry.seq) ?? [];
  const reason = {
    kind: "activity" as const,
    name: entry.name ?? entry.kind,
    since: new Date(entry.scheduledAt),
  };
  if (entry.worker !== undefined) {
    const detail = `attempt ${entry.attempt} runs in the worker that holds its execution`;
    return [{ ...reason, weight: weights.work, detail }];
  }
  const later = tasks.filter((task) => task.worker === undefined && task.dueAt > now);
  const others = tasks.filter((task) => !later.includes(task));
  const limited: Weighed[] = [];
  const retrying: TaskRow[] = [];
  for (const task of later) {
    const { key: holder, gates, dueAt, failures } = task;
    // One of many is enough to tell.
    const asked = failures === 0 && limited.length > 0;
    const back = asked ? undefined : await heldBack(store, { holder, gates, dueAt }, now);
    if (back !== undefined)
      limited.push({ ...reason, weight: weights.limit, kind: "limit", ...back });
    else if (!asked) retrying.push(task);
  }
  return [
    ...limited,
    ...retrying.map((task): Weighed => {
      const error = lastErrorOf(codec, task, entry);
      const detail = `attempt ${task.attempt + 1}${queueText(task)} begins then${error === undefined ? "" : `; the last ended with ${error}`}`;
      return { ...reason, weight: weights.retry, until: new Date(task.dueAt), detail };
    }),
    ...(others.length === 0 && later.length > 0
      ? []
      : [{ ...reason, weight: weights.work, detail: othersText(entry, others, open, progress) }]),
  ];
}

/** Of the items of a map, how many have ended stands before what the others wait for. */
async function itemReasons(
  connection: Connection,
  { key, run }: ExecutionRow,
  entry: EntryRow,
  open: OpenWork,
  now: number,
): Promise<Weighed[]> {
  const progress = await connection.store.mapProgress(key, run, entry.seq);
  const reasons = await taskReasons(connection, entry, open, { now, progress });
  if (progress === undefined) return reasons;
  const { total, left } = progress;
  return reasons.map((reason) => ({
    ...reason,
    detail: `${total - left} of ${total} items have ended; ${reason.detail ?? ""}`,
  }));
}

function othersText(
  entry: EntryRow,
  tasks: readonly TaskRow[],
  open: OpenWork,
  progress: MapProgress | undefined,
): string {
  const [first] = tasks;
  if (first === undefined) return restText(entry, open);
  if (entry.kind === "call") {
    return first.worker === undefined
      ? `waits${queueText(first)} for attempt ${first.attempt + 1}`
      : `attempt ${first.attempt}${queueText(first)} runs`;
  }
  const held = itemsOf(tasks.filter((task) => task.worker !== undefined));
  const waiting = itemsOf(tasks) - held;
  // Of those that a worker holds together some have ended.
  const most = progress === undefined ? held : progress.left - progress.unqueued - waiting;
  return `${waiting} items wait${queueText(first)}, ${Math.max(0, Math.min(held, most))} run`;
}

function itemsOf(tasks: readonly TaskRow[]): number {
  return tasks.reduce((sum, { itemFrom = 0, itemTo = 1 }) => sum + itemTo - itemFrom, 0);
}

function queueText({ queue }: { readonly queue: string | undefined }): string {
  return queue === undefined ? "" : ` in queue "${queue}"`;
}

async function childrenReason(
  { store }: Connection,
  { key, run }: ExecutionRow,
  entry: EntryRow,
  open: OpenWork,
): Promise<Weighed> {
  const progress = await store.mapProgress(key, run, entry.seq);
  return {
    weight: weights.work,
    kind: "workflow",
    name: entry.name ?? entry.kind,
    since: new Date(entry.scheduledAt),
    detail: progress === undefined ? restText(entry, open) : childrenText(progress),
  };
}

function childrenText({ total, left, failed, blocked }: MapProgress): string {
  const failures = failed === 0 ? "" : `, ${failed} of them failed`;
  const hindrance = blocked === undefined ? "" : `; execution ${blocked} is blocked`;
  return `${total - left} of ${total} executions have ended${failures}${hindrance}`;
}

/** Of an entry that nobody works on: its outcome is there, or it has lost its attempt, to a worker's death or a retry. */
function restText({ seq }: EntryRow, { arrived }: OpenWork): string {
  return arrived.has(seq)
    ? "its outcome has come, and is taken in the next turn"
    : "it is begun anew in the next turn";
}

async function childReason(
  { store }: Connection,
  { id, run }: ExecutionRow,
  entry: EntryRow,
): Promise<Weighed> {
  const childId = stepId({ id, run, cut: entry.cut }, entry.path);
  const child = await store.execution(childId);
  const state =
    child === undefined ? "not there" : child.blocked === undefined ? child.state : "blocked";
  return {
    weight: weights.work,
    kind: "workflow",
    name: entry.name ?? entry.kind,
    since: new Date(entry.scheduledAt),
    detail: `execution ${childId} is ${state}`,
  };
}
