/**
 * Dispatches and messages in a transaction of the caller's.
 *
 *   O1  It goes on whatever becomes of this: all is done behind a savepoint, and nothing of the session is changed, its search_path
 *       included.
 *   O2  Nothing of Stent's is locked until the caller commits but what is inserted here, or begun anew by "restart-if-failed": others
 *       wait for neither. So a message does not wake its execution; it leaves a row for who claims.
 *   O3  What comes back does not depend on how the caller's driver reads types, or on plugins of its Kysely: each row is one JSON text.
 */
import { CompiledQuery, type Transaction } from "kysely";
import type pg from "pg";
import { Batch, type LaneCache, type Statements } from "../batch.ts";
import {
  isKysely,
  isPostgresClient,
  noTransaction,
  notBegun,
  otherDatabase,
  takesNothing,
} from "../own-transaction.ts";
import type { Procedure } from "../procedure.ts";
import type { Failures } from "../store.ts";
import { Conversation, ProcedureError, type Send } from "./conversation.ts";
import { databaseError, isConstraint, postgresCode } from "./errors.ts";
import { quoted } from "./identifier.ts";
import type { Query } from "./statement.ts";
import { Turns } from "./turns.ts";

/** What another transaction has stored meanwhile is met by a constraint, and seen at the next try. */
const mostTries = 3;

/** What writing within a transaction needs of the store. */
export interface WithinParts {
  readonly name: string;
  readonly schema: string;
  readonly lanes: LaneCache;
  readonly failures: Failures;
  readonly now: number;
  readonly statements: Statements;
  /** What tells this database from every other. */
  readonly identity: () => Promise<string | undefined>;
}

/** One text, with its values: rows come back as the driver makes them. */
type Run = (
  text: string,
  values: readonly unknown[],
) => Promise<{ readonly rows: readonly unknown[]; readonly changed: number }>;

/** An open transaction of the caller's. */
export class CallersTransaction {
  readonly #run: Run;
  readonly #what: string;
  readonly #parts: WithinParts;
  readonly #turns = new Turns();

  /** @throws TypeError for what is none */
  constructor(given: unknown, parts: WithinParts) {
    this.#parts = parts;
    if (isKysely(given) && given.isTransaction) {
      this.#what = "Kysely transaction";
      this.#run = throughKysely(given);
    } else if (
      !isKysely(given) &&
      isPostgresClient(given) &&
      !("totalCount" in (given as object))
    ) {
      this.#what = "client";
      this.#run = throughClient(given as pg.ClientBase);
    } else {
      throw noTransaction(
        given,
        "a client of pg with an open transaction, or a Kysely transaction, on the PostgreSQL database of this Stent",
      );
    }
  }

  /** Runs a procedure there, and again where it met what others have stored meanwhile. */
  async write<T>(act: (batch: Batch) => Procedure<T>): Promise<T> {
    const { name, now, lanes, failures, statements } = this.#parts;
    await this.#begin();
    for (let tries = 1; ; tries += 1) {
      try {
        const talk = new Conversation(this.#send, true);
        const batch = new Batch(statements, now, lanes, failures);
        const [result] = await talk.run([act(batch)], [0]);
        await talk.flush();
        await this.#run(`release savepoint ${savepoint}`, []);
        return result as T;
      } catch (thrown) {
        const error = thrown instanceof ProcedureError ? thrown.cause : thrown;
        const again = isConstraint(error) && tries < mostTries;
        await this.#undo(again ? "again" : "over");
        if (!again) throw databaseError(error, name);
      }
    }
  }

  /** Behind a savepoint, which only a transaction can have. */
  async #begin(): Promise<void> {
    try {
      await this.#run(`savepoint ${savepoint}`, []);
    } catch (error) {
      if (postgresCode(error) === "25P01") throw notBegun(this.#what);
      if (postgresCode(error) === "25P02")
        throw new TypeError(
          `the transaction on the ${this.#what} that was given as the option transaction has failed already: roll it back`,
          { cause: error },
        );
      const known = databaseError(error, this.#parts.name);
      throw known === error ? takesNothing(this.#what, error) : known;
    }
    const { schema, name } = this.#parts;
    let here: string | undefined;
    try {
      here = await identityBy(this.#run, schema);
    } catch {
      here = undefined; // no PostgreSQL at all
    }
    if (here === (await this.#parts.identity())) return;
    await this.#undo("over");
    throw otherDatabase(this.#what, name);
  }

  async #undo(then: "again" | "over"): Promise<void> {
    try {
      await this.#run(`rollback to savepoint ${savepoint}`, []);
      if (then === "over") await this.#run(`release savepoint ${savepoint}`, []);
    } catch {
      // The connection is gone, and the transaction with it.
    }
  }

  /** One after the other: clients of the caller's take no second statement while they are at one. */
  readonly #send: Send = (query) => this.#turns.take(() => this.#answer(query));

  /** By O3. */
  async #answer(query: Query): Promise<pg.QueryArrayResult> {
    const text = qualified(query.text, this.#parts.schema);
    const returns = /^\s*(?:select|with)\b/i.test(text) || /\breturning\b/i.test(text);
    if (!returns) {
      const { changed } = await this.#run(text, query.values ?? []);
      return resultOf([], changed);
    }
    const { rows } = await this.#run(asJson(text), query.values ?? []);
    return resultOf(
      rows.map((row) => JSON.parse((row as { answer: string }).answer) as object),
      rows.length,
    );
  }
}

const savepoint = "stent_within";

function throughClient(client: pg.ClientBase): Run {
  return async (text, values) => {
    const { rows, rowCount } = await client.query<object>(text, [...values]);
    return { rows, changed: rowCount ?? 0 };
  };
}

function throughKysely(transaction: Transaction<unknown>): Run {
  const plain = transaction.withoutPlugins();
  return async (text, values) => {
    const query = CompiledQuery.raw(text, [...values]);
    const { rows, numAffectedRows } = await plain.executeQuery(query);
    return { rows, changed: Number(numAffectedRows ?? rows.length) };
  };
}

/** A statement of Stent's looks for its tables along the search_path, which is the caller's here. */
function qualified(text: string, schema: string): string {
  return text.replaceAll(/(?<![\w.$"'])"?(stent_[a-z_]+)"?(?![\w"'])/g, `${quoted(schema)}."$1"`);
}

function asJson(text: string): string {
  const row = "select row_to_json(q)::text as answer from";
  return /^\s*(?:select|with)\b/i.test(text)
    ? `${row} (${text}) q`
    : `with q as (${text}) ${row} q`;
}

function resultOf(rows: readonly object[], changed: number): pg.QueryArrayResult {
  const names = Object.keys(rows[0] ?? {});
  return {
    rows: rows.map((row) => Object.values(row) as unknown[]),
    fields: names.map((name) => ({ name })),
    rowCount: changed,
  } as unknown as pg.QueryArrayResult;
}

/** The server since its last start, the database, and the table in it. */
export async function identityBy(run: Run, schema: string): Promise<string | undefined> {
  const { rows } = await run(
    `select extract(epoch from pg_postmaster_start_time())::text || ' ' ||
       (select oid::text from pg_database where datname = current_database()) || ' ' ||
       coalesce(to_regclass($1)::oid::text, '') as answer`,
    [`${quoted(schema)}.stent_executions`],
  );
  return (rows[0] as { answer?: string } | undefined)?.answer;
}
