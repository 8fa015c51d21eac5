import { describe } from "node:test";
import { openPostgres } from "../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";
import { PostgresStore } from "../../src/store/postgres/store.ts";
import { postgresUrl } from "../support/postgres.ts";
import type { ConformanceBackend, OpenDatabase } from "./backend.ts";
import { storeConformance } from "./suite.ts";

let schemas = 0;

const postgres: ConformanceBackend = {
  name: "PostgreSQL",
  async open(options): Promise<OpenDatabase> {
    const schema = `conformance_${process.pid}_${(schemas += 1)}`;
    const settings = postgresSettings(await postgresUrl(), { schema });
    const connections = await openPostgres(settings, {
      migrate: true,
      warn: (message) => {
        throw new Error(`unexpected warning: ${message}`);
      },
    });
    const store = new PostgresStore(connections, options);
    return {
      store,
      query: async <T>(sql: string) => (await connections.pool.query(sql)).rows as T[],
      violations: async () => [],
      async close() {
        await connections.pool.query(`drop schema "${schema}" cascade`);
        await store.close();
      },
    };
  },
};

describe(postgres.name, () => storeConformance(postgres));
