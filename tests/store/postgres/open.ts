import pg from "pg";
import {
  openPostgres,
  type OpenPostgresOptions,
  type PostgresConnections,
} from "../../../src/store/postgres/connection.ts";
import { postgresSettings, type PostgresOptions } from "../../../src/store/postgres/settings.ts";
import { freshSchema, postgresUrl } from "../../support/postgres.ts";
import type { Ending } from "../../support/serving.ts";

/** A client of the driver as it comes, on the shared server. */
export async function postgresClient(t: Ending, url?: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url ?? (await postgresUrl()) });
  client.on("error", () => undefined);
  await client.connect();
  t.after(() => client.end());
  return client;
}

/** What a test opens. */
export interface Opening extends PostgresOptions, Partial<OpenPostgresOptions> {
  /** Default: the shared server's. */
  readonly url?: string;
}

/** Connections to a schema of the test's own, which is migrated unless the test says otherwise. */
export async function opened(t: Ending, opening: Opening = {}): Promise<PostgresConnections> {
  const fresh = await freshSchema(t);
  const { url = fresh.url, migrate = true, warn = unexpected, ...options } = opening;
  const settings = postgresSettings(url, { schema: fresh.schema, ...options });
  const connections = await openPostgres(settings, { migrate, warn });
  t.after(() => connections.close());
  return connections;
}

function unexpected(message: string): never {
  throw new Error(`unexpected warning: ${message}`);
}
