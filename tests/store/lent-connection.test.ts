import assert from "node:assert/strict";
import { test } from "node:test";
import type { Database } from "better-sqlite3";
import { sql, type Kysely } from "kysely";
import { DatabaseError } from "../../src/core/errors.ts";
import type { ClosureEnd } from "../../src/store/lent-driver.ts";
import { LentConnection } from "../../src/store/sqlite/lent-connection.ts";
import { closureOf, heldTransaction } from "../conformance/closures.ts";
import { databaseFile, type Ending } from "../support/serving.ts";
import { sqliteScene, type SqliteScene } from "./sqlite-scene.ts";

type Tx = Kysely<unknown>;

test("a disk that is full is the database's trouble, whatever the closure makes of it, and another try may do", async (t) => {
  const { database, one, store } = await opened(t);
  const held = await heldTransaction(one, await one.register());
  let more = 2;
  const fill = async (tx: Tx): Promise<string> => {
    limitPages(database, more);
    for (let n = 0; n < 40; n += 1)
      await sql`insert into ledger values (${"x".repeat(4_000)})`.execute(tx);
    return "filled";
  };
  const swallow = async (tx: Tx): Promise<string> => {
    await fill(tx).catch(() => undefined);
    // Where SQLite has ended the transaction by itself, this would be committed by itself.
    await sql`insert into ledger values ('small')`.execute(tx).catch(() => undefined);
    return "did not notice";
  };
  const transact = (act: (tx: Tx) => Promise<string>): Promise<unknown> =>
    store.transact(closureOf(held, act));
  for (const act of [fill, swallow]) {
    await assert.rejects(
      transact(act),
      (error) => error instanceof DatabaseError && error.code === "DATABASE_FULL",
    );
    assert.equal(database.inTransaction, false);
    assert.equal(count(database), 0);
  }
  more = 10_000;
  assert.deepEqual(await transact(fill), { kind: "stored" });
  assert.equal(count(database), 40);
});

const allowed = [
  "select 1",
  "savepoint a",
  "select 'stent_x'",
  "with x as (select 1) select * from x",
];
const refused = [
  "BEGIN",
  "begin immediate",
  " -- why\n commit",
  "END TRANSACTION",
  "/* a /* b */ rollback transaction",
  "; rollback",
  "pragma foreign_keys = on",
  "ATTACH DATABASE 'x' AS y",
  "vacuum",
  "insert into stent_counters (execution, name, value) values (1, 'a', 1)",
  'UPDATE "stent_executions" set input = 1',
  "drop table main.stent_tasks",
  "create trigger t after insert on stent_journal begin select 1; end",
];
for (const [statements, goes] of [
  [allowed, true],
  [refused, false],
] as const) {
  for (const statement of statements) {
    test(`${goes ? "takes" : "refuses"} ${JSON.stringify(statement)}`, async (t) => {
      const { database } = await opened(t);
      const end = await lent(database, (tx) => sql.raw(statement).execute(tx));
      assert.equal(end.kind, goes ? "value" : "error");
      if (end.kind === "error") assert.ok(end.error instanceof TypeError, String(end.error));
    });
  }
}

test("a stream that is left in the middle keeps nothing open", async (t) => {
  const { database } = await opened(t);
  const end = await lent(database, async (tx) => {
    await sql`insert into ledger values ('a'), ('b'), ('c')`.execute(tx);
    const ledger = sql<{ who: string }>`ledger`.as("l");
    for await (const { who } of tx.selectFrom(ledger).selectAll().stream()) {
      if (who !== "a") return who;
      break;
    }
    await sql`drop table ledger`.execute(tx);
    return "a";
  });
  assert.deepEqual(end, { kind: "value", value: "a" });
});

test("200 statements end before anything else comes to its turn", async (t) => {
  const { database } = await opened(t);
  const order: string[] = [];
  setImmediate(() => order.push("immediate"));
  setTimeout(() => order.push("timer"), 0);
  process.nextTick(() => order.push("tick of before"));
  await lent(database, async (tx) => {
    for (let n = 0; n < 200; n += 1) await sql`insert into ledger values ('a')`.execute(tx);
  });
  assert.deepEqual(order, ["tick of before"]);
  assert.equal(count(database), 200);
});

async function opened(t: Ending): Promise<SqliteScene> {
  const scene = await sqliteScene(t, databaseFile(t));
  scene.database.exec("create table ledger (who text)");
  return scene;
}

/** Runs a closure in a transaction, which is committed if it may be. */
async function lent(database: Database, act: (tx: Tx) => unknown): Promise<ClosureEnd> {
  database.exec("begin immediate");
  const end = await new LentConnection(database, {
    title: "the closure",
    act: async (tx) => act(tx as Tx),
    encode: String,
  }).run();
  database.exec(end.kind === "value" ? "commit" : "rollback");
  return end;
}

function count(database: Database): unknown {
  return database.prepare("select count(*) from ledger").pluck().get();
}

/** So many more pages than there are. */
function limitPages(database: Database, more: number): void {
  const pages = Number(database.pragma("page_count", { simple: true }));
  database.pragma(`max_page_count = ${pages + more}`);
}
