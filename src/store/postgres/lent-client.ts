/**
 * A connection of the store's, lent to a closure of the user's inside an open transaction.
 *
 *   L1  The closure ends in time: its locks are others' to wait for. What has not ended by then is cut off.
 *   L2  The transaction is begun, committed and rolled back by the store alone, and no statement runs outside of it: one that came after
 *       its end would be committed by itself.
 *   L3  No statement is left open: its rows are read at once.
 *   L4  What is Stent's own, its tables and the settings of this connection, is not changed. That is a guard against mistakes, not
 *       against malice: it looks at the text.
 */
import {
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type CompiledQuery,
  type QueryResult,
} from "kysely";
import type pg from "pg";
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
  shortened,
  type Closure,
  type ClosureEnd,
  type Lent,
} from "../lent-driver.ts";
import { plainResults } from "../query-results.ts";
import { isLost, postgresCode } from "./errors.ts";

// As they were when this module was loaded: clocks of test frameworks replace them.
const { setTimeout: later, clearTimeout: notLater } = globalThis;

export class LentClient implements Lent {
  readonly #client: pg.ClientBase;
  readonly #closure: Closure;
  readonly #limitMs: number;
  #phase: "running" | "ended" | "over" = "running";
  /** Statements that are on their way. */
  readonly #running: string[] = [];
  /** What a statement failed with, after which PostgreSQL takes none but a rollback: gone with the next that succeeds. */
  #failure: Error | undefined;
  /** What the database could not do, whatever it was asked. */
  #lost: Error | undefined;
  /** A statement that came after the closure's end. */
  #stray: string | undefined;

  constructor(client: pg.ClientBase, closure: Closure, limitMs: number) {
    this.#client = client;
    this.#closure = closure;
    this.#limitMs = limitMs;
  }

  /** Runs the closure to its end, or until its time is over (L1). */
  async run(): Promise<ClosureEnd> {
    const end = await this.#untilTheLimit();
    await everyPromise();
    return this.#judge(end);
  }

  /** No statement comes from here on. @returns the error for one that came too late, for which nothing may be stored */
  close(): Error | undefined {
    this.#phase = "over";
    return this.#stray === undefined ? undefined : forgotten(this.#title, this.#stray);
  }

  /** Whether the connection may be at work for the closure yet. */
  get isBusy(): boolean {
    return this.#running.length > 0;
  }

  /** What has broken the transaction, whatever the closure made of it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** What the database could not do: another try may be able to. */
  get lost(): Error | undefined {
    return this.#lost;
  }

  #untilTheLimit(): Promise<ClosureEnd | undefined> {
    return new Promise((resolve) => {
      const limit = later(() => {
        this.#phase = "over";
        resolve(undefined);
      }, this.#limitMs);
      // Kysely takes no statements after this, and those that were forgotten have to come to us: it never ends for Kysely.
      void this.#kysely()
        .transaction()
        .execute(async (tx) => {
          const end = await this.#ended(tx);
          if (this.#phase === "running") this.#phase = "ended";
          notLater(limit);
          resolve(end);
          await new Promise(() => undefined);
        });
    });
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
        createAdapter: () => new PostgresAdapter(),
        createDriver: () => new LentDriver(this),
        createIntrospector: (db) => new PostgresIntrospector(db),
        createQueryCompiler: () => new PostgresQueryCompiler(),
      },
    });
  }

  #judge(end: ClosureEnd | undefined): ClosureEnd {
    if (end === undefined) return { kind: "error", error: this.#tooLong() };
    if (end.kind === "error") return end;
    const unawaited = this.#stray ?? this.#running[0];
    if (unawaited !== undefined) return { kind: "error", error: forgotten(this.#title, unawaited) };
    if (this.#failure !== undefined) return { kind: "error", error: this.#broken(this.#failure) };
    return end;
  }

  // ── what Kysely asks of a connection ──

  async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    this.#check(sql);
    this.#running.push(sql);
    try {
      // By itself, whatever is in the text: with L2, a second statement in it would not have been looked at.
      const query = { text: sql, values: [...parameters], queryMode: "extended" };
      const { command, rowCount, rows } = await this.#client.query(query);
      this.#failure = undefined;
      return {
        rows: rows as R[],
        ...(changing.has(command) && { numAffectedRows: BigInt(rowCount ?? 0) }),
      };
    } catch (error) {
      this.#note(error);
      throw error;
    } finally {
      this.#running.splice(this.#running.indexOf(sql), 1);
    }
  }

  #note(error: unknown): void {
    if (!(error instanceof Error)) return;
    const code = postgresCode(error);
    // A transaction that the user has made read-only is no standby's.
    if (code?.startsWith("53") === true || (isLost(error) && code !== "25006"))
      this.#lost ??= error;
    else if ("severity" in error) this.#failure ??= error;
  }

  /** By L3 all of them, in one go. */
  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query);
  }

  #check(sql: string): void {
    if (this.#phase === "ended") this.#stray ??= sql;
    if (this.#phase !== "running") throw isOver(this.#title);
    const [verb, second] = firstWords(sql);
    if (transactional.has(verb) && !(verb === "rollback" && second === "to"))
      throw notByHand(this.#title, verb);
    if (settings.has(verb) || (verb === "set" && !/^(?:local|constraints)$/.test(second)))
      throw notOurSettings(this.#title, verb, "For settings there is SET LOCAL");
    if (ownTable.test(sql) && writing.test(sql)) throw notOurTables(this.#title);
  }

  // ── what is wrong ──

  get #title(): string {
    return this.#closure.title;
  }

  #tooLong(): TypeError {
    const [first] = this.#running;
    const at = first === undefined ? "something other than its tx" : shortened(first);
    return new TypeError(
      `${this.#title} was cut off and rolled back after ${this.#limitMs / 1_000} s, while it waited for ${at}: others wait for what it locks. Get what it needs before, by call or run, and do what follows after it`,
    );
  }

  #broken(failure: Error): Error {
    return new Error(
      `${this.#title} went on after a statement that failed, and PostgreSQL stores nothing then; let the closure throw, or put the statement behind a savepoint and roll back to it: ${failure.message}`,
      { cause: failure },
    );
  }

  /** For what would be a transaction within it. */
  refuseBegin(): never {
    throw notByHand(this.#title, "begin");
  }
}

const changing: ReadonlySet<string> = new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);
const transactional: ReadonlySet<string> = new Set(
  "begin start commit end rollback abort prepare".split(" "),
);
const settings: ReadonlySet<string> = new Set(
  "reset discard listen unlisten deallocate load".split(" "),
);
/** What changes or locks something, wherever in the statement it stands. */
const writing =
  /\b(?:insert|update|delete|merge|truncate|alter|drop|create|lock|copy|grant|revoke|share|comment|reindex|cluster|vacuum)\b/i;
