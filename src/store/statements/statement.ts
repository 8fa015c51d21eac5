import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, type Compilable, type RawBuilder } from "kysely";
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

/** Compiles a query once. */
export function compile(query: Compilable<unknown> | RawBuilder<unknown>): CompiledStatement {
  const { sql, parameters } = query.compile(build);
  return {
    sql,
    parameters: parameters.map((value) => (value instanceof Parameter ? value : { constant: value })),
  };
}

/** Puts the given values in the order of the parameters. Undefined is null. */
export function binder(statement: CompiledStatement): (values: Readonly<Record<string, unknown>>) => unknown[] {
  const { parameters } = statement;
  return (values) =>
    parameters.map((parameter) => {
      const value = parameter instanceof Parameter ? values[parameter.name] : parameter.constant;
      return value === undefined ? null : value;
    });
}
