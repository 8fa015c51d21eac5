import type pg from "pg";
import type { Compilable } from "kysely";
import { numberArray, textArray } from "../../src/store/postgres/array-literal.ts";
import { openPostgres, type PostgresConnections } from "../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";
import { PostgresStatement, type Bound, type Query } from "../../src/store/postgres/statement.ts";
import { RawLimit, type Run } from "../raw-limit.ts";

/** Plans are made once, and by index, as the engine's are. */
const settings = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off";

/** pg alone: one connection, to which a whole transaction is sent at once, the rows of each statement as one. */
export class PostgresRawLimit extends RawLimit {
  readonly #connections: PostgresConnections;
  readonly #client: pg.Client;
  readonly #statements: RowsOfStatement[] = [];
  #key: number;

  private constructor(connections: PostgresConnections, client: pg.Client, key: number) {
    super();
    this.#connections = connections;
    this.#client = client;
    this.#key = key;
  }

  /** Opens the database as the engine does: its tables are made. */
  static async open(url: string): Promise<PostgresRawLimit> {
    const connections = await openPostgres(postgresSettings(url), {
      migrate: true,
      warn: (message) => console.error(message),
    });
    const client = await connections.connectClient({ purpose: "limit", pipeline: true });
    await client.query(settings);
    const { rows } = await client.query<{ key: number }>(
      "select coalesce(max(key), 0) as key from stent_executions",
    );
    return new PostgresRawLimit(connections, client, rows[0]?.key ?? 0);
  }

  override async repeat(
    many: number,
    aTransaction: number,
    act: (index: number) => void,
  ): Promise<void> {
    for (let start = 0; start < many; start += aTransaction) {
      for (let index = start; index < Math.min(many, start + aTransaction); index += 1) act(index);
      const queries = this.#statements.flatMap((statement) => statement.take());
      await Promise.all([begin, ...queries, commit].map((query) => this.#client.query(query)));
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
    await this.#connections.close();
  }

  protected override prepare(
    query: Compilable<unknown>,
    fixed: Readonly<Record<string, unknown>>,
    changing: readonly string[],
  ): Run {
    const statement = new RowsOfStatement(query, fixed, changing);
    this.#statements.push(statement);
    return (...values) => {
      statement.add(values);
      // The database counts as well, and nobody else inserts.
      if (changing[0] === "id") this.#key += 1;
      return this.#key;
    };
  }
}

const begin: Query = { name: "begin", text: "begin", values: [], rowMode: "array" };
const commit: Query = { name: "commit", text: "commit", values: [], rowMode: "array" };

/** One statement and the rows that it is to be run with. What is the same in all of them is made once. */
class RowsOfStatement {
  readonly #statement: PostgresStatement;
  /** With null for what changes. */
  readonly #fixed: Bound;
  /** For each parameter its place among the values that change; -1: it does not. */
  readonly #places: readonly number[];
  readonly #columns: (string | number)[][];
  readonly #repeated = new Map<number, string[]>();

  constructor(
    query: Compilable<unknown>,
    fixed: Readonly<Record<string, unknown>>,
    changing: readonly string[],
  ) {
    this.#statement = new PostgresStatement(query);
    this.#fixed = this.#statement.bind(fixed);
    this.#places = this.#statement.text.names.map((name) => changing.indexOf(name));
    this.#columns = changing.map(() => []);
  }

  add(values: readonly (string | number)[]): void {
    for (const [index, column] of this.#columns.entries()) column.push(values[index] ?? "");
  }

  /** The query for the rows so far, if there are any. They are gone then. */
  take(): Query[] {
    const count = this.#columns[0]?.length ?? 0;
    if (count === 0) return [];
    const query = count === 1 ? this.#one() : this.#many(count);
    for (const column of this.#columns) column.length = 0;
    return [query];
  }

  #one(): Query {
    const bound = this.#fixed.map((value, index) => {
      const place = this.#places[index] ?? -1;
      return place === -1 ? value : (this.#columns[place]?.[0] ?? null);
    });
    return this.#statement.one(bound, false);
  }

  #many(count: number): Query {
    const repeated = this.#repeatedFor(count);
    const values = this.#places.map((place, index) =>
      place === -1 ? repeated[index] : this.#array(index, this.#columns[place] ?? []),
    );
    return { ...this.#statement.many([this.#fixed], false), values };
  }

  #repeatedFor(count: number): string[] {
    let arrays = this.#repeated.get(count);
    if (arrays === undefined) {
      arrays = this.#fixed.map((value, index) =>
        this.#array(
          index,
          Array.from({ length: count }, () => value),
        ),
      );
      this.#repeated.set(count, arrays);
    }
    return arrays;
  }

  #array(index: number, values: readonly (string | number | null)[]): string {
    const type = this.#statement.text.types[index];
    return type === "bigint" || type === "double precision"
      ? numberArray(values)
      : textArray(values as readonly (string | null)[]);
  }
}
