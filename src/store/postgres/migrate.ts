import { Kysely, PostgresAdapter, PostgresDialect } from "kysely";
import type { ClientBase } from "pg";
import { SchemaMismatchError } from "../../core/errors.ts";
import {
  compareSchema,
  migrateToLatest,
  migrations,
  migratorOf,
  requireCurrent,
  type SchemaState,
} from "../migrations/migrations.ts";
import { postgresSchema } from "../schema-dialect.ts";
import { postgresCode } from "./errors.ts";
import { quoted } from "./identifier.ts";
import type { PostgresSettings } from "./settings.ts";

/** How long opening waits for another process that is migrating the same schema. */
const patience = "60s";

/** Creates or upgrades the tables, once however many processes ask for it at the same time. @throws SchemaMismatchError */
export async function migrate(client: ClientBase, settings: PostgresSettings): Promise<void> {
  if ((await stateOf(client, settings)).pending.length === 0) return;
  await client.query("begin");
  try {
    await client.query(
      `select set_config('lock_timeout', '${patience}', true), set_config('statement_timeout', '0', true)`,
    );
    // Ends with the transaction, also where a pooler stands between.
    await client.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `stent migrate ${settings.schema}`,
    ]);
    // Another process may have been faster.
    if ((await stateOf(client, settings)).pending.length > 0) {
      await createSchema(client, settings.schema);
      await migrateToLatest(migratorOf(kyselyOn(client), postgresSchema, settings.schema));
    }
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined); // of a connection that was lost; the error says so
    throw nameTaken(error, settings.name);
  }
}

/** @throws SchemaMismatchError if the tables are not those of this version. */
export async function verify(client: ClientBase, settings: PostgresSettings): Promise<void> {
  requireCurrent(await stateOf(client, settings), settings.name);
}

async function stateOf(client: ClientBase, settings: PostgresSettings): Promise<SchemaState> {
  return compareSchema(
    await appliedMigrations(client, settings.schema),
    Object.keys(migrations(postgresSchema)),
    settings.name,
  );
}

async function appliedMigrations(client: ClientBase, schema: string): Promise<string[]> {
  const table = `${quoted(schema)}.stent_migrations`;
  const found = await client.query(
    "select 1 from pg_attribute where attrelid = to_regclass($1) and attname = 'name'",
    [table],
  );
  if (found.rowCount === 0) return [];
  const applied = await client.query<{ name: string }>(`select name from ${table} order by name`);
  return applied.rows.map((row) => row.name);
}

/** `if not exists` would ask for the privilege to create one even where it is there. */
async function createSchema(client: ClientBase, schema: string): Promise<void> {
  const found = await client.query("select 1 from pg_namespace where nspname = $1", [schema]);
  if (found.rowCount === 0) await client.query(`create schema ${quoted(schema)}`);
}

/** One connection as the pool that Kysely wants. */
function kyselyOn(client: ClientBase): Kysely<unknown> {
  const connection = { query: client.query.bind(client), release: () => undefined };
  const pool = { connect: () => Promise.resolve(connection), end: () => Promise.resolve() };
  return new Kysely<unknown>({ dialect: new LockedDialect({ pool }) });
}

/** Our lock is held already; to let go of Kysely's own would fail after a failed migration, and hide why that has failed. */
class LockedDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new LockedAdapter();
  }
}

class LockedAdapter extends PostgresAdapter {
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

const duplicates = new Set(["42P07", "42710"]); // of a table, and of a type by the name of one

function nameTaken(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || !duplicates.has(postgresCode(error) ?? "")) return error;
  return new SchemaMismatchError(
    `Stent cannot make its tables in ${name}: ${error.message}. Something that Stent has not made has a name that it needs (they begin with stent_): rename that, or use another schema`,
  );
}
