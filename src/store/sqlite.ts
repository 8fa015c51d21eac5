import { randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import { hostname } from "node:os";
import type { Backend, OpenOptions, StoreBackend } from "./backend.ts";
import type { MigrationPlan } from "./migrations/plan.ts";
import type { Store } from "./store.ts";

/** An SQLite database in a file, or ":memory:" for one that lives as long as its client. Needs the package better-sqlite3. */
export function sqlite(path: string): Backend {
  checkPath(path);
  const backend: StoreBackend = {
    name: `sqlite:${path}`,
    identity: () =>
      path === ":memory:" ? randomUUID() : `sqlite:${hostname()}:${realpathSync(path)}`,
    async plan(): Promise<MigrationPlan> {
      const { planMigration } = await import("./sqlite/connection.ts");
      return planMigration(path);
    },
    // The driver is loaded when it is needed: a process that only defines functions needs none.
    async open(options: OpenOptions): Promise<Store> {
      const [{ openConnection }, { SqliteStore }, { databaseError }] = await Promise.all([
        import("./sqlite/connection.ts"),
        import("./sqlite/store.ts"),
        import("./sqlite/errors.ts"),
      ]);
      const database = await openConnection(path, options);
      try {
        return new SqliteStore(database, path, options);
      } catch (error) {
        database.close();
        throw databaseError(error, path);
      }
    },
  };
  return Object.freeze(backend);
}

function checkPath(path: string): void {
  if (typeof path !== "string" || path === "") {
    throw new TypeError('sqlite takes the path of a file, or ":memory:"');
  }
  // The driver would cut either off, and open another file.
  if (path !== path.trim() || path.includes("\0")) {
    throw new TypeError(
      `the path of an SQLite database may not begin or end with white space, nor hold NUL: ${JSON.stringify(path)}`,
    );
  }
}
