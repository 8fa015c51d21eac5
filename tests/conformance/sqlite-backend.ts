import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { sqliteQuery, sqliteViolations } from "../support/sqlite-query.ts";
import type { ConformanceBackend, OpenDatabase } from "./backend.ts";

export const sqliteInMemory = sqliteBackend("SQLite in memory", false);
export const sqliteInFile = sqliteBackend("SQLite in a file", true);

function sqliteBackend(name: string, inFile: boolean): ConformanceBackend {
  return {
    name,
    closuresAside: false,
    async open(options): Promise<OpenDatabase> {
      const folder = inFile ? mkdtempSync(join(tmpdir(), "stent-conformance-")) : undefined;
      const path = folder === undefined ? ":memory:" : join(folder, "stent.db");
      const database = await openConnection(path, { migrate: true });
      const store = new SqliteStore(database, path, options);
      return {
        store,
        query: sqliteQuery(database),
        violations: (now) => sqliteViolations(database, now),
        async undone(act) {
          database.exec("begin");
          await act(sqliteQuery(database)).finally(() => database.exec("rollback"));
        },
        async close() {
          await store.close();
          if (folder !== undefined) rmSync(folder, { recursive: true });
        },
      };
    },
  };
}
