/** Claiming a task of the queue: a call, or the first items of a range. */
import type { ClaimedExecution, ClaimedTask } from "../store.ts";
import type { Payload } from "../../core/payload.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import type { Entrance, Entrances } from "./entrance.ts";
import { leave } from "./leaving.ts";

/** From this many marks on, a turn, attempt or item is suspected of killing its process. */
export const suspectMarks = 2;

/** What has been taken so far. */
export interface Taken {
  readonly executions: ClaimedExecution[];
  readonly tasks: ClaimedTask[];
  more: boolean;
  /** A suspect may still be taken. */
  suspects: boolean;
  /** Something is due that others are changing just now. */
  passedOver: boolean;
}

/** Who takes, and the gates that it looks at. */
export interface Taker {
  readonly session: number;
  readonly entrances: Entrances;
}

export type TaskRow = RowOf<Statements["tasks"]["ready"]>;
type ExecutionRow = RowOf<Statements["executions"]["unchanging"]>;
type EntryRow = RowOf<Statements["journal"]["one"]>;

/** A task with what it is to do. */
interface Detail {
  readonly task: TaskRow;
  /** "changing": others are changing it just now. */
  readonly execution: ExecutionRow | "changing" | undefined;
  readonly entry: EntryRow | undefined;
  /** Not more than were asked for. */
  readonly items: ClaimedTask["items"];
}

/** Of how many tasks the details are looked for at the same time. */
const side = 16;

/** The details of tasks, looked for when the first of some is asked for. */
export class TaskDetails {
  readonly #batch: Batch;
  readonly #tasks: readonly TaskRow[];
  readonly #found = new Map<number, Detail>();

  constructor(batch: Batch, tasks: readonly TaskRow[]) {
    this.#batch = batch;
    this.#tasks = tasks;
  }

  *of(task: TaskRow, room: number): Procedure<Detail> {
    const known = this.#found.get(task.key);
    if (known !== undefined) return known;
    const from = this.#tasks.indexOf(task);
    const some = this.#tasks.slice(from, from + (this.#batch.sideBySide ? side : 1));
    for (const detail of yield* this.#batch.each(some, (one) => detailOf(this.#batch, one, room)))
      this.#found.set(detail.task.key, detail);
    return this.#found.get(task.key) ?? { task, execution: undefined, entry: undefined, items: [] };
  }
}

function* detailOf(batch: Batch, task: TaskRow, room: number): Procedure<Detail> {
  const { executions, journal } = batch.sql;
  const key = task.execution;
  const execution = yield* executions.unchanging.get({ key });
  if (execution === undefined) {
    const gone = (yield* executions.runOf.get({ key })) === undefined;
    return { task, execution: gone ? undefined : "changing", entry: undefined, items: [] };
  }
  const place = { execution: key, run: task.run, seq: task.seq };
  const [entry, open] = yield* batch.both(
    () => journal.one.get(place),
    () =>
      journal.itemsOfTask.all({
        ...place,
        from: task.item_from,
        to: task.item_to,
        path: task.path,
        limit: room + 1,
      }),
  );
  return { task, execution, entry, items: entry === undefined ? [] : itemsOf(task, entry, open) };
}

/** Takes a task, or the first items of a range: a suspect among them is taken by itself. @returns how many places it takes. */
export function* takeTask(
  batch: Batch,
  { session, entrances }: Taker,
  { task: waiting, execution, entry, items }: Detail,
  room: number,
  taken: Taken,
): Procedure<number> {
  if (execution === "changing") {
    taken.passedOver = true;
    return 0;
  }
  if (execution === undefined || entry === undefined || items.length === 0) {
    batch.sql.tasks.remove.do({ key: waiting.key });
    if (waiting.gates !== null) yield* leave(batch, waiting.key);
    return 0;
  }
  // I10: its workflow decides first what of this is still wanted; nothing is begun behind a cancel.
  if (execution.state === "cancelling" && execution.cancel_seen === 0) return 0;
  const { marks, count } = batch.hasMarks
    ? yield* unsuspicious(batch, waiting, items, room)
    : { marks: 0, count: Math.min(room, items.length) };
  if (marks >= suspectMarks) {
    if (!taken.suspects) return 0;
  }
  const entrance: Entrance =
    waiting.gates === null
      ? "open"
      : yield* entrances.enter({
          holder: waiting.key,
          execution: waiting.execution,
          gates: waiting.gates,
          session,
          begins: true,
          lane: waiting.lane,
          rank: waiting.rank,
          dueAt: waiting.due_at,
        });
  if (!mayBegin(entrance, taken)) return 0;
  if (marks >= suspectMarks) taken.suspects = false;
  const rest = items[count];
  const row =
    rest?.item === undefined
      ? takeWhole(batch, session, waiting)
      : yield* splitRange(batch, session, waiting, rest.item);
  if (rest !== undefined) taken.more = true;
  taken.tasks.push({
    key: row.key,
    claim: row.claim,
    execution: row.execution,
    executionId: execution.id,
    run: row.run,
    cut: entry.cut,
    seq: row.seq,
    path: row.path,
    name: row.name,
    queue: row.queue ?? undefined,
    attempt: row.attempt,
    failures: row.failures,
    scheduledAt: row.scheduled_at,
    dueAt: row.due_at,
    options: entry.options ?? undefined,
    heartbeat: row.heartbeat ?? undefined,
    marks,
    gates: waiting.gates ?? undefined,
    deadlock: typeof entrance === "object" ? entrance.deadlock : undefined,
    stored: typeof entrance === "object" ? entrance.stored : undefined,
    apart: row.item_from !== null && row.path !== entry.path,
    items: rest === undefined ? items : items.slice(0, count),
  });
  return Math.min(count, items.length);
}

/** What was put aside makes room for a look at what stands behind it. */
export function mayBegin(entrance: Entrance, taken: Taken): boolean {
  if (entrance === "busy") taken.passedOver = true;
  else if (entrance === "held") taken.more = true;
  else return true;
  return false;
}

/** How many of the items may be taken together, and the most sessions that died while one of these was running. */
function* unsuspicious(
  batch: Batch,
  task: TaskRow,
  items: ClaimedTask["items"],
  room: number,
): Procedure<{ readonly marks: number; readonly count: number }> {
  const { execution, run, seq, item_from, item_to } = task;
  const range =
    item_from === null || item_to === null ? { from: -1, to: 0 } : { from: item_from, to: item_to };
  const rows = yield* batch.sql.sessions.itemMarks.all({ execution, run, seq, ...range });
  const byItem = new Map(rows.map((row) => [row.item, row.count]));
  const marks = items.map(({ item }) => byItem.get(item ?? -1) ?? 0);
  const suspect = marks.findIndex((count) => count >= suspectMarks);
  const count = suspect === 0 ? 1 : Math.min(room, suspect === -1 ? items.length : suspect);
  return { marks: Math.max(...marks.slice(0, count)), count };
}

/** A call is one, without a number. */
function itemsOf(
  row: TaskRow,
  entry: EntryRow,
  open: readonly { readonly item: number; readonly input: Payload }[],
): ClaimedTask["items"] {
  if (row.item_from !== null) return open;
  return entry.input === null ? [] : [{ item: undefined, input: entry.input }];
}

/** Nobody else has taken it since it was looked at: it is one transaction. @returns its row as it is now */
function takeWhole(batch: Batch, session: number, waiting: TaskRow): TaskRow {
  batch.sql.tasks.take.do({ key: waiting.key, session, now: batch.now });
  return { ...waiting, claim: waiting.claim + 1, attempt: waiting.attempt + 1 };
}

/** The items of a range before `end` become a task of their own. @returns its row */
function* splitRange(
  batch: Batch,
  session: number,
  waiting: TaskRow,
  end: number,
): Procedure<TaskRow> {
  batch.sql.tasks.shorten.do({ key: waiting.key, from: end });
  const attempt = waiting.attempt + 1;
  const key = yield* batch.sql.tasks.insert.insert({
    execution: waiting.execution,
    run: waiting.run,
    seq: waiting.seq,
    path: waiting.path,
    itemFrom: waiting.item_from,
    itemTo: end,
    name: waiting.name,
    lane: waiting.lane,
    queue: waiting.queue,
    rank: waiting.rank,
    tags: waiting.tags,
    dueAt: waiting.due_at,
    worker: session,
    claim: 1,
    attempt,
    failures: waiting.failures,
    startedAt: batch.now,
    error: waiting.error,
    heartbeat: waiting.heartbeat,
    now: waiting.scheduled_at,
    giveUpAt: waiting.give_up_at,
  });
  return { ...waiting, key, item_to: end, claim: 1, attempt };
}
