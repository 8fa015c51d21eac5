import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import Database from "better-sqlite3";
import pg from "pg";
import { Stent } from "stentjs";
import { test } from "node:test";
import { freshDatabase } from "../../support/postgres.ts";
import { databaseFile, rejection } from "../../support/serving.ts";
import { onBoth } from "./both.ts";

onBoth("migrations are told before they are run, and run once", async ({ backend }, t) => {
  const stent = new Stent({ backend, migrate: false });
  t.after(() => stent.close());
  const before = await stent.admin.migrations();
  assert.equal(before.current, undefined);
  assert.deepEqual(
    before.pending.map(({ name }) => name),
    [before.wanted],
  );
  assert.equal((await rejection(stent.admin.stats()))["name"] !== undefined, true);
  assert.deepEqual(
    (await stent.admin.doctor()).map(({ code }) => code),
    ["SCHEMA_OUTDATED"],
  );
  await stent.admin.migrate();
  assert.deepEqual(await stent.admin.migrations(), {
    current: before.wanted,
    wanted: before.wanted,
    pending: [],
  });
  await stent.admin.migrate();
  assert.deepEqual(await stent.admin.doctor(), []);
});

test("telling migrations makes no file", async (t) => {
  const path = databaseFile(t);
  const stent = new Stent({ backend: path, migrate: false });
  t.after(() => stent.close());
  await stent.admin.migrations();
  assert.equal(existsSync(path), false);
});

test("what is told as to be run makes the tables that are made (SQLite)", async (t) => {
  const [told, made] = [databaseFile(t), databaseFile(t)];
  const stent = await Stent.open(made);
  await stent.close();
  const { pending } = await new Stent({ backend: told, migrate: false }).admin.migrations();
  const database = new Database(told);
  for (const statement of pending.flatMap(({ sql }) => sql)) database.exec(statement);
  assert.deepEqual(tablesIn(database), tablesIn(new Database(made)));
  database.close();
  await using opened = await Stent.open({ backend: told, migrate: false });
  assert.equal(await opened.queueDepth(), 0);
});

test("what is told as to be run makes the tables that are made (PostgreSQL)", async (t) => {
  const url = await freshDatabase(t);
  const { pending } = await new Stent({ backend: url, migrate: false }).admin.migrations();
  const client = new pg.Client({ connectionString: url, options: "-c search_path=stent" });
  await client.connect();
  for (const statement of pending.flatMap(({ sql }) => sql)) await client.query(statement);
  await client.end();
  await using opened = await Stent.open({ backend: url, migrate: false });
  assert.equal(await opened.queueDepth(), 0);
});

function tablesIn(database: Database.Database): unknown {
  const tables = database
    .prepare("select type, name, sql from sqlite_master order by type, name")
    .all();
  const { name } = database.prepare("select name from stent_migrations").get() as { name: string };
  return { tables, name };
}
