import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Driver from "better-sqlite3";
import { Kysely, PostgresDialect, sql, SqliteDialect } from "kysely";
import pg from "pg";
import {
  DatabaseError,
  ExecutionExistsError,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  postgres,
  signal,
  sqlite,
  workflow,
  type Backend,
  type Flow,
  type ServeOptions,
  type Stent,
} from "stentjs";
import { freshSchema } from "../support/postgres.ts";
import { databaseFile, rejection, stentOn, until, type Ending } from "../support/serving.ts";

const limit = { timeout: "10s" };

const doubling = workflow("own.doubling", function* (n: number): Flow<number> {
  yield* [];
  return n * 2;
});
const waiting = workflow("own.waiting", function* (): Flow<string> {
  return yield* signal<string>("go");
});
let failing = true;
const failingOnce = workflow("own.failing", function* (n: number): Flow<number> {
  yield* [];
  if (failing) throw new Error("not yet");
  return n;
});

/** An open transaction of the user's, and its ends. */
interface Own {
  /** As Stent is given it. */
  readonly option: { readonly transaction: unknown };
  /** Of another statement in it: it still works. */
  count(): Promise<number>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}
interface Place {
  readonly stent: Stent;
  /** The Stent of another process, so to speak. */
  another(options?: { serve: boolean | ServeOptions }): Promise<Stent>;
  /** Begins transactions of each kind that may be given. */
  readonly begin: Readonly<Record<string, () => Promise<Own>>>;
  /** Connections to the same database. */
  readonly notBegun: readonly unknown[];
}

const soon = { pollInterval: 20, pollIntervalMax: 50 };
const places: Record<string, (t: Ending) => Promise<Place>> = {
  SQLite: onSqlite,
  PostgreSQL: onPostgres,
};

for (const [name, place] of Object.entries(places)) {
  describe(`in a transaction of one's own on ${name}`, () => {
    test("a dispatch is there with the commit, and gone with the rollback", async (t) => {
      const { stent, begin } = await place(t);
      for (const [kind, open] of Object.entries(begin)) {
        const gone = await open();
        const { id } = await stent.dispatch(doubling, [1], gone.option);
        await gone.rollback();
        await assert.rejects(stent.stateOf(id), ExecutionNotFoundError, kind);

        const own = await open();
        const handle = await stent.dispatch(doubling, [21], own.option);
        const many = await stent.dispatchMany(doubling, [[1], [2], [3]], own.option);
        assert.equal(await own.count(), 1);
        await own.commit();
        assert.equal(await handle.result(limit), 42, kind);
        assert.deepEqual(await Promise.all(many.map((one) => one.result(limit))), [2, 4, 6]);
      }
    });

    test("a message is there with the commit, and gone with the rollback", async (t) => {
      const { stent, begin } = await place(t);
      for (const open of Object.values(begin)) {
        const handle = await stent.dispatch(waiting, []);
        await until("it waits", async () => (await handle.state()).waitingFor.length === 1);
        const gone = await open();
        await stent.sendSignal(handle.id, "go", "never", gone.option);
        await gone.rollback();
        const own = await open();
        await stent.sendSignal(handle.id, "go", "now", { ...own.option, dedupeKey: "k" });
        await stent.sendSignal(handle.id, "go", "now", { ...own.option, dedupeKey: "k" });
        await own.commit();
        assert.equal(await handle.result(limit), "now");
        const late = await open();
        const error = await rejection(stent.sendSignal(handle.id, "go", "late", late.option));
        assert.ok(error instanceof ExecutionFinishedError);
        await assert.rejects(
          stent.sendSignal("nobody", "go", 1, late.option),
          ExecutionNotFoundError,
        );
        assert.equal(await late.count(), 1);
        await late.rollback();
      }
    });

    test("what it dispatches gets messages in it, too", async (t) => {
      const { stent, begin } = await place(t);
      for (const open of Object.values(begin)) {
        const own = await open();
        const { id } = await stent.dispatch(waiting, [], own.option);
        await stent.sendSignal(id, "go", "early", own.option);
        await own.commit();
        assert.equal(await stent.execution(id).result(limit), "early");
      }
    });

    test("an id that exists is met as anywhere, and the transaction goes on", async (t) => {
      const { stent, begin } = await place(t);
      for (const [kind, open] of Object.entries(begin)) {
        const id = `one ${kind}`;
        failing = true;
        const handle = await stent.dispatch(failingOnce, [1], { id });
        await rejection(handle.result(limit));
        const own = await open();
        const again = (ifExists: "reject" | "join" | "restart-if-failed", n: number) =>
          stent.dispatch(failingOnce, [n], { ...own.option, id, ifExists });
        await assert.rejects(again("reject", 2), ExecutionExistsError);
        const other = stent.dispatch(doubling, [1], { ...own.option, id, ifExists: "join" });
        await assert.rejects(other, ExecutionExistsError);
        assert.equal((await again("join", 3)).id, id);
        failing = false;
        await again("restart-if-failed", 4);
        await stent.dispatch(doubling, [1], { ...own.option, id: `${id} new` });
        await assert.rejects(
          stent.dispatch(doubling, [1], { ...own.option, id: `${id} new` }),
          ExecutionExistsError,
        );
        assert.equal(await own.count(), 1);
        await own.commit();
        assert.equal(await stent.execution(id).result(limit), 4);
        assert.equal(await stent.execution(`${id} new`).result(limit), 2);
      }
    });

    test("what is no open transaction on this database is refused, with nothing written", async (t) => {
      const { stent, begin, notBegun } = await place(t);
      const elsewhere = await onSqlite(t);
      const others = await Promise.all(Object.values(elsewhere.begin).map((open) => open()));
      const over = await Promise.all(Object.values(begin).map((open) => open()));
      for (const own of over) await own.rollback();
      const given = [...others, ...over].map(({ option }) => option.transaction);
      const wrong = [...given, ...notBegun];
      for (const transaction of [...wrong, {}, "begin", 1, null, () => 1]) {
        for (const act of [
          () => stent.dispatch(doubling, [1], { transaction }),
          () => stent.sendSignal("nobody", "go", 1, { transaction }),
        ]) {
          const error = await rejection(act());
          assert.ok(error instanceof TypeError || error instanceof DatabaseError, String(error));
          assert.match(error.message, /transaction/);
        }
      }
      assert.equal((await stent.listExecutions()).items.length, 0);
      for (const own of others) await own.rollback();
    });

    test("run would wait for ever, and says so", async (t) => {
      const { stent, begin } = await place(t);
      const own = await Object.values(begin)[0]?.();
      assert.match(
        (await rejection(stent.run(doubling, [1], { ...own?.option }))).message,
        /commit, and wait/,
      );
      await own?.rollback();
    });
  });
}

describe("an open transaction of one's own on PostgreSQL", () => {
  test("holds up nothing: dispatches, messages and turns, of the same function and execution", async (t) => {
    const place = await onPostgres(t);
    const { stent } = place;
    const receiver = await stent.dispatch(waiting, []);
    await until("it waits", async () => (await receiver.state()).waitingFor.length === 1);
    const own = await place.begin["a client"]?.();
    assert.ok(own !== undefined);
    // The first ones of their lanes.
    const held = await stent.dispatch(doubling, [1], { ...own.option, id: "held", queue: "new" });
    await stent.sendSignal(receiver.id, "go", "held", own.option);
    const same = stent.dispatch(doubling, [2], { id: "held", queue: "new", ifExists: "join" });
    let joined = false;
    void same.then(() => (joined = true));

    const other = await place.another();
    assert.equal(await stent.run(doubling, [3], { queue: "new" }), 6);
    assert.equal(await other.run(doubling, [4], { queue: "new" }), 8);
    await receiver.signal("go", "now");
    assert.equal(await receiver.result(limit), "now");
    const beside = await Promise.all(
      Array.from({ length: 50 }, (_, n) => stent.run(doubling, [n], { id: `beside ${n}` })),
    );
    assert.equal(beside.length, 50);
    assert.equal(joined, false);
    await own.commit();
    assert.equal((await same).id, "held");
    assert.equal(await held.result(limit), 2);
  });

  test("that ends without an answer, with its process, leaves nothing", async (t) => {
    const { url, schema } = await freshSchema(t);
    const stent = await stentWith(t, postgres(url, { schema }), soon);
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => undefined);
    await client.connect();
    await client.query("begin");
    const { id } = await stent.dispatch(doubling, [1], { transaction: client });
    (client as unknown as { connection: pg.Connection }).connection.stream.destroy();
    const error = await rejection(stent.dispatch(doubling, [1], { transaction: client }));
    assert.ok(error instanceof DatabaseError);
    await assert.rejects(stent.stateOf(id), ExecutionNotFoundError);
  });

  test("keeps its search_path, its isolation and its parsers", async (t) => {
    const { stent, begin } = await onPostgres(t);
    for (const open of Object.values(begin)) {
      const own = await open();
      const { transaction } = own.option;
      const path = async (): Promise<unknown> => {
        const text = "select current_setting('search_path') as path";
        const { rows } = await (transaction instanceof pg.Client
          ? transaction.query<{ path: string }>(text)
          : sql<{ path: string }>`${sql.raw(text)}`.execute(transaction as Kysely<unknown>));
        return rows[0]?.path;
      };
      const before = await path();
      await stent.dispatch(doubling, [1], { ...own.option, id: "twice", ifExists: "join" });
      await rejection(stent.dispatch(doubling, [1], { ...own.option, id: "twice" }));
      assert.equal(await path(), before);
      await own.rollback();
    }
  });
});

/** Whatever backend the tests are run on otherwise. */
function stentWith(t: Ending, backend: Backend, serve: boolean | ServeOptions): Promise<Stent> {
  return stentOn(t, "sqlite::memory:", { serve, stent: { backend } });
}

async function onSqlite(t: Ending): Promise<Place> {
  const file = databaseFile(t);
  const another = (options: { serve: boolean | ServeOptions } = { serve: soon }) =>
    stentWith(t, sqlite(file), options.serve);
  const stent = await another();
  const driver = new Driver(file, { timeout: 5_000 });
  t.after(() => driver.close());
  driver.exec("create table one (n integer); insert into one values (1)");
  const begin = {
    "a database": async () => {
      driver.exec("begin immediate");
      return {
        option: { transaction: driver },
        count: async () => Number(driver.prepare("select count(*) from one").pluck().get()),
        commit: async () => void driver.exec("commit"),
        rollback: async () => void driver.exec("rollback"),
      };
    },
    "a Kysely transaction": () => {
      const database = new Driver(file, { timeout: 5_000 });
      const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
      return throughKysely(t, db);
    },
  };
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: driver }) });
  return { stent, another, begin, notBegun: [db, driver] };
}

async function onPostgres(t: Ending): Promise<Place> {
  const { url, schema } = await freshSchema(t);
  const backend: Backend = postgres(url, { schema });
  const another = (options: { serve: boolean | ServeOptions } = { serve: soon }) =>
    stentWith(t, backend, options.serve);
  const stent = await another();
  const connectionString = url;
  const begin = {
    "a client": async () => {
      const client = new pg.Client({ connectionString });
      await client.connect();
      t.after(() => client.end());
      await client.query("begin");
      return {
        option: { transaction: client },
        count: async () => Number((await client.query("select 1")).rowCount),
        commit: async () => void (await client.query("commit")),
        rollback: async () => void (await client.query("rollback")),
      };
    },
    "a Kysely transaction": () => {
      const pool = new pg.Pool({ connectionString, max: 1 });
      return throughKysely(t, new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }));
    },
  };
  const pool = new pg.Pool({ connectionString, max: 1 });
  t.after(() => pool.end());
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return { stent, another, begin, notBegun: [pool, db] };
}

interface Tables {
  one: { n: number };
}

async function throughKysely(t: Ending, db: Kysely<Tables>): Promise<Own> {
  t.after(() => db.destroy());
  const transaction = await db.startTransaction().execute();
  return {
    option: { transaction },
    count: async () => (await sql`select 1`.execute(transaction)).rows.length,
    commit: async () => {
      await transaction.commit().execute();
    },
    rollback: async () => {
      await transaction.rollback().execute();
    },
  };
}
