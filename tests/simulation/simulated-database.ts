/** The real SQLite store on one database in memory, which processes share, with an eye on every write. */
import Driver, { type Database, type Statement } from "better-sqlite3";
import type { OpenOptions } from "../../src/store/backend.ts";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { checkInvariants } from "../support/invariants.ts";

/** Processes have their statements and their lanes from one of so many stores: making one costs seven milliseconds. */
const differentStores = 2;

let image: Promise<Buffer> | undefined;

async function emptyDatabase(): Promise<Buffer> {
  const database = await openConnection(":memory:", { migrate: true });
  database.exec("create table ledger (token text not null)");
  const made = database.serialize();
  database.close();
  return made;
}

export class SimulatedDatabase {
  readonly #database: Database;
  readonly #stores: SqliteStore[] = [];
  readonly #cached = new Map<string, Statement<unknown[]>>();
  readonly #dead: Statement<unknown[], number>;
  #given = 0;

  /** `violated` is told what a write has broken (I1, I2) as it is written. */
  static async open(violated: (what: string, id: string) => void): Promise<SimulatedDatabase> {
    image ??= emptyDatabase();
    return new SimulatedDatabase(new Driver(Buffer.from(await image)), violated);
  }

  private constructor(database: Database, violated: (what: string, id: string) => void) {
    this.#database = database;
    database.pragma("synchronous = OFF");
    database.function("violated", (what: unknown, id: unknown) => {
      violated(String(what), String(id));
      return null;
    });
    database.exec(watches);
    this.#dead = database
      .prepare<unknown[], number>("select key from stent_workers where state = 'dead'")
      .pluck();
  }

  newStore(options: OpenOptions): SqliteStore {
    this.#given += 1;
    const shared = this.#stores[this.#given % differentStores];
    if (shared !== undefined) return shared;
    const made = new SqliteStore(this.#database, ":memory:", options);
    this.#stores[this.#given % differentStores] = made;
    return made;
  }

  /** Whether a worker of that name has had a session that was found dead. */
  hasLostItsSession(name: string): boolean {
    return (
      this.all("select 1 from stent_workers where name = ? and state = 'dead'", name).length > 0
    );
  }

  deadSessions(): ReadonlySet<number> {
    return new Set(this.#dead.all());
  }

  /** From now on nothing more fits, or whatever does. */
  setFull(full: boolean): void {
    const pages = full ? Number(this.#database.pragma("page_count", { simple: true })) : 1_000_000;
    this.#database.pragma(`max_page_count = ${pages}`);
  }

  /** The invariants, as far as rows show them at any moment. */
  violations(now: number): Promise<string[]> {
    // As a parameter: a statement that names the time would have to be prepared each time.
    const query = async <Row>(sql: string): Promise<readonly Row[]> =>
      sql.includes(String(now))
        ? this.all<Row>(sql.replaceAll(String(now), "@now"), { now })
        : this.all<Row>(sql);
    return checkInvariants(query, now);
  }

  all<Row>(sql: string, ...values: unknown[]): readonly Row[] {
    let statement = this.#cached.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<unknown[]>(sql);
      if (this.#cached.size < maxCached) this.#cached.set(sql, statement);
    }
    return statement.all(...values) as Row[];
  }

  close(): void {
    this.#database.close();
  }
}

const maxCached = 500;

/** What no write may do, whoever makes it. What is asked here costs nothing where it does not come to it. */
const watches = `
  create temp trigger ended_stays before update on main.stent_executions
  when old.ended_at is not null and (new.ended_at is not old.ended_at or new.state is not old.state or new.result is not old.result)
  begin select violated('I2: it had ended, and was changed from ' || old.state || ' to ' || new.state, old.id); end;

  create temp trigger delivered_stays before update on main.stent_journal
  when old.delivery is not null and (new.delivery is not old.delivery or new.status is not old.status or new.value is not old.value or new.path is not old.path)
  begin select violated('I1: entry ' || old.path || ' was delivered, and was changed',
    (select id from main.stent_executions where key = old.execution)); end;

  create temp trigger delivered_is_kept before delete on main.stent_journal
  when old.delivery is not null and old.run = (select run from main.stent_executions where key = old.execution)
  begin select violated('I1: entry ' || old.path || ' was delivered, and was removed',
    (select id from main.stent_executions where key = old.execution)); end;

  create temp trigger item_stays before update on main.stent_items
  when old.status in (1, 2) and (new.status is not old.status or new.value is not old.value)
  begin select violated('I1: item ' || old.item || ' had its outcome, and was changed',
    (select id from main.stent_executions where key = old.execution)); end;

  create temp trigger consumed_stays before update on main.stent_signals
  when old.consumed_seq is not null and (new.consumed_seq is not old.consumed_seq or new.consumed_run is not old.consumed_run)
  begin select violated('I6: message ' || old.key || ' was consumed, and is consumed again',
    (select id from main.stent_executions where key = old.execution)); end;
`;
