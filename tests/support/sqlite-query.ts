import type { Database } from "better-sqlite3";
import { checkInvariants, type Query } from "./invariants.ts";

/** Asks a SQLite database. */
export function sqliteQuery(database: Database): Query {
  return async <Row>(sql: string) => database.prepare<[], Row>(sql).all();
}

/** Every violation in a database of SQLite, whose pages are looked at as well: they may be damaged without any row that shows it. */
export async function sqliteViolations(database: Database, now?: number): Promise<string[]> {
  const pages = String(database.pragma("integrity_check", { simple: true }));
  return [
    ...(pages === "ok" ? [] : [`I14: the file is damaged: ${pages}`]),
    ...(await checkInvariants(sqliteQuery(database), now)),
  ];
}
