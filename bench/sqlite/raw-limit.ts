import type { Database } from "better-sqlite3";
import type { Compilable } from "kysely";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { compile } from "../../src/store/statements/statement.ts";
import { RawLimit, type Run } from "../raw-limit.ts";

/** better-sqlite3 alone: statement after statement. */
export class SqliteRawLimit extends RawLimit {
  readonly #database: Database;
  readonly #begin: () => void;
  readonly #commit: () => void;

  private constructor(database: Database) {
    super();
    this.#database = database;
    const begin = database.prepare("begin immediate");
    const commit = database.prepare("commit");
    this.#begin = () => void begin.run();
    this.#commit = () => void commit.run();
  }

  /** Opens the file as the engine does: its tables are made, and every commit is on disk when it returns. */
  static async open(path: string): Promise<SqliteRawLimit> {
    return new SqliteRawLimit(await openConnection(path, { migrate: true }));
  }

  override repeat(many: number, aTransaction: number, act: (index: number) => void): Promise<void> {
    for (let start = 0; start < many; start += aTransaction) {
      this.#begin();
      for (let index = start; index < Math.min(many, start + aTransaction); index += 1) act(index);
      this.#commit();
    }
    return Promise.resolve();
  }

  override [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }

  /** The values are bound by position, in one array that is used again and again: nothing that a program could leave out. */
  protected override prepare(
    query: Compilable<unknown>,
    fixed: Readonly<Record<string, unknown>>,
    changing: readonly string[],
  ): Run {
    const { sql, parameters } = compile(query);
    const statement = this.#database.prepare<unknown[]>(sql);
    const names = parameters.map((parameter) => ("name" in parameter ? parameter.name : undefined));
    const values = parameters.map((parameter) =>
      "name" in parameter ? (fixed[parameter.name] ?? null) : parameter.constant,
    );
    const places = changing.map((name) => names.indexOf(name));
    return (...given) => {
      for (let index = 0; index < places.length; index += 1)
        values[places[index] ?? -1] = given[index];
      return Number(statement.run(values).lastInsertRowid);
    };
  }
}
