/**
 * The store's one connection, lent to a closure of the user's inside an open transaction.
 *
 *   L1  The closure ends without waiting for the outside: what has not ended when no promise is left to go on waits for a timer, for
 *       I/O or for Stent, and is cut off. So nothing else of this process, no timer and no heartbeat, ever meets the open transaction.
 *   L2  The transaction is begun, committed and rolled back by the store alone, and no statement runs outside of it: one that came after
 *       its end would be committed by itself.
 *   L3  No statement is left open: its rows are read at once.
 *   L4  What is Stent's own, its tables and the settings of this connection, is not changed. That is a guard against mistakes, not
 *       against malice: it looks at the text.
 */
import type { Database, Statement } from "better-sqlite3";
import {
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type CompiledQuery,
  type QueryResult,
} from "kysely";
import {
  everyPromise,
  firstWords,
  forgotten,
  isOver,
  LentDriver,
  notByHand,
  notOurSettings,
  notOurTables,
  ownTable,
  type Closure,
  type ClosureEnd,
  type Lent,
} from "../lent-driver.ts";
import { plainResults } from "../query-results.ts";
import { isTrouble } from "./errors.ts";

export class LentConnection implements Lent {
  readonly #database: Database;
  readonly #closure: Closure;
  #phase: "running" | "ended" | "over" = "running";
  /** The first error of the database itself, whatever the closure made of it. */
  #trouble: Error | undefined;
  /** A statement that came after the closure's end. */
  #stray: string | undefined;

  constructor(database: Database, closure: Closure) {
    this.#database = database;
    this.#closure = closure;
  }

  /** Runs the closure to its end (L1). @throws what the database could not do: another try may be able to */
  async run(): Promise<ClosureEnd> {
    let end: ClosureEnd | undefined;
    const through = everyPromise();
    void this.#kysely()
      .transaction()
      .execute(async (tx) => {
        end = await this.#ended(tx);
        this.#phase = "ended";
        // Kysely takes no statements after this, and those that were forgotten have to come to us.
        await through;
      });
    await through;
    this.#phase = "over";
    if (this.#trouble !== undefined) throw this.#trouble;
    return this.#judge(end);
  }

  async #ended(tx: unknown): Promise<ClosureEnd> {
    const { act, encode } = this.#closure;
    try {
      return { kind: "value", value: encode(plainResults(await act(tx))) };
    } catch (error) {
      return { kind: "error", error };
    }
  }

  #kysely(): Kysely<unknown> {
    return new Kysely({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => new LentDriver(this),
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    });
  }

  #judge(end: ClosureEnd | undefined): ClosureEnd {
    if (end === undefined) return { kind: "error", error: this.#waited() };
    if (end.kind === "error") return end;
    if (this.#stray !== undefined)
      return { kind: "error", error: forgotten(this.#title, this.#stray) };
    if (!this.#database.inTransaction) return { kind: "error", error: this.#endedBySqlite() };
    return end;
  }

  // ── what Kysely asks of a connection ──

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    const statement = this.#prepare(sql);
    try {
      if (statement.reader) return { rows: statement.all(parameters) as R[] };
      const { changes, lastInsertRowid } = statement.run(parameters);
      return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
    } catch (error) {
      if (isTrouble(error)) this.#trouble ??= error;
      throw error;
    }
  }

  /** By L3 all of them, in one go. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }

  #prepare(sql: string): Statement<unknown[]> {
    if (this.#phase === "ended") this.#stray ??= sql;
    if (this.#phase !== "running") throw isOver(this.#title);
    if (!this.#database.inTransaction) throw this.#endedBySqlite();
    const [verb, second] = firstWords(sql);
    if (transactional.has(verb) && !(verb === "rollback" && second === "to"))
      throw notByHand(this.#title, verb);
    if (settings.has(verb)) throw notOurSettings(this.#title, verb, "Use a connection of your own");
    const statement = this.#database.prepare<unknown[]>(sql);
    if (!statement.readonly && ownTable.test(sql)) throw notOurTables(this.#title);
    return statement;
  }

  // ── what is wrong ──

  get #title(): string {
    return this.#closure.title;
  }

  #waited(): TypeError {
    return new TypeError(
      `${this.#title} waited for something other than its tx: a timer, a request, a file, another promise, or Stent itself. A transaction of SQLite cannot stay open for that, so it was rolled back. Get what it needs before, by call or run, and do what follows after it`,
    );
  }

  #endedBySqlite(): Error {
    return new Error(
      `${this.#title} was rolled back by one of its own statements (a ROLLBACK in a conflict clause or a trigger); nothing of it is stored`,
    );
  }

  /** For what would be a transaction within it. */
  refuseBegin(): never {
    throw notByHand(this.#title, "begin");
  }
}

const transactional: ReadonlySet<string> = new Set(["begin", "commit", "end", "rollback"]);
const settings: ReadonlySet<string> = new Set(["pragma", "attach", "detach", "vacuum"]);
