import type { Database } from "better-sqlite3";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { failures, Scene } from "../conformance/scene.ts";
import { sqliteQuery, sqliteViolations } from "../support/sqlite-query.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { Ending } from "../support/serving.ts";

/** A scene, and what is behind its port. */
export interface SqliteScene {
  readonly one: Scene;
  readonly store: SqliteStore;
  readonly database: Database;
}

/** A new database, in memory or at that path; closed when the test ends. */
export async function sqliteScene(t: Ending, path = ":memory:"): Promise<SqliteScene> {
  const clock = new ManualClock();
  const database = await openConnection(path, { migrate: true });
  const store = new SqliteStore(database, path, { clock, failures });
  t.after(() => store.close());
  const open = {
    store,
    query: sqliteQuery(database),
    violations: (now: number) => sqliteViolations(database, now),
    undone: async () => undefined,
    close: () => store.close(),
  };
  return { one: new Scene(open, clock), store, database };
}
