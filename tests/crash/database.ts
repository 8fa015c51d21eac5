import assert from "node:assert/strict";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import Driver from "better-sqlite3";
import pg from "pg";
import { typeParsers } from "../../src/store/postgres/type-parsers.ts";
import type { Query } from "../support/invariants.ts";
import { sqliteQuery } from "../support/sqlite-query.ts";

/** Where a scene's database is: in JSON for its processes. */
export type DatabasePlace = { readonly path: string } | { readonly url: string };

/** What is asked; `tables`: those that are there. */
export type Look<T> = (query: Query, tables: readonly string[]) => Promise<T>;

/** A database that processes work on, looked at from outside. */
export interface SceneDatabase {
  readonly place: DatabasePlace;
  /** Runs queries that all see the same moment, beside the processes that are at work. */
  look<T>(act: Look<T>): Promise<T>;
  /** The same when no process is at work, and what the killed ones have sent has been done. */
  lookAtRest<T>(act: Look<T>): Promise<T>;
  close(): Promise<void>;
}

/** A table of the user's, to which transactions of workflows write. */
const createLedger = "create table ledger (execution text not null, path text not null)";

export function sqliteDatabase(path: string): SceneDatabase {
  const created = new Driver(path);
  created.exec(createLedger);
  created.close();
  return {
    place: { path },
    look: (act) => lookAtFile(path, act),
    async lookAtRest(act) {
      // A copy, so that the write-ahead log is found by the next process as the killed one left it.
      const copy = `${path}.copy`;
      for (const suffix of ["", "-wal"]) {
        rmSync(copy + suffix, { force: true });
        if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
      }
      return lookAtFile(copy, act);
    },
    close: () => Promise.resolve(),
  };
}

async function lookAtFile<T>(path: string, act: Look<T>): Promise<T> {
  const database = new Driver(path, { timeout: 5_000 });
  try {
    const pages = String(database.pragma("integrity_check", { simple: true }));
    assert.equal(pages, "ok", "I14: the file is sound");
    database.exec("begin");
    const query = sqliteQuery(database);
    const tables = await query<{ name: string }>("select name from sqlite_master");
    return await act(
      query,
      tables.map(({ name }) => name),
    );
  } finally {
    database.close();
  }
}

/** A database of its own in a server: whose sessions are at work there, the server can tell. */
export async function postgresDatabase(url: string): Promise<SceneDatabase> {
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    types: typeParsers,
    options: "-c search_path=stent,public",
    application_name: looker,
    allowExitOnIdle: true,
  });
  pool.on("error", () => undefined); // the server was stopped
  await pool.query(`set local search_path = public; ${createLedger}`);
  const look: SceneDatabase["look"] = async (act) => {
    const client = await pool.connect();
    try {
      await client.query("begin isolation level repeatable read read only");
      const query: Query = async <Row>(sql: string) => (await client.query(sql)).rows as Row[];
      const tables = await query<{ name: string }>(
        "select tablename as name from pg_tables where schemaname in ('stent', 'public')",
      );
      return await act(
        query,
        tables.map(({ name }) => name),
      );
    } finally {
      await client.query("rollback").catch(() => undefined);
      client.release();
    }
  };
  return {
    place: { url },
    look,
    async lookAtRest(act) {
      await untilNobodyWorks(pool);
      return look(act);
    },
    close: () => pool.end(),
  };
}

const looker = "stent crash test";

/** A process that was killed may have sent a commit, which the server still carries out. */
async function untilNobodyWorks(pool: pg.Pool): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  for (;;) {
    if (performance.now() > giveUpAt) throw new Error("there are processes at work");
    const { rows } = await pool.query<{ count: number }>(
      `select count(*) as count from pg_stat_activity
       where datname = current_database() and application_name <> $1 and backend_type = 'client backend'`,
      [looker],
    );
    if (rows[0]?.count === 0) return;
    await pause(5);
  }
}
