import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "node:test";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { checkInvariants } from "../support/invariants.ts";
import type { ConformanceBackend, OpenDatabase } from "./backend.ts";
import { storeConformance } from "./suite.ts";

for (const backend of [
  sqliteBackend("SQLite in memory", false),
  sqliteBackend("SQLite in a file", true),
]) {
  describe(backend.name, () => storeConformance(backend));
}

function sqliteBackend(name: string, inFile: boolean): ConformanceBackend {
  return {
    name,
    async open(options): Promise<OpenDatabase> {
      const folder = inFile ? mkdtempSync(join(tmpdir(), "stent-conformance-")) : undefined;
      const path = folder === undefined ? ":memory:" : join(folder, "stent.db");
      const database = await openConnection(path, { migrate: true });
      const store = new SqliteStore(database, path, options);
      return {
        store,
        query: async <T>(sql: string) => database.prepare<[], T>(sql).all(),
        violations: async (now) => checkInvariants(database, now),
        async close() {
          await store.close();
          if (folder !== undefined) rmSync(folder, { recursive: true });
        },
      };
    },
  };
}
