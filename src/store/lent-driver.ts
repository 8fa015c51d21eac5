/** What a connection that is lent to a closure of the user's has in common on every database. */
import type { DatabaseConnection, Driver } from "kysely";
import type { Payload } from "../core/payload.ts";
import type { TransactRequest } from "./store.ts";

/** How a closure ended: with what is to be committed, or with the error for which nothing is. */
export type ClosureEnd =
  | { readonly kind: "value"; readonly value: Payload }
  | { readonly kind: "error"; readonly error: unknown };

/** What is lent for. */
export type Closure = Pick<TransactRequest, "title" | "act" | "encode">;

/** A connection on which a transaction is open that is begun and ended by the store alone. */
export interface Lent extends DatabaseConnection {
  /** For what would be a transaction within it. */
  refuseBegin(): never;
}

/** Hands the lent connection to Kysely. Beginning and ending are the store's: here they do nothing. */
export class LentDriver implements Driver {
  readonly #connection: Lent;
  #begun = false;

  constructor(connection: Lent) {
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
    // by the store
  }

  async rollbackTransaction(): Promise<void> {
    // by the store
  }

  async releaseConnection(): Promise<void> {
    // it was lent
  }

  async destroy(): Promise<void> {
    // it is the store's
  }
}

// As it was when this module was loaded: clocks of test frameworks replace it.
const nextTick = process.nextTick.bind(process);

/** Resolves when no promise in this process has anything left to go on with: Node runs a tick when the microtasks are through. */
export function everyPromise(): Promise<void> {
  return new Promise((resolve) => {
    queueMicrotask(() => nextTick(resolve));
  });
}

/** The first two words of a statement, in lower case; for ROLLBACK TRANSACTION TO the second is "to". */
export function firstWords(sql: string): readonly [verb: string, second: string] {
  const [, first = "", second = ""] = beginning.exec(sql) ?? [];
  return [first.toLowerCase(), second.toLowerCase()];
}

const beginning =
  /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*([a-z]+)(?:\s+(?:transaction|work)\b)?(?:\s+([a-z]+))?/i;

const shownLength = 200;

/** A statement as messages show it. */
export function shortened(sql: string): string {
  return sql.length <= shownLength ? sql : `${sql.slice(0, shownLength)}…`;
}

// ── what is wrong, whatever the database ──

/** For a closure that ended before a statement did. */
export function forgotten(title: string, sql: string): TypeError {
  return new TypeError(
    `${title} ended before one of its statements was run, and was rolled back; await every one of them: ${shortened(sql)}`,
  );
}

/** For what comes after the end. */
export function isOver(title: string): Error {
  return new Error(`${title} is over, and takes no statements any more`);
}

/** For statements that begin or end transactions. */
export function notByHand(title: string, verb: string): TypeError {
  return new TypeError(
    `${title} has no ${verb.toUpperCase()} of its own: it is committed with its outcome when the closure ends, and rolled back when that throws. Part of it can be undone by a savepoint`,
  );
}

/** For statements that change the connection. */
export function notOurSettings(title: string, verb: string, instead: string): TypeError {
  return new TypeError(
    `${title} cannot run ${verb.toUpperCase()}: it would change the connection that Stent itself works on. ${instead}`,
  );
}

/** For writing to Stent's tables. */
export function notOurTables(title: string): TypeError {
  return new TypeError(
    `${title} cannot write to a table whose name begins with stent_: those are Stent's own. If that is only part of a text in the statement, bind the text as a parameter`,
  );
}

/** What is in the name of Stent's tables, and hardly anybody else's. */
export const ownTable = /\bstent_/i;
