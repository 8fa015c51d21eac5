import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { activity, DatabaseError, SchemaMismatchError, Stent, type Backend } from "stentjs";
import type { OpenOptions, StoreBackend } from "../../src/store/backend.ts";
import type { MigrationPlan } from "../../src/store/migrations/plan.ts";
import { openConnection, planMigration } from "../../src/store/sqlite/connection.ts";
import { SqliteStore } from "../../src/store/sqlite/store.ts";
import { clientOn } from "../support/client.ts";
import { databaseFile, rejection } from "../support/serving.ts";

const job = activity("job", async (_text: string) => 1);

test("a missing folder is named", async (t) => {
  const path = join(databaseFile(t), "deeper", "stent.db");
  const error = await refusal(Stent.open(path));
  assert.equal(error.code, "DATABASE_MISSING");
  assert.ok(error.message.includes(dirname(path)));
});

test("a folder is no database", async (t) => {
  const path = databaseFile(t);
  mkdirSync(path);
  assert.equal((await refusal(Stent.open(path))).code, "DATABASE_UNREACHABLE");
});

test("a file that is no database is left as it is", async (t) => {
  const path = databaseFile(t);
  writeFileSync(path, "not a database, but long enough to be looked at ".repeat(50));
  const before = readFileSync(path);
  const error = await refusal(Stent.open(path));
  assert.equal(error.code, "DATABASE_CORRUPT");
  assert.ok(error.message.includes(path));
  assert.ok(error.cause instanceof Error);
  assert.deepEqual(readFileSync(path), before);
});

test("a database whose pages are damaged is told as that", async (t) => {
  const path = databaseFile(t);
  const stent = await Stent.open(path);
  await stent.dispatchMany(
    job,
    Array.from({ length: 500 }, (): [string] => ["x".repeat(500)]),
  );
  await stent.close();
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 8_192);
  writeFileSync(path, bytes);
  const error = await refusal(Stent.open(path).then((opened) => opened.dispatch(job, ["x"])));
  assert.equal(error.code, "DATABASE_CORRUPT");
});

test("a file that may only be read is told as that", async (t) => {
  const path = databaseFile(t);
  await (await Stent.open(path)).close();
  chmodSync(path, 0o444);
  chmodSync(dirname(path), 0o555);
  const { stdout, stderr } = asNobody(`
    import { Stent } from "./src/index.ts";
    const error = await Stent.open(${JSON.stringify(path)}).then(() => undefined, (error) => error);
    console.log(error?.code);
  `);
  chmodSync(dirname(path), 0o755);
  assert.equal(stdout.trim(), "DATABASE_READ_ONLY", stderr);
});

test("a folder that may only be read is told as that, for a new file and for one that is there", async (t) => {
  const path = databaseFile(t);
  await (await Stent.open(path)).close();
  chmodSync(path, 0o666);
  chmodSync(dirname(path), 0o555);
  const { stdout, stderr } = asNobody(`
    import { Stent } from "./src/index.ts";
    for (const path of ${JSON.stringify([path, `${path}.new`])}) {
      const error = await Stent.open(path).then(() => undefined, (error) => error);
      console.log(error?.code, error?.message.includes("permissions"));
    }
  `);
  chmodSync(dirname(path), 0o755);
  assert.deepEqual(
    stdout.trim().split("\n"),
    Array.from({ length: 2 }, () => "DATABASE_READ_ONLY true"),
    stderr,
  );
});

for (const name of ["stent_tasks", "stent_migrations"]) {
  test(`a table ${name} that is somebody else's is left as it is, and named`, async (t) => {
    const path = databaseFile(t);
    const database = new Database(path);
    database.exec(`create table ${name} (note text)`);
    database.close();
    const error = await rejection(Stent.open(path));
    assert.ok(error instanceof SchemaMismatchError, String(error));
    assert.match(error.message, /begin with stent_.*rename/);
    if (name === "stent_tasks") assert.match(error.message, /stent_tasks"? already exists/);
    const after = new Database(path);
    assert.deepEqual(after.prepare("select name from sqlite_master").pluck().all(), [name]);
    after.close();
  });
}

test("without migrate nothing is created", async (t) => {
  const path = databaseFile(t);
  const error = await refusal(Stent.open({ backend: path, migrate: false }));
  assert.equal(error.code, "DATABASE_MISSING");
  assert.equal(existsSync(path), false);
});

test("without migrate an empty database is refused, and one that is up to date is opened", async (t) => {
  const path = databaseFile(t);
  new Database(path).close();
  const error = await rejection(Stent.open({ backend: path, migrate: false }));
  assert.ok(error instanceof SchemaMismatchError);
  assert.match(error.message, /missing.*stent migrate/s);
  await (await Stent.open(path)).close();
  await (await Stent.open({ backend: path, migrate: false })).close();
});

test("tables of a newer version are refused, with or without migrate", async (t) => {
  const path = databaseFile(t);
  await (await Stent.open(path)).close();
  const database = new Database(path);
  database.prepare("insert into stent_migrations values ('9999-later', '2030-01-01')").run();
  database.close();
  for (const migrate of [true, false]) {
    const error = await rejection(Stent.open({ backend: path, migrate }));
    assert.ok(error instanceof SchemaMismatchError);
    assert.match(error.message, /9999-later/);
  }
});

test("many clients may open a new file at once", async (t) => {
  const path = databaseFile(t);
  const clients = await Promise.all(Array.from({ length: 5 }, () => Stent.open(path)));
  for (const client of clients) await client.close();
});

test("a full database refuses what it cannot keep, keeps what it has, and goes on when there is room", async (t) => {
  const limited = new LimitedBackend(databaseFile(t));
  const stent = await clientOn(t, undefined, { backend: limited });
  await stent.dispatch(job, ["first"], { id: "first" });
  limited.maxPages(limited.pages() + 20);
  const error = await refusal(fill(stent));
  assert.equal(error.code, "DATABASE_FULL");
  assert.equal((await stent.stateOf("first")).state, "pending");
  const before = await stent.queueDepth();
  await refusal(
    stent.dispatchMany(
      job,
      Array.from({ length: 100 }, (): [string] => ["x".repeat(4_000)]),
    ),
  );
  assert.equal(await stent.queueDepth(), before);
  limited.maxPages(1_000_000);
  await stent.dispatch(job, ["x".repeat(100_000)], { id: "last" });
  assert.equal(await stent.queueDepth(), before + 1);
});

async function fill(stent: Stent): Promise<void> {
  for (let n = 0; n < 1_000; n += 1) await stent.dispatch(job, ["x".repeat(4_000)]);
}

async function refusal(promise: Promise<unknown>): Promise<DatabaseError> {
  const error = await rejection(promise);
  assert.ok(error instanceof DatabaseError, String(error));
  return error;
}

/** A file whose size is bounded. */
class LimitedBackend implements Backend, StoreBackend {
  readonly name = "sqlite:limited";
  readonly #path: string;
  #database: Database.Database | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async open(options: OpenOptions): Promise<SqliteStore> {
    this.#database = await openConnection(this.#path, options);
    return new SqliteStore(this.#database, this.#path, options);
  }

  identity(): string {
    return this.#path;
  }

  plan(): Promise<MigrationPlan> {
    return planMigration(this.#path);
  }

  pages(): number {
    return Number(this.#database?.pragma("page_count", { simple: true }));
  }

  maxPages(count: number): void {
    this.#database?.pragma(`max_page_count = ${count}`);
  }
}

/** Permissions say nothing to root: as root, the program is run by nobody. */
function asNobody(program: string): { stdout: string; stderr: string } {
  const isRoot = process.getuid?.() === 0;
  return spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", program],
    {
      cwd: join(import.meta.dirname, "../.."),
      encoding: "utf8",
      ...(isRoot ? { uid: 65_534, gid: 65_534 } : {}),
    },
  );
}
