import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Compilable,
  type RawBuilder,
} from "kysely";
import type { Tables } from "../schema.ts";

/** Stands in a query for a value that is given when it runs. */
class Parameter {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A value that is given when the statement runs, under this name. */
export function given<T>(name: string): T {
  return new Parameter(name) as T;
}

/** Builds statements; runs nothing. */
export const build: Kysely<Tables> = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** A statement as text, with the names of its parameters in order (or constants). */
export interface CompiledStatement {
  readonly sql: string;
  readonly parameters: readonly (Parameter | { readonly constant: unknown })[];
}

/**
 * Compiles a query once. Constant numbers are written out, as partial indexes want them. A limit that is given is hidden in a sum: SQLite
 * looks at a bare one while it plans, and so prepares the statement anew whenever it is bound (5 us a time).
 */
export function compile(query: Compilable<unknown> | RawBuilder<unknown>): CompiledStatement {
  const { sql, parameters } = query.compile(build);
  const [first = "", ...texts] = sql.split("?");
  if (texts.length !== parameters.length) throw new Error(`a question mark in a statement: ${sql}`);
  const kept: CompiledStatement["parameters"][number][] = [];
  let text = first;
  for (const [index, value] of parameters.entries()) {
    if (typeof value === "number" && Number.isSafeInteger(value)) {
      text += String(value);
    } else {
      kept.push(value instanceof Parameter ? value : { constant: value });
      text += /\blimit $/.test(text) ? "? + 0" : "?";
    }
    text += texts[index] ?? "";
  }
  return { sql: text, parameters: kept };
}

/** Values by parameter name; a second object is for what several statements have in common, so that nothing has to be copied together. */
export type Values = Readonly<Record<string, unknown>>;

/**
 * Puts the given values in the order of the parameters. Undefined is null. The array is the same at every call: statements that run at
 * once read it and are done with it (a turn that made new ones spent a quarter of its time on them).
 */
export function binder(
  statement: CompiledStatement,
): (values: Values, common?: Values) => unknown[] {
  const names = statement.parameters.map((parameter) =>
    parameter instanceof Parameter ? parameter.name : undefined,
  );
  const bound = statement.parameters.map((parameter) =>
    parameter instanceof Parameter ? null : parameter.constant,
  );
  return (values, common) => {
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index];
      if (name === undefined) continue;
      let value = values[name];
      if (value === undefined && common !== undefined) value = common[name];
      bound[index] = value === undefined ? null : value;
    }
    return bound;
  };
}
