import { sql, type CreateTableBuilder, type RawBuilder } from "kysely";

/** What differs between databases in the shape of the tables. */
export interface SchemaDialect {
  /** Adds the integer key that the database gives out, ascending. */
  autoKey<T extends string, C extends string>(
    this: void,

    table: CreateTableBuilder<T, C>,
    column: string,
  ): CreateTableBuilder<T, C>;
  /** Rows of the table are kept in the order of its primary key, where the database can do that. */
  clustered<T extends string, C extends string>(
    this: void,

    table: CreateTableBuilder<T, C>,
  ): CreateTableBuilder<T, C>;
  /** Column type of payloads: text, or bytes of a serializer that makes bytes. */
  readonly payload: RawBuilder<unknown>;
  readonly integer: RawBuilder<unknown>;
  readonly real: RawBuilder<unknown>;
}

/** SQLite: rowid keys that are never used twice (a stale holder must not meet another's row), WITHOUT ROWID tables; a payload column without affinity keeps text as text and bytes as bytes. */
export const sqliteSchema: SchemaDialect = {
  autoKey: (table, column) =>
    table.addColumn(column as never, "integer", (c) => c.primaryKey().autoIncrement()) as never,
  clustered: (table) => table.modifyEnd(sql`without rowid`),
  payload: sql`blob`,
  integer: sql`integer`,
  real: sql`real`,
};
