/** The beginning of a transaction: what it locks, and what every transition may have to know. */
import type pg from "pg";
import { numberArray, textArray } from "./array-literal.ts";
import type { Send } from "./conversation.ts";
import type { HeldRow, RowOf, Statements } from "../batch.ts";
import { taskStatements } from "../statements/tasks.ts";
import { standingColumn } from "../statements/executions.ts";
import { fromText, toText } from "./payload-column.ts";
import type { Found, Locks } from "./reach.ts";
import { PostgresStatement, type Query } from "./statement.ts";

/** What was found. */
export interface Opening extends Found {
  /** By the database's clock. */
  readonly now: number;
  readonly anyMark: boolean;
  readonly live: ReadonlyMap<number, boolean>;
  readonly held: ReadonlyMap<number, HeldRow>;
  readonly taskRows: ReadonlyMap<number, TaskRow>;
}

type TaskRow = RowOf<Statements["tasks"]["byKey"]>;
const taskRows = new PostgresStatement(taskStatements.byKey, { lock: "for no key update" });

/** Which transaction of which process it is, should the answer to its commit be lost. */
export interface WriteId {
  readonly writer: string;
  readonly batch: number;
}

/** Begins, locks in the order of R1, and looks. All of it is sent at once. */
export function open(send: Send, locks: Locks, id: WriteId): Promise<Opening> {
  return lockAndLook(send, locks, id, [query("begin", begin, [])]);
}

/** The same in a transaction that has begun. */
export async function lockAndLook(
  send: Send,
  locks: Locks,
  id: WriteId,
  first: readonly Query[] = [],
): Promise<Opening> {
  const queries = [
    ...first,
    query("write_id", writeIdOrFail, [id.writer, id.batch]),
    query("sessions", liveSessions, [numberArray(sorted(locks.sessions))]),
    ...(locks.reaped.size === 0
      ? []
      : [query("reaped", reapedSessions, [numberArray(sorted(locks.reaped))])]),
    ...tasksQuery(locks),
    ...executionsQuery(locks),
    ...workQuery(locks),
    ...taskRowsQuery(locks),
    query("look", look, []),
  ];
  const answers = await Promise.allSettled(queries.map((one) => send(one)));
  const found = new Map<string, pg.QueryArrayResult>();
  for (const [index, answer] of answers.entries()) {
    if (answer.status === "rejected") throw answer.reason;
    found.set(queries[index]?.name ?? "", answer.value);
  }
  return openingOf(locks, found);
}

function openingOf(locks: Locks, found: ReadonlyMap<string, pg.QueryArrayResult>): Opening {
  const rowsOf = (name: string): unknown[][] => found.get(`stent_${name}`)?.rows ?? [];
  const locked = [...found].find(([name]) => name.startsWith("stent_lock_"));
  const working = new Set(rowsOf("work").map(([key]) => Number(key)));
  const executions = (locked?.[1].rows ?? []).map((columns) => heldRow(columns, locks, working));
  const lives = new Set(rowsOf("sessions").map(([key]) => Number(key)));
  const [seen] = rowsOf("look");
  return {
    now: Number(seen?.[0]),
    anyMark: seen?.[1] === 1,
    live: new Map([...locks.sessions].map((key) => [key, lives.has(key)])),
    tasks: new Map(rowsOf("tasks").map(([key, execution]) => [Number(key), Number(execution)])),
    executions,
    held: new Map(executions.map((row) => [row.key, row])),
    taskRows: taskRowsOf(found.get(taskRows.many([], false).name ?? "")),
  };
}

function taskRowsOf(result: pg.QueryArrayResult | undefined): Map<number, TaskRow> {
  const rows = (result?.rows ?? []).map(
    (columns) => taskRows.row(result as pg.QueryArrayResult, columns, 1) as TaskRow,
  );
  return new Map(rows.map((row) => [row.key, row]));
}

function heldRow(
  columns: readonly unknown[],
  { ending }: Locks,
  working: ReadonlySet<number>,
): HeldRow {
  const [key, id, parent, parentRun, parentSeq, worker, claim, run, standing] = columns as [
    number,
    string,
    ...(number | null)[],
  ];
  return {
    key,
    id: fromText(id),
    parent: parent ?? null,
    parent_run: parentRun ?? null,
    parent_seq: parentSeq ?? null,
    worker: worker ?? null,
    claim: claim ?? 0,
    run: run ?? 0,
    standing: standing ?? 0,
    work: ending.has(key) ? Number(working.has(key)) : undefined,
  };
}

function query(name: string, text: string, values: unknown[]): Query {
  return { name: `stent_${name}`, text, values, rowMode: "array" };
}

function sorted(keys: ReadonlySet<number>): number[] {
  return [...keys].toSorted((a, b) => a - b);
}

/** Outside of it the session writes nothing. */
export const begin = "begin read write";

/** A row a process. Nothing is written by a batch that has been given up for lost meanwhile (C1). */
export const writeId = `
  insert into stent_writers (id, batch, fence, at) values ($1, $2, 0, clock_timestamp())
  on conflict (id) do update set batch = excluded.batch, at = excluded.at where stent_writers.fence < excluded.batch
  returning 1`;
const writeIdOrFail = `with written as (${writeId}) select 1 / count(*) from written`;

/** Shared, which heartbeats do not wait for, and a reaper does. */
const liveSessions =
  "select key from stent_workers where key = any($1::bigint[]) and state = 'live' order by key for key share";
const reapedSessions =
  "select key from stent_workers where key = any($1::bigint[]) order by key for update";
const look =
  "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint, case when exists (select 1 from stent_marks) then 1 else 0 end";

function tasksQuery({ tasks }: Locks): Query[] {
  if (tasks.size === 0) return [];
  return [
    query("tasks", "select key, execution from stent_tasks where key = any($1::bigint[])", [
      numberArray(sorted(tasks)),
    ]),
  ];
}

const heldColumns = `x.key, x.id, x.parent, x.parent_run, x.parent_seq, x.worker, x.claim, x.run, ${standingColumn}`;

/** After the lock, and not with it: a statement that has waited for a lock still sees other tables as they were before. */
function workQuery({ ending }: Locks): Query[] {
  if (ending.size === 0) return [];
  return [
    query("work", `select x.key from unnest($1::bigint[]) as x(key) where ${hasWork}`, [
      keys(ending),
    ]),
  ];
}

/** Whether the execution `x.key` has a task, an arrival or a fan-out. */
export const hasWork: string = ["stent_tasks", "stent_arrivals", "stent_fanouts"]
  .map((table) => `exists (select 1 from ${table} w where w.execution = x.key)`)
  .join(" or ");

/** Behind the locks of their executions. */
function taskRowsQuery({ tasks }: Locks): Query[] {
  return tasks.size === 0
    ? []
    : [
        taskRows.many(
          sorted(tasks).map((key) => [key]),
          false,
        ),
      ];
}

/** One part for each way to name executions, and only those that name some: the others would be looked at all the same. */
function executionsQuery(locks: Locks): Query[] {
  const values: unknown[] = [];
  const parts: string[] = [];
  let ways = "";
  const add = (
    way: string,
    count: number,
    part: (first: number) => string,
    ...given: unknown[]
  ) => {
    if (count === 0) return;
    parts.push(part(values.length + 1));
    values.push(...given);
    ways += way;
  };
  add(
    "k",
    locks.executions.size,
    (at) => `select unnest($${at}::bigint[])`,
    keys(locks.executions),
  );
  add(
    "p",
    locks.ending.size,
    (at) =>
      `select e.parent from stent_executions e where e.key = any($${at}::bigint[]) and e.parent is not null`,
    keys(locks.ending),
  );
  add(
    "t",
    locks.tasks.size,
    (at) => `select t.execution from stent_tasks t where t.key = any($${at}::bigint[])`,
    keys(locks.tasks),
  );
  add(
    "i",
    locks.ids.size,
    (at) => `select e.key from stent_executions e where e.id = any($${at}::text[])`,
    textArray([...locks.ids].map((id) => toText(id))),
  );
  add(
    "c",
    locks.entries.length,
    (at) =>
      `select c.key from unnest($${at}::bigint[], $${at + 1}::bigint[], $${at + 2}::bigint[]) as w(e, r, s) join stent_executions c on c.parent = w.e and c.parent_run = w.r and c.parent_seq = w.s and c.ended_at is null`,
    numberArray(locks.entries.map(([execution]) => execution)),
    numberArray(locks.entries.map(([, run]) => run)),
    numberArray(locks.entries.map(([, , seq]) => seq)),
  );
  if (parts.length === 0) return [];
  const wanted = parts.join(" union ");
  return [
    query(
      `lock_${ways}`,
      `select ${heldColumns} from stent_executions x where x.key in (${wanted}) order by x.key for no key update of x`,
      values,
    ),
  ];
}

function keys(set: ReadonlySet<number>): string {
  return numberArray(sorted(set));
}
