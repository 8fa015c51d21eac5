import type { Database } from "better-sqlite3";
import { openConnection } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { failures, Scene } from "../conformance/scene.ts";
import { checkInvariants } from "../support/invariants.ts";
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
    query: async <T>(sql: string) => database.prepare<[], T>(sql).all(),
    violations: async (now: number) => checkInvariants(database, now),
    close: () => store.close(),
  };
  return { one: new Scene(open, clock), store, database };
}
