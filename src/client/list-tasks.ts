import { unqueued } from "../core/step-options.ts";
import { knownOptions, nameOption, show, wordOption } from "../core/option.ts";
import type { Connection } from "./connection.ts";
import { cursorOf, positionOf } from "./cursor.ts";
import { limitOf } from "./execution-filter.ts";
import { tasksOfExecution } from "./journal-tasks.ts";
import type { Page } from "./page.ts";
import { keptTaskOf, maxAttemptsIn } from "./row-codec.ts";
import { maxAttemptsOf } from "../core/step-options.ts";
import type { FoundTask, TaskRecord } from "./task-record.ts";
import { begun, jobs, queued, workerNames, type Found, type WorkerNames } from "./task-sources.ts";

/** Which tasks. */
export interface TaskFilter {
  /** Of one execution: those that have ended too, from its journal. */
  execution?: string;
  state?: TaskRecord["state"];
  /** "default" names the unqueued. */
  queue?: string;
  /** Default 50. */
  limit?: number;
  /** The `nextCursor` of the page before. */
  cursor?: string;
}

const states = ["pending", "running", "completed", "failed", "cancelled"] as const;
const defaultLimit = 50;
/** Waiting and running tasks; of one execution also those that have ended. @throws TypeError, RangeError for a wrong filter */
export async function listTasks(
  connection: Connection,
  filter: TaskFilter = {},
): Promise<Page<TaskRecord>> {
  knownOptions("a filter of tasks", filter, ["execution", "state", "queue", "limit", "cursor"]);
  const execution = nameOption("execution", filter.execution);
  const wanted = {
    state: wordOption("state", states, filter.state),
    queue: nameOption("queue", filter.queue),
  };
  const limit = limitOf(filter.limit, defaultLimit);
  const list = execution === undefined ? "tasks" : "tasks-of";
  const position = positionOf(list, filter.cursor);
  const names = workerNames(await connection.store.sessions());
  const found =
    execution === undefined
      ? unfinished(connection, names, wanted, position ?? [0])
      : ofExecution(connection, names, execution, position ?? []);
  const taken: { readonly task: TaskRecord; readonly position: Found["position"] }[] = [];
  for await (const { task, position: at } of found) {
    if (!matches(task, wanted)) continue;
    taken.push({ task: await withMaxAttempts(connection, task), position: at });
    if (taken.length > limit) break;
  }
  const last = taken.length > limit ? taken[limit - 1] : undefined;
  return {
    items: taken.slice(0, limit).map(({ task }) => task),
    nextCursor: last === undefined ? undefined : cursorOf(list, last.position),
  };
}

/** What ended its execution is kept with its policy, for those who do not have its code. */
async function withMaxAttempts({ store }: Connection, task: FoundTask): Promise<TaskRecord> {
  const { maxAttempts, kind } = task;
  if (maxAttempts !== undefined) return { ...task, maxAttempts };
  const letter = task.state === "failed" ? await store.deadLetter(task.id) : undefined;
  return {
    ...task,
    maxAttempts:
      letter === undefined
        ? maxAttemptsOf(kind === "workflow" ? "workflow" : "activity", undefined, {})
        : maxAttemptsIn(keptTaskOf(letter)),
  };
}

interface Wanted {
  readonly state: TaskRecord["state"] | undefined;
  readonly queue: string | undefined;
}

function matches({ state, queue }: FoundTask, wanted: Wanted): boolean {
  if (wanted.state !== undefined && state !== wanted.state) return false;
  return wanted.queue === undefined || (queue ?? unqueued) === wanted.queue;
}

/** One source after the other; the first number of a position says which. */
async function* unfinished(
  connection: Connection,
  names: WorkerNames,
  { state, queue }: Wanted,
  [first = 0, ...behind]: readonly number[],
): AsyncGenerator<Found> {
  if (state !== undefined && state !== "pending" && state !== "running") return;
  const query = queue === undefined ? {} : { queue };
  const running = state === undefined ? {} : { running: state === "running" };
  const sources = [
    (position: readonly number[]) => queued(connection, names, { ...query, ...running }, position),
    (position: readonly number[]) => begun(connection, names, position),
    (position: readonly number[]) => jobs(connection, names, query, position),
  ];
  if (first >= sources.length) throw new TypeError(`cursor is none of this list: ${show(first)}`);
  for (const [index, source] of sources.entries()) {
    if (index < first) continue;
    for await (const { task, position } of source(index === first ? behind : [])) {
      yield { task, position: [index, ...position] };
    }
  }
}

async function* ofExecution(
  connection: Connection,
  names: WorkerNames,
  id: string,
  position: readonly number[],
): AsyncGenerator<Found> {
  const of = await connection.store.execution(id);
  if (of !== undefined) yield* tasksOfExecution(connection, names, of, position);
}
