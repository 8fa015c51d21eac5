/** What a caller may give as a transaction of its own. */
import type { Transaction } from "kysely";
import { show } from "../core/option.ts";

/** A Kysely transaction, whichever copy of Kysely made it. */
export function isKysely(given: unknown): given is Transaction<unknown> {
  return (
    typeof given === "object" &&
    given !== null &&
    "isTransaction" in given &&
    typeof given.isTransaction === "boolean" &&
    "executeQuery" in given
  );
}

/** A database of better-sqlite3. */
export function isSqliteDatabase(given: unknown): boolean {
  return (
    typeof given === "object" && given !== null && "inTransaction" in given && "prepare" in given
  );
}

/** A client of pg, or a pool. */
export function isPostgresClient(given: unknown): boolean {
  return typeof given === "object" && given !== null && "query" in given && "connect" in given;
}

/** For what is no transaction that could be joined. `wanted`: what could be. */
export function noTransaction(given: unknown, wanted: string): TypeError {
  const [what, instead] = whatIs(given);
  return new TypeError(`the option transaction takes ${wanted}; got ${what}${instead}`);
}

function whatIs(given: unknown): readonly [what: string, instead: string] {
  if (isKysely(given) && !given.isTransaction)
    return [
      "a Kysely instance that is no transaction",
      ": call Stent within db.transaction().execute(async (tx) => …), and give it tx",
    ];
  if (isKysely(given)) return ["a Kysely transaction", ""];
  if (isSqliteDatabase(given)) return ["a database of better-sqlite3", ""];
  if (isPostgresClient(given) && "totalCount" in (given as object))
    return [
      "a pool of pg, each of whose statements may go over another connection",
      ": take a client of it, begin, and give that client",
    ];
  if (isPostgresClient(given)) return ["a client of pg", ""];
  return [show(given), ""];
}

/** For a connection on which no transaction is open: what is written would be stored at once. */
export function notBegun(what: string): TypeError {
  return new TypeError(
    `no transaction is open on the ${what} that was given as the option transaction: begin one, call Stent, and commit`,
  );
}

/** For a transaction on a database that has nothing to do with this Stent. */
export function otherDatabase(what: string, name: string): TypeError {
  return new TypeError(
    `the ${what} that was given as the option transaction is not connected to ${name}, where this Stent keeps everything: a transaction spans one database`,
  );
}

/** For a transaction that is over, or a connection that is no such database. */
export function takesNothing(what: string, error: unknown): TypeError {
  const reason = error instanceof Error ? error.message : show(error);
  return new TypeError(
    `the ${what} that was given as the option transaction does not take statements of Stent's: ${reason}`,
    { cause: error },
  );
}
