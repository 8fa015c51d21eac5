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
  type DatabaseConnection,
  type Driver,
  type QueryResult,
} from "kysely";
import type { Payload } from "../../core/payload.ts";
import { plainResults } from "../query-results.ts";
import type { TransactRequest } from "../store.ts";
import { isTrouble } from "./errors.ts";

/** How a closure ended: with what is to be committed, or with the error for which nothing is. */
export type ClosureEnd =
  | { readonly kind: "value"; readonly value: Payload }
  | { readonly kind: "error"; readonly error: unknown };

type Closure = Pick<TransactRequest, "title" | "act" | "encode">;

// As it was when this module was loaded: clocks of test frameworks replace it.
const nextTick = process.nextTick.bind(process);

export class LentConnection implements DatabaseConnection {
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
    if (this.#stray !== undefined) return { kind: "error", error: this.#forgotten(this.#stray) };
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
    if (this.#phase !== "running") throw this.#over();
    if (!this.#database.inTransaction) throw this.#endedBySqlite();
    const [, first = "", second = ""] = beginning.exec(sql) ?? [];
    const verb = first.toLowerCase();
    if (transactional.has(verb) && !(verb === "rollback" && /^to$/i.test(second)))
      throw this.#notByHand(verb);
    if (settings.has(verb)) throw this.#notOurSettings(verb);
    const statement = this.#database.prepare<unknown[]>(sql);
    if (!statement.readonly && ownTable.test(sql)) throw this.#notOurTables();
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

  #forgotten(sql: string): TypeError {
    return new TypeError(
      `${this.#title} ended before one of its statements was run, and was rolled back; await every one of them: ${shortened(sql)}`,
    );
  }

  #over(): Error {
    return new Error(`${this.#title} is over, and takes no statements any more`);
  }

  #endedBySqlite(): Error {
    return new Error(
      `${this.#title} was rolled back by one of its own statements (a ROLLBACK in a conflict clause or a trigger); nothing of it is stored`,
    );
  }

  #notByHand(verb: string): TypeError {
    return new TypeError(
      `${this.#title} has no ${verb.toUpperCase()} of its own: it is committed with its outcome when the closure ends, and rolled back when that throws. Part of it can be undone by a savepoint`,
    );
  }

  #notOurSettings(verb: string): TypeError {
    return new TypeError(
      `${this.#title} cannot run ${verb.toUpperCase()}: it would change the connection that Stent itself works on. Use a connection of your own`,
    );
  }

  #notOurTables(): TypeError {
    return new TypeError(
      `${this.#title} cannot write to a table whose name begins with stent_: those are Stent's own. If that is only part of a text in the statement, bind the text as a parameter`,
    );
  }

  /** For what would be a transaction within it. */
  refuseBegin(): never {
    throw this.#notByHand("begin");
  }
}

/** Hands the lent connection to Kysely. Beginning and ending are the store's (L2): here they do nothing. */
class LentDriver implements Driver {
  readonly #connection: LentConnection;
  #begun = false;

  constructor(connection: LentConnection) {
    this.#connection = connection;
  }

  async init(): Promise<void> {
    // it is open
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }

  async beginTransaction(): Promise<void> {
    if (this.#begun) this.#connection.refuseBegin();
    this.#begun = true;
  }

  async commitTransaction(): Promise<void> {
    // by L2
  }

  async rollbackTransaction(): Promise<void> {
    // by L2
  }

  async releaseConnection(): Promise<void> {
    // it was lent
  }

  async destroy(): Promise<void> {
    // it is the store's
  }
}

/** Resolves when no promise in this process has anything left to go on with: Node runs a tick when the microtasks are through. */
function everyPromise(): Promise<void> {
  return new Promise((resolve) => {
    queueMicrotask(() => nextTick(resolve));
  });
}

/** The first two words of a statement; for ROLLBACK TRANSACTION TO the second is TO. */
const beginning =
  /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*([a-z]+)(?:\s+transaction)?(?:\s+([a-z]+))?/i;
const transactional: ReadonlySet<string> = new Set(["begin", "commit", "end", "rollback"]);
const settings: ReadonlySet<string> = new Set(["pragma", "attach", "detach", "vacuum"]);
const ownTable = /\bstent_/i;

const shownLength = 200;

function shortened(sql: string): string {
  return sql.length <= shownLength ? sql : `${sql.slice(0, shownLength)}…`;
}
