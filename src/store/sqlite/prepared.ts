import type { Database, Statement } from "better-sqlite3";
import type { Compilable, RawBuilder } from "kysely";
import { binder, compile } from "../statements/statement.ts";

/** Values by parameter name. */
type Values = Readonly<Record<string, unknown>>;

/** A statement built by Kysely, prepared once on this connection. `O` is its row. */
export class Prepared<O> {
  readonly #statement: Statement<unknown[], O>;
  readonly #bind: (values: Values) => unknown[];

  constructor(database: Database, query: Compilable<O> | RawBuilder<O>) {
    const compiled = compile(query);
    this.#statement = database.prepare<unknown[], O>(compiled.sql);
    this.#bind = binder(compiled);
  }

  /** @returns the number of rows changed and the key of the row inserted last. */
  run(values: Values): { readonly changes: number; readonly key: number } {
    const { changes, lastInsertRowid } = this.#statement.run(...this.#bind(values));
    return { changes, key: Number(lastInsertRowid) };
  }

  get(values: Values): O | undefined {
    return this.#statement.get(...this.#bind(values));
  }

  all(values: Values): O[] {
    return this.#statement.all(...this.#bind(values));
  }
}
