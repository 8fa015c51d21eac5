/**
 * Dispatches and messages in a transaction of the caller's on the same file. It goes on whatever becomes of this: all is done behind a
 * savepoint.
 */
import { statSync } from "node:fs";
import type { Database } from "better-sqlite3";
import { CompiledQuery, type Transaction } from "kysely";
import { Batch, LaneCache, prepareStatements, type Statements } from "../batch.ts";
import {
  isKysely,
  isSqliteDatabase,
  noTransaction,
  notBegun,
  otherDatabase,
  takesNothing,
} from "../own-transaction.ts";
import type { Procedure } from "../procedure.ts";
import type { Failures } from "../store.ts";
import { databaseError } from "./errors.ts";
import { Prepared, runThrough } from "./prepared.ts";
import { runSlowly, slowStatements } from "./slow-statements.ts";

/** What writing within a transaction needs of the store. */
export interface WithinParts {
  readonly name: string;
  /** Of the database's file, as SQLite names it; "" for one in memory. */
  readonly file: string;
  readonly now: number;
  readonly failures: Failures;
}

type Act<T> = (batch: Batch) => Procedure<T>;

/** Writes within transactions of callers'. */
export class WithinCallers {
  /** Statements of each connection that was given. */
  readonly #prepared = new WeakMap<Database, Statements>();
  #slow: Statements | undefined;

  /** Runs a procedure in what was given. @throws TypeError for what is no open transaction on this file */
  write<T>(given: unknown, parts: WithinParts, act: Act<T>): Promise<T> {
    if (isKysely(given) && given.isTransaction) return this.#throughKysely(given, parts, act);
    if (!isKysely(given) && isSqliteDatabase(given))
      return this.#throughDriver(given as Database, parts, act);
    throw noTransaction(
      given,
      "a database of better-sqlite3 with an open transaction, or a Kysely transaction, on the file of this Stent",
    );
  }

  async #throughDriver<T>(database: Database, parts: WithinParts, act: Act<T>): Promise<T> {
    const what = "database of better-sqlite3";
    if (!database.open || !database.inTransaction) throw notBegun(what);
    const [{ file }] = database.pragma("database_list") as [{ file: string }];
    if (!isSameFile(file, parts.file)) throw otherDatabase(what, parts.name);
    let statements = this.#prepared.get(database);
    if (statements === undefined) {
      statements = prepareStatements((query) => new Prepared(database, query));
      this.#prepared.set(database, statements);
    }
    database.exec(`savepoint ${savepoint}`);
    try {
      const result = runThrough(act(batchOf(statements, parts)));
      database.exec(`release ${savepoint}`);
      return result;
    } catch (error) {
      // SQLite may have ended it by itself: a full disk does.
      if (database.inTransaction) database.exec(`rollback to ${savepoint}; release ${savepoint}`);
      throw databaseError(error, parts.name);
    }
  }

  async #throughKysely<T>(
    given: Transaction<unknown>,
    parts: WithinParts,
    act: Act<T>,
  ): Promise<T> {
    const what = "Kysely transaction";
    const transaction = given.withoutPlugins();
    const run = (text: string): ReturnType<typeof transaction.executeQuery> =>
      transaction.executeQuery(CompiledQuery.raw(text));
    await checkBegun(run, what);
    if (!isSameFile(await fileOf(run), parts.file)) throw otherDatabase(what, parts.name);
    this.#slow ??= slowStatements();
    await run(`savepoint ${savepoint}`);
    try {
      const result = await runSlowly(transaction, act(batchOf(this.#slow, parts)));
      await run(`release ${savepoint}`);
      return result;
    } catch (error) {
      await run(`rollback to ${savepoint}`).then(
        () => run(`release ${savepoint}`),
        () => undefined, // SQLite has ended the transaction by itself
      );
      throw databaseError(error, parts.name);
    }
  }
}

const savepoint = "stent_within";

/** Lanes that are made here are nobody else's before the caller commits. */
function batchOf(statements: Statements, { now, failures }: WithinParts): Batch {
  return new Batch(statements, now, new LaneCache(), failures);
}

/** A savepoint outside of a transaction would begin one; so the question is whether one can be begun. */
async function checkBegun(run: (text: string) => Promise<unknown>, what: string): Promise<void> {
  try {
    await run("begin");
  } catch (error) {
    if (error instanceof Error && error.message.includes("within a transaction")) return;
    throw takesNothing(what, error);
  }
  await run("rollback");
  throw notBegun(what);
}

async function fileOf(
  run: (text: string) => Promise<{ readonly rows: readonly unknown[] }>,
): Promise<string | undefined> {
  try {
    const { rows } = await run("select file from pragma_database_list where name = 'main'");
    return (rows[0] as { file?: string } | undefined)?.file;
  } catch {
    return undefined; // no SQLite at all
  }
}

/** By whatever name it was opened. One in memory is no other connection's. */
function isSameFile(one: string | undefined, other: string): boolean {
  if (one === undefined || one === "" || other === "") return false;
  if (one === other) return true;
  try {
    const [a, b] = [statSync(one), statSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}
