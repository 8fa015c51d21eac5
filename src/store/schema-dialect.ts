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
  /** The table's rows are changed or replaced over and over: room is left for that, and it is cleaned up early. */
  hot<T extends string, C extends string>(
    this: void,

    table: CreateTableBuilder<T, C>,
  ): CreateTableBuilder<T, C>;
  /** Column type of texts, which sort and compare by their bytes. */
  readonly text: RawBuilder<unknown>;
  /** Column type of payloads: text, or bytes of a serializer that makes bytes. */
  readonly payload: RawBuilder<unknown>;
  readonly integer: RawBuilder<unknown>;
  readonly real: RawBuilder<unknown>;
  /** What an index of the queue ends with, so that what is due at the same time comes in the order of its keys. */
  readonly inOrderOfKeys: RawBuilder<unknown>;
  /** A commit's answer may be lost on its way: each process keeps the number of its last one in a row. */
  readonly answersMayBeLost: boolean;
}

/** SQLite: rowid keys that are never used twice (a stale holder must not meet another's row), WITHOUT ROWID tables; a payload column without affinity keeps text as text and bytes as bytes. */
export const sqliteSchema: SchemaDialect = {
  autoKey: (table, column) =>
    table.addColumn(column as never, "integer", (c) => c.primaryKey().autoIncrement()) as never,
  clustered: (table) => table.modifyEnd(sql`without rowid`),
  hot: (table) => table,
  text: sql`text`,
  payload: sql`blob`,
  integer: sql`integer`,
  real: sql`real`,
  inOrderOfKeys: sql``, // as every index
  answersMayBeLost: false,
};

/**
 * PostgreSQL: payloads are texts (postgres/payload-column.ts). By default texts would sort by a language: another order than that of the
 * other database, and one that alters with the system's libraries and spoils indexes then.
 */
export const postgresSchema: SchemaDialect = {
  autoKey: (table, column) =>
    table.addColumn(column as never, "bigint", (c) =>
      c.generatedByDefaultAsIdentity().primaryKey(),
    ) as never,
  clustered: (table) => table,
  // Room for the next version of a row on its page: 20,000 executions, claimed and parked 8 times, take 26 MB, without it 129. (An entry of
  // the journal is changed once, and room would cost more than it saves.) Cleaned after 1,000 changes and 2 % (default: 20 %), at full
  // speed: a queue of ten rows trails a hundred thousand dead ones otherwise.
  hot: (table) =>
    table.modifyEnd(
      sql`with (fillfactor = 70, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.05)`,
    ),
  text: sql`text collate "C"`,
  payload: sql`text collate "C"`,
  integer: sql`bigint`,
  real: sql`double precision`,
  inOrderOfKeys: sql`, key`,
  answersMayBeLost: true,
};
