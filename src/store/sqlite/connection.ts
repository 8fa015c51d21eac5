import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Database, Options } from "better-sqlite3";
import { Kysely, SqliteDialect, type SqliteDatabase } from "kysely";
import { DatabaseError, SchemaMismatchError } from "../../core/errors.ts";
import {
  compareSchema,
  migrateToLatest,
  migrations,
  migratorOf,
  requireCurrent,
} from "../migrations/migrations.ts";
import { isQuestion, Noted, type MigrationPlan } from "../migrations/plan.ts";
import { sqliteSchema } from "../schema-dialect.ts";
import { databaseError, isBusy, sqliteCode } from "./errors.ts";

/** How long opening waits for another process that is opening the same file. */
const openPatienceMs = 30_000;

type Driver = new (path: string, options?: Options) => Database;

/** Opens the file, creates or checks the tables, and makes sure that a commit is on disk when it returns. @throws DatabaseError, SchemaMismatchError */
export async function openConnection(
  path: string,
  options: { readonly migrate: boolean },
): Promise<Database> {
  const Driver = await loadDriver();
  const memory = path === ":memory:" || path === "";
  if (!memory) checkPath(path, options.migrate);
  let database: Database;
  try {
    database = new Driver(path, { timeout: 0 });
  } catch (error) {
    throw databaseError(error, path);
  }
  try {
    await patiently(() => applyPragmas(database, memory));
    await (options.migrate ? migrate(database, path) : verify(database, path));
    assertDurable(database, path, memory);
    return database;
  } catch (error) {
    database.close();
    throw databaseError(error, path);
  }
}

/** What a migration would run. The file is only read, and not made if it is not there. @throws DatabaseError, SchemaMismatchError */
export async function planMigration(path: string): Promise<MigrationPlan> {
  const Driver = await loadDriver();
  const there = path !== ":memory:" && existsSync(path);
  if (there) checkPath(path, false);
  try {
    const database = there
      ? new Driver(path, { timeout: 1_000, readonly: true })
      : new Driver(":memory:");
    try {
      return await planOn(database, path);
    } finally {
      database.close();
    }
  } catch (error) {
    throw databaseError(error, path);
  }
}

async function planOn(database: Database, path: string): Promise<MigrationPlan> {
  const known = Object.keys(migrations(sqliteSchema));
  const { applied, pending } = compareSchema(appliedMigrations(database), known, path);
  if (pending.length === 0) return { known, applied, pending: [] };
  const noted = new Noted();
  const db = new Kysely<unknown>({
    dialect: new SqliteDialect({ database: noting(database, noted) }),
  });
  await migrateToLatest(migratorOf(db, sqliteSchema));
  return { known, applied, pending: noted.byMigration(pending) };
}

/** A database that is asked, and whose changes are noted instead of being made: what they would have made is not there. */
function noting(database: Database, noted: Noted): SqliteDatabase {
  const empty = { reader: true, all: () => [], run: nothingChanged, iterate: () => [].values() };
  return {
    close: () => undefined,
    prepare(text) {
      if (!isQuestion(text)) {
        const run = (values: readonly unknown[]) => {
          noted.note(text, values);
          return nothingChanged();
        };
        return { ...empty, reader: false, run };
      }
      try {
        return database.prepare(text);
      } catch (error) {
        if (sqliteCode(error) === "SQLITE_ERROR") return empty;
        throw error;
      }
    },
  };
}

function nothingChanged(): { changes: number; lastInsertRowid: number } {
  return { changes: 0, lastInsertRowid: 0 };
}

async function loadDriver(): Promise<Driver> {
  try {
    const driver: { default: Driver } = await import("better-sqlite3");
    return driver.default;
  } catch (error) {
    throw new DatabaseError(
      "DRIVER_MISSING",
      "SQLite needs the package better-sqlite3, which is not installed here; run: npm install better-sqlite3",
      { cause: error },
    );
  }
}

function checkPath(path: string, creating: boolean): void {
  const folder = dirname(resolve(path));
  if (!existsSync(folder)) {
    throw new DatabaseError(
      "DATABASE_MISSING",
      `no folder ${folder} for the SQLite database ${path}; create it first`,
    );
  }
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new DatabaseError(
      "DATABASE_UNREACHABLE",
      `${path} is a folder, not an SQLite database; name a file in it`,
    );
  }
  if (!creating && !existsSync(path)) {
    throw new DatabaseError(
      "DATABASE_MISSING",
      `no SQLite database at ${path}; create it with: stent migrate -d ${path}, or open without migrate: false`,
    );
  }
}

/** Order matters: better-sqlite3's build makes WAL mean synchronous=NORMAL, so FULL is set after it. */
function applyPragmas(database: Database, memory: boolean): void {
  if (!memory) database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma("wal_autocheckpoint = 4000");
  database.pragma("cache_size = -65536");
  database.pragma("temp_store = MEMORY");
  database.pragma("foreign_keys = OFF");
}

function assertDurable(database: Database, path: string, memory: boolean): void {
  if (memory) return;
  const mode = database.pragma("journal_mode", { simple: true });
  const synchronous = database.pragma("synchronous", { simple: true });
  if (mode !== "wal" || synchronous !== 2) {
    throw new DatabaseError(
      "DATABASE_UNREACHABLE",
      `SQLite database ${path} cannot be written durably (journal_mode ${String(mode)}, synchronous ${String(synchronous)}); use a local file system that supports WAL`,
    );
  }
}

async function migrate(database: Database, path: string): Promise<void> {
  const pending = compareSchema(
    appliedMigrations(database),
    Object.keys(migrations(sqliteSchema)),
    path,
  ).pending;
  if (pending.length === 0) return;
  await patiently(() => database.exec("begin immediate"));
  try {
    const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
    // Another process may have been faster.
    compareSchema(appliedMigrations(database), Object.keys(migrations(sqliteSchema)), path);
    await migrateToLatest(migratorOf(db, sqliteSchema));
    database.exec("commit");
  } catch (error) {
    if (database.inTransaction) database.exec("rollback");
    throw nameTaken(error, path);
  }
}

/** SQLite refuses our tables where something of their names is there already. */
function nameTaken(error: unknown, path: string): unknown {
  if (sqliteCode(error) !== "SQLITE_ERROR" || !(error instanceof Error)) return error;
  return new SchemaMismatchError(
    `Stent cannot make its tables in ${path}: ${error.message}. Something that Stent has not made has a name that it needs (they begin with stent_): rename that, or use another database`,
  );
}

async function verify(database: Database, path: string): Promise<void> {
  await patiently(() => appliedMigrations(database));
  requireCurrent(
    compareSchema(appliedMigrations(database), Object.keys(migrations(sqliteSchema)), path),
    path,
  );
}

function appliedMigrations(database: Database): string[] {
  const table = database
    .prepare("select 1 from pragma_table_info('stent_migrations') where name = 'name'")
    .get();
  if (table === undefined) return [];
  return database
    .prepare<[], { name: string }>("select name from stent_migrations order by name")
    .all()
    .map((row) => row.name);
}

/** Tries again while another process writes, without blocking the event loop. */
async function patiently<T>(act: () => T): Promise<T> {
  const giveUpAt = Date.now() + openPatienceMs;
  for (;;) {
    try {
      return act();
    } catch (error) {
      if (!isBusy(error) || Date.now() > giveUpAt) throw error;
      await new Promise((done) => {
        setTimeout(done, 5 + Math.random() * 20);
      });
    }
  }
}
