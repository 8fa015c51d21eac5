/** Two processes with a store each on one schema, whose rows are as they were before at each schedule. */
import { mock } from "node:test";
import type { PostgresConnections } from "../../src/store/postgres/connection.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import type { Hints, Transition } from "../../src/store/store.ts";
import { opened, postgresClient } from "../store/postgres/open.ts";
import type { Ending } from "../support/ending.ts";
import { checkInvariants } from "../support/invariants.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { Gate, type BlockersOf } from "./interleaving.ts";
import { ended, failures, heldBy, Scene, completed } from "./scene.ts";
import type { Name } from "./schedules.ts";

/** What an operation was answered, and whom it would have told. */
export interface Answered {
  readonly answer: unknown;
  readonly hints: Hints;
}

type Row = Readonly<Record<string, unknown>>;

/** Rows by table. */
export type Rows = Readonly<Record<string, readonly Row[]>>;

/** Lanes stay, since processes remember their keys for good. What a process writes of itself is no outcome. */
const notKept = ["stent_lanes", "stent_writers", "stent_migrations", "stent_migrations_lock"];

export class InterleavingStage {
  readonly scenes: Readonly<Record<Name, Scene>>;
  readonly gates: Readonly<Record<Name, Gate>>;
  readonly blockersOf: BlockersOf;
  readonly #pool: PostgresConnections["pool"];
  readonly #tables: readonly string[];
  readonly #lanes = new Map<number, string>();
  #restore = "";
  #processMs = 0;

  private constructor(made: {
    readonly connections: Readonly<Record<Name, PostgresConnections>>;
    readonly stores: Readonly<Record<Name, PostgresStore>>;
    readonly clock: ManualClock;
    readonly gates: Readonly<Record<Name, Gate>>;
    readonly blockersOf: BlockersOf;
    readonly tables: readonly string[];
  }) {
    const { connections, stores, clock, gates, blockersOf, tables } = made;
    this.#pool = connections.A.pool;
    this.#tables = tables;
    this.gates = gates;
    this.blockersOf = blockersOf;
    const query = async <T>(sql: string) => (await this.#pool.query(sql)).rows as T[];
    const sceneOf = (name: Name): Scene =>
      new Scene(
        {
          store: stores[name],
          query,
          violations: (now) => checkInvariants(query, now),
          undone: () => Promise.reject(new Error("not wanted here")),
          close: () => stores[name].close(),
        },
        clock,
      );
    this.scenes = { A: sceneOf("A"), B: sceneOf("B") };
    // What a process knows of the database's clock gets old: here when the test says so, however long a schedule takes.
    mock.method(performance, "now", () => (this.#processMs += 0.001));
  }

  static async open(t: Ending): Promise<InterleavingStage> {
    const a = await opened(t);
    const connections = { A: a, B: await opened(t, { schema: a.schema, migrate: false }) };
    const gates = { A: new Gate(), B: new Gate() };
    const clock = new ManualClock();
    const storeOf = (name: Name): PostgresStore => {
      gates[name].guard(connections[name]);
      const store = new PostgresStore(connections[name], { clock, failures });
      t.after(() => store.close());
      return store;
    };
    const looking = await postgresClient(t);
    const { rows } = await a.pool.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = current_schema() order by tablename",
    );
    return new InterleavingStage({
      connections,
      stores: { A: storeOf("A"), B: storeOf("B") },
      clock,
      gates,
      tables: rows.map(({ name }) => name).filter((name) => !notKept.includes(name)),
      async blockersOf(pid) {
        const text = "select pg_blocking_pids($1) as pids";
        const { rows } = await looking.query<{ pids: number[] }>({
          name: "blockers",
          text,
          values: [pid],
        });
        return rows[0]?.pids ?? [];
      },
    });
  }

  /** Removes everything. */
  async clear(): Promise<void> {
    for (const table of this.#tables) {
      await this.#pool.query(`delete from ${table}`);
      await this.#pool.query(`vacuum ${table}`);
    }
  }

  /** From now on `restore` comes back to what is there now. */
  async keep(): Promise<void> {
    const statements = await Promise.all(
      this.#tables.map(async (table) => {
        const { rows } = await this.#pool.query<{ row: string }>(
          `select to_jsonb(t)::text as row from ${table} t`,
        );
        const json = `[${rows.map(({ row }) => row).join()}]`.replaceAll("'", "''");
        const insert = `insert into ${table} overriding system value select * from jsonb_populate_recordset(null::${table}, '${json}')`;
        return [`delete from ${table}`, ...(rows.length === 0 ? [] : [insert])];
      }),
    );
    this.#restore = `begin; set local synchronous_commit = off; ${statements.flat().join("; ")}; commit`;
    await this.rows(); // lanes that are there already are not new
  }

  async restore(): Promise<void> {
    await this.#pool.query(this.#restore);
  }

  /** From now on nobody can tell how a commit begins before having looked once. */
  elapse(): void {
    this.#processMs += 10_000;
  }

  async ask(name: Name, transition: Transition): Promise<Answered> {
    const { settled, hints } = await this.scenes[name].store.commit([transition]);
    const [one] = settled;
    const known = one !== undefined && "later" in one ? await one.later : { settled: one, hints };
    if (known.settled === undefined || "error" in known.settled) throw known.settled?.error;
    return { answer: known.settled.answer, hints: known.hints };
  }

  /**
   * What is there, and lanes that were not there when it was asked last. Keys become places among their like, since a transaction that is
   * rolled back uses some up.
   */
  async rows(): Promise<Rows> {
    const parts = [...this.#tables, "stent_lanes"].map(
      (table) => `select '${table}' as table, to_jsonb(t)::text as row from ${table} t`,
    );
    const text = parts.join(" union all ");
    const found = await this.#pool.query<{ table: string; row: string }>({ name: "rows", text });
    const rows = found.rows.map(({ table, row }) => ({ table, row: JSON.parse(row) as Row }));
    const newLanes = rows.filter(({ table, row }) => table === "stent_lanes" && this.#isNew(row));
    const keys = new Map<string, number[]>();
    for (const { table, row } of rows)
      if (typeof row["key"] === "number") keys.set(table, [...(keys.get(table) ?? []), row["key"]]);
    for (const list of keys.values()) list.sort((a, b) => a - b);
    const result: Record<string, Row[]> = {};
    const kept = rows.filter(({ table }) => table !== "stent_lanes");
    for (const { table, row } of [...kept, ...newLanes]) {
      const columns = Object.entries(row).map(([column, value]) => {
        if (column === "lane") return [column, this.#lanes.get(value as number)];
        if (table === "stent_lanes" && column === "key") return [column, "new"];
        const place = keys.get(column === "key" ? table : (keyColumns[column] ?? ""));
        return [column, place === undefined || value === null ? value : placeOf(value, place)];
      });
      (result[table] ??= []).push(Object.fromEntries(columns) as Row);
    }
    for (const of of Object.values(result))
      of.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    return result;
  }

  #isNew({ key, text }: Row): boolean {
    if (this.#lanes.has(key as number)) return false;
    this.#lanes.set(key as number, String(text));
    return true;
  }

  /** Everything that is left is taken by a new worker, and ends. @returns what is left all the same */
  async finish(): Promise<readonly string[]> {
    const one = this.scenes.A;
    for (const { key } of await one.query<{ key: number }>(
      "select key from stent_workers where state = 'live'",
    ))
      await one.one("reap", { session: key, died: false });
    const worker = await one.register();
    for (let round = 0; round < mostRounds; round++) {
      const { executions, tasks } = await one.claim(worker, { wakes: true });
      if (executions.length + tasks.length === 0) break;
      for (const task of tasks)
        for (const { item } of task.items) await one.outcome(worker, task, completed, item);
      for (const row of executions.toSorted((a, b) => b.key - a.key))
        await one.turn(heldBy(worker, row), { knowsCancel: true }, ended());
    }
    const left = await one.query<{ left: string }>(
      "select id || ' is ' || state as left from stent_executions where ended_at is null union all select 'a task of ' || name from stent_tasks",
    );
    return [...left.map((row) => row.left), ...(await one.violations())];
  }
}

const mostRounds = 10;

/** Columns that hold keys of rows that an operation may make. */
const keyColumns: Readonly<Record<string, string>> = {
  execution: "stent_executions",
  parent: "stent_executions",
  root: "stent_executions",
};

function placeOf(key: unknown, keys: readonly number[]): string {
  return `#${keys.indexOf(key as number) + 1}`;
}
