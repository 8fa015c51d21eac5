import type { Compilable, RawBuilder } from "kysely";
import type pg from "pg";
import { compile, type Values } from "../statements/statement.ts";
import { numberArray, textArray } from "./array-literal.ts";
import { fromColumn, fromText, toColumn, toText } from "./payload-column.ts";
import { isPayloadColumn, statementText, type StatementText } from "./statement-text.ts";
import type { Payload } from "../../core/payload.ts";

/** One row of values, in the order of the statement's names; texts and payloads as they stand in columns. */
export type Bound = readonly (string | number | null)[];

/** What is sent to the driver. */
export type Query = Pick<pg.QueryArrayConfig, "name" | "text" | "values"> & {
  readonly rowMode: "array";
};

let statements = 0;

/** What is to be known of a statement beside its query. */
export interface StatementKind {
  /** Appended to a select, such as "for no key update". */
  readonly lock?: string | undefined;
  /** It will not be run again: no connection prepares it. */
  readonly once?: boolean;
}

/** A statement for one kind of connection, prepared by each connection when it first runs it. */
export class PostgresStatement {
  readonly text: StatementText;
  readonly #id: number | undefined;
  readonly #texts = new Map<string, string>();
  readonly #bind: ((value: unknown) => string | number | null)[];
  #toRow: ((columns: readonly unknown[], from: number) => unknown) | undefined;

  constructor(query: Compilable<unknown> | RawBuilder<unknown>, kind: StatementKind = {}) {
    this.text = statementText(compile(query), kind.lock);
    this.#id = kind.once === true ? undefined : (statements += 1);
    this.#bind = this.text.types.map((type) => bindAs[type]);
  }

  /** Values by name, where undefined is null; those that are not in `values` are taken from `common`. */
  bind(values: Values, common?: Values): Bound {
    return this.text.names.map((name, index) => {
      let value = values[name];
      if (value === undefined && common !== undefined) value = common[name];
      return value === undefined || value === null ? null : (this.#bind[index]?.(value) ?? null);
    });
  }

  /** The query for one row of values. */
  one(bound: Bound, returning: boolean): Query {
    const key = returning ? "returning" : "one";
    return this.#query(key, bound as unknown[], () => this.text.one(returning));
  }

  /** The query for many. */
  many(bounds: readonly Bound[], counted: boolean): Query {
    const values = this.#columns(bounds);
    return this.#query(counted ? "counted" : "many", values, () => this.text.many(counted));
  }

  /** The query that fails if one of these changes nothing. */
  asserted(bounds: readonly Bound[]): Query {
    const [first] = bounds;
    if (first !== undefined && bounds.length === 1)
      return this.#query("asserted", first as unknown[], () => this.text.asserted(false));
    const values = [...this.#columns(bounds), bounds.length];
    return this.#query("asserted_many", values, () => this.text.asserted(true));
  }

  #columns(bounds: readonly Bound[]): unknown[] {
    return this.text.types.map((type, index) =>
      type === "bigint" || type === "double precision"
        ? numberArray(bounds.map((bound) => bound[index]))
        : textArray(bounds.map((bound) => bound[index] as string | null)),
    );
  }

  #query(variant: string, values: unknown[], make: () => string): Query {
    let text = this.#texts.get(variant);
    if (text === undefined) {
      text = make();
      this.#texts.set(variant, text);
    }
    const name = this.#id === undefined ? undefined : `stent_${this.#id}_${variant}`;
    return { name, text, values, rowMode: "array" } as Query;
  }

  /** A row of a result, whose first columns before `from` are none of its own. */
  row(result: pg.QueryArrayResult, columns: readonly unknown[], from: number): unknown {
    this.#toRow ??= rowMaker(result.fields.slice(from).map(({ name }) => name));
    return this.#toRow(columns, from);
  }
}

const asIs = (value: unknown): number => value as number;
const asText = (value: unknown): string => toText(String(value));
const asPayload = (value: unknown): string => toColumn(value as Payload);
const bindAs = { bigint: asIs, "double precision": asIs, text: asText, payload: asPayload };

/** Copies of one template are fast objects, as with SQLite. */
function rowMaker(
  names: readonly string[],
): (columns: readonly unknown[], from: number) => unknown {
  const template: Readonly<Record<string, unknown>> = Object.fromEntries(
    names.map((name) => [name, null]),
  );
  const read = names.map((name) => (isPayloadColumn(name) ? fromColumn : fromText));
  return (columns, from) => {
    const row: Record<string, unknown> = { ...template };
    for (const [index, name] of names.entries()) {
      const value = columns[from + index];
      row[name] = typeof value === "string" ? read[index]?.(value) : value;
    }
    return row;
  };
}
