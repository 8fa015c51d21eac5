import { Migrator, type Kysely, type Migration } from "kysely";
import { SchemaMismatchError } from "../../core/errors.ts";
import type { SchemaDialect } from "../schema-dialect.ts";
import { engineTables } from "./0001-engine.ts";

/** Every migration by name, in order. */
export function migrations(dialect: SchemaDialect): Record<string, Migration> {
  return { "0001-engine": engineTables(dialect) };
}

/** The migrator over a connection on which the caller holds a lock and has begun a transaction. */
// oxlint-disable-next-line typescript/no-explicit-any -- what Kysely's migrator takes
export function migratorOf(db: Kysely<any>, dialect: SchemaDialect): Migrator {
  return new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations(dialect)) },
    migrationTableName: "stent_migrations",
    migrationLockTableName: "stent_migrations_lock",
    disableTransactions: true,
  });
}

/** How the tables that are there compare with what this code needs. */
export interface SchemaState {
  /** Applied, in order. */
  readonly applied: readonly string[];
  /** To be applied, in order. */
  readonly pending: readonly string[];
}

/** @throws SchemaMismatchError if the database was migrated by a newer version. */
export function compareSchema(
  applied: readonly string[],
  known: readonly string[],
  database: string,
): SchemaState {
  const newer = applied.filter((name) => !known.includes(name));
  if (newer.length > 0) {
    throw new SchemaMismatchError(
      `the tables in ${database} were made by a newer version of stentjs (${newer.join(", ")} is not known here); upgrade stentjs in this process`,
    );
  }
  return { applied, pending: known.filter((name) => !applied.includes(name)) };
}

/** @throws SchemaMismatchError if migrations are pending. */
export function requireCurrent(state: SchemaState, database: string): void {
  if (state.pending.length === 0) return;
  throw new SchemaMismatchError(
    `the tables in ${database} are ${state.applied.length === 0 ? "missing" : "of an older version"} (pending: ${state.pending.join(", ")}); ` +
      "run: stent migrate, or open without migrate: false",
  );
}

/** Runs everything that is pending. @throws what the migration threw. */
export async function migrateToLatest(migrator: Migrator): Promise<void> {
  const { error } = await migrator.migrateToLatest();
  if (error instanceof Error) throw error;
  if (error !== undefined) throw new Error("a migration failed", { cause: error });
}
