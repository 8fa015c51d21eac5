/** Every row of two databases that have been through the same, each beside its like: rows are alike once their keys are replaced by what these stand for. */
import type { Selectable } from "kysely";
import type { Tables } from "../../src/store/schema.ts";
import type { Query } from "../support/invariants.ts";

export type Side = 0 | 1;
export type TableName = keyof Tables;
export type RowOf<T extends TableName> = Selectable<Tables[T]>;

/** A row as the one database has it, and as the other. */
export type Paired<T extends TableName> = readonly [RowOf<T>, RowOf<T>];
export type PairedRows = { readonly [T in TableName]: readonly Paired<T>[] };

const tables: readonly TableName[] = [
  "stent_executions",
  "stent_journal",
  "stent_items",
  "stent_fanouts",
  "stent_tasks",
  "stent_arrivals",
  "stent_signals",
  "stent_workers",
  "stent_lanes",
  "stent_marks",
  "stent_counters",
  "stent_state",
  "stent_left_runs",
  "stent_dead_letters",
  "stent_wakes",
];

type Row = Readonly<Record<string, unknown>>;
type Rows = Readonly<Record<TableName, readonly Row[]>>;

/** What the keys of one database stand for, those of removed rows included: keys are given out in any order, and skipped where a batch was written anew. */
export class Names {
  readonly executions = new Map<unknown, string>();
  readonly sessions = new Map<unknown, string>();
  readonly tasks = new Map<unknown, string>();
  readonly lanes = new Map<unknown, string>();
  /** Of each execution `wake_seq`, and after how many commits it was another than before. */
  readonly #wakes = new Map<unknown, { readonly seq: unknown; readonly commits: number }>();

  /**
   * Events raise it; PostgreSQL once for those that are stored side by side. So it is compared whether a commit has raised it, and not by
   * how much: nobody asks for more (S3).
   */
  wakes(key: unknown): number {
    return this.#wakes.get(key)?.commits ?? 0;
  }

  /** Whether an execution has been woken since it had that `wake_seq`. */
  wokenSince(key: unknown, seq: number): boolean {
    return this.#wakes.get(key)?.seq !== seq;
  }

  learn(rows: Rows): void {
    for (const { key, wake_seq: seq } of rows.stent_executions) {
      const known = this.#wakes.get(key);
      if (known?.seq !== seq) this.#wakes.set(key, { seq, commits: (known?.commits ?? -1) + 1 });
    }
    for (const { key, id } of rows.stent_executions) this.executions.set(key, String(id));
    for (const { key, id } of rows.stent_workers) this.sessions.set(key, String(id));
    for (const { key, text } of rows.stent_lanes) this.lanes.set(key, String(text));
    for (const { key, execution, run, path, item_from: from } of rows.stent_tasks) {
      const of = this.executions.get(execution) ?? "?";
      if (!this.tasks.has(key))
        this.tasks.set(key, `${of}/${String(run)}/${String(path)} from ${String(from)}`);
    }
  }
}

/** What a column refers to by a key. */
const references: Readonly<Record<string, "executions" | "sessions" | "lanes">> = {
  execution: "executions",
  parent: "executions",
  root: "executions",
  worker: "sessions",
  session: "sessions",
  lane: "lanes",
};

/** Reads every table, and learns what the keys stand for. */
export async function readRows(query: Query, names: Names): Promise<Rows> {
  const read = await Promise.all(tables.map((table) => query<Row>(`select * from ${table}`)));
  const rows = Object.fromEntries(tables.map((table, at) => [table, read[at] ?? []])) as Rows;
  names.learn(rows);
  return rows;
}

/** Removes every row but those of lanes, which never go: keys go on, so nothing that a store remembers of the former ones is mistaken. */
export async function removeRows(query: Query): Promise<void> {
  for (const table of tables)
    if (table !== "stent_lanes") await query(`delete from ${table} returning 1`);
}

/** @throws Error that shows the rows without their like */
export function pairRows(sides: readonly [Rows, Rows], names: readonly [Names, Names]): PairedRows {
  const differences: string[] = [];
  const paired = tables.map((table) => {
    const [a, b] = [0, 1].map((side) =>
      comparable(table, sides[side as Side], names[side as Side]),
    );
    if (a === undefined || b === undefined) return [];
    const [inA, inB] = [new Set(a.map(({ text }) => text)), new Set(b.map(({ text }) => text))];
    differences.push(
      ...a
        .filter(({ text }) => !inB.has(text))
        .map(({ text }) => `only on SQLite, ${table}: ${text}`),
      ...b
        .filter(({ text }) => !inA.has(text))
        .map(({ text }) => `only on PostgreSQL, ${table}: ${text}`),
      ...(a.length === b.length ? [] : [`${table}: ${a.length} rows, and ${b.length}`]),
    );
    return a.map((one, at) => [one.row, b[at]?.row]);
  });
  if (differences.length > 0) throw new Error(differences.join("\n"));
  return Object.fromEntries(
    tables.map((table, at) => [table, paired[at]]),
  ) as unknown as PairedRows;
}

interface Comparable {
  readonly row: Row;
  readonly text: string;
}

function comparable(table: TableName, rows: Rows, names: Names): Comparable[] {
  return rows[table]
    .map((row) => ({ row, text: JSON.stringify(normalised(table, row, rows, names)) }))
    .toSorted((a, b) => (a.text < b.text ? -1 : Number(a.text > b.text)));
}

function normalised(table: TableName, row: Row, rows: Rows, names: Names): Row {
  const result: Record<string, unknown> = {};
  for (const column of Object.keys(row).toSorted()) {
    if (column === "key") continue;
    const value = row[column];
    const reference = references[column];
    result[column] =
      reference === undefined || value === null
        ? textOf(value)
        : (names[reference].get(value) ?? "unknown");
  }
  if (table === "stent_executions") result["wake_seq"] = names.wakes(row["key"]);
  if (table === "stent_signals") result["place"] = placeInInbox(row, rows.stent_signals);
  return result;
}

/** Payloads may come as bytes. */
function textOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}

/** Messages of one name are in order (I6). */
function placeInInbox({ execution, name, key }: Row, all: readonly Row[]): number {
  return all.filter(
    (other) =>
      other["execution"] === execution &&
      other["name"] === name &&
      Number(other["key"]) < Number(key),
  ).length;
}
