import { Kysely, PostgresDialect } from "kysely";
import type { ClientBase } from "pg";
import { SchemaMismatchError } from "../../core/errors.ts";
import {
  compareSchema,
  migrations,
  requireCurrent,
  type SchemaState,
} from "../migrations/migrations.ts";
import { isQuestion, Noted, type MigrationPlan } from "../migrations/plan.ts";
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
    const { pending } = await stateOf(client, settings);
    if (pending.length > 0) await apply(client, settings.schema, pending);
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

/** What `migrate` would run now. @throws SchemaMismatchError */
export async function plan(client: ClientBase, settings: PostgresSettings): Promise<MigrationPlan> {
  const { applied, pending } = await stateOf(client, settings);
  const noted = new Noted();
  if (pending.length > 0) await apply(noting(client, noted), settings.schema, pending);
  const known = Object.keys(migrations(postgresSchema));
  return { known, applied, pending: noted.byMigration(pending) };
}

/** A client that asks, and notes changes instead of making them. */
function noting(client: ClientBase, noted: Noted): Pick<ClientBase, "query"> {
  const query = async (text: string, values?: unknown[]) => {
    if (isQuestion(text)) return client.query(text, values);
    noted.note(text, values);
    return { command: "", rows: [], rowCount: 0 };
  };
  return { query: query as ClientBase["query"] };
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

/**
 * Kysely's own migrator reads the catalogue of the whole database, tables of others included: slow where there are many, and it fails
 * where somebody drops one meanwhile. The table in which it notes what it has done is the same.
 */
async function apply(
  client: Pick<ClientBase, "query">,
  schema: string,
  pending: readonly string[],
): Promise<void> {
  await createSchema(client, schema);
  const db = kyselyOn(client);
  await client.query(
    "create table if not exists stent_migrations (name varchar(255) primary key, timestamp varchar(255) not null)",
  );
  const all = migrations(postgresSchema);
  for (const name of pending) {
    await all[name]?.up(db);
    await client.query(
      "insert into stent_migrations (name, timestamp) values ($1, to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'))",
      [name],
    );
  }
}

/** `if not exists` would ask for the privilege to create one even where it is there. */
async function createSchema(client: Pick<ClientBase, "query">, schema: string): Promise<void> {
  const found = await client.query("select 1 from pg_namespace where nspname = $1", [schema]);
  if (found.rowCount === 0) await client.query(`create schema ${quoted(schema)}`);
}

/** One connection as the pool that Kysely wants. */
function kyselyOn(client: Pick<ClientBase, "query">): Kysely<unknown> {
  const connection = { query: client.query.bind(client), release: () => undefined };
  const pool = { connect: () => Promise.resolve(connection), end: () => Promise.resolve() };
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
}

const duplicates = new Set(["42P07", "42710"]); // of a table, and of a type by the name of one

function nameTaken(error: unknown, name: string): unknown {
  if (!(error instanceof Error) || !duplicates.has(postgresCode(error) ?? "")) return error;
  return new SchemaMismatchError(
    `Stent cannot make its tables in ${name}: ${error.message}. Something that Stent has not made has a name that it needs (they begin with stent_): rename that, or use another schema`,
  );
}
