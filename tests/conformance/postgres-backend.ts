import { openPostgres } from "../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { checkInvariants } from "../support/invariants.ts";
import { postgresUrl } from "../support/postgres.ts";
import type { ConformanceBackend, OpenDatabase } from "./backend.ts";

let schemas = 0;

/** A schema for each test, in the server that all share. */
export const postgresBackend: ConformanceBackend = {
  name: "PostgreSQL",
  closuresAside: true,
  open: async (options) => openPostgresDatabase(await postgresUrl(), options),
};

/** The same by whatever way leads to a server. */
export async function openPostgresDatabase(
  url: string,
  options: Parameters<ConformanceBackend["open"]>[0],
): Promise<OpenDatabase> {
  const schema = `conformance_${process.pid}_${(schemas += 1)}`;
  // What closures make is made beside Stent's tables, where it is looked for.
  const address = new URL(url);
  address.searchParams.set("options", `-c search_path=${schema}`);
  const settings = postgresSettings(address.href, { schema });
  const connections = await openPostgres(settings, {
    migrate: true,
    warn: (message) => {
      throw new Error(`unexpected warning: ${message}`);
    },
  });
  const store = new PostgresStore(connections, options);
  const query = async <T>(sql: string) => (await connections.pool.query(sql)).rows as T[];
  return {
    store,
    query,
    violations: (now) => checkInvariants(query, now),
    async undone(act) {
      const client = await connections.pool.connect();
      const query = async <T>(sql: string) => (await client.query(sql)).rows as T[];
      await query("begin");
      try {
        await act(query);
      } finally {
        await query("rollback");
      }
      client.release();
    },
    async close() {
      await connections.pool.query(`drop schema "${schema}" cascade`);
      await store.close();
    },
  };
}
