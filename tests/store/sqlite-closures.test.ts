import assert from "node:assert/strict";
import { test } from "node:test";
import Driver from "better-sqlite3";
import { sql, type Kysely } from "kysely";
import { closureOf, heldTransaction } from "../conformance/closures.ts";
import { databaseFile } from "../support/serving.ts";
import { sqliteScene } from "./sqlite-scene.ts";

/** A transaction that has read cannot write any more where another one has written since: it would have to begin anew. */
test("another process is kept from writing while a closure runs, also where that has only read so far", async (t) => {
  const file = databaseFile(t);
  const { one, store, database } = await sqliteScene(t, file);
  database.exec("create table ledger (line text not null)");
  const other = new Driver(file, { timeout: 0 });
  t.after(() => other.close());
  const held = await heldTransaction(one, await one.register());
  const write = "insert into ledger values ('theirs')";
  const closure = async (tx: Kysely<unknown>): Promise<string> => {
    await sql`select count(*) from ledger`.execute(tx);
    assert.throws(() => other.exec(write), { code: "SQLITE_BUSY" });
    await sql`insert into ledger values ('ours')`.execute(tx);
    return "written";
  };
  assert.deepEqual(await store.transact(closureOf(held, closure)), { kind: "stored" });
  other.exec(write);
  const lines = other.prepare<[], string>("select line from ledger").pluck().all();
  assert.deepEqual(lines, ["ours", "theirs"]);
});

test("what a closure has written is not there where its outcome cannot be stored", async (t) => {
  const { one, store, database } = await sqliteScene(t);
  database.exec("create table ledger (line text not null)");
  database.exec(
    "create trigger refused before update on stent_journal when new.status = 1 begin select raise(abort, 'not now'); end",
  );
  const held = await heldTransaction(one, await one.register());
  const closure = async (tx: Kysely<unknown>): Promise<string> => {
    await sql`insert into ledger values ('ours')`.execute(tx);
    return "written";
  };
  await assert.rejects(store.transact(closureOf(held, closure)), /not now/);
  assert.equal(database.prepare("select count(*) from ledger").pluck().get(), 0);
});
