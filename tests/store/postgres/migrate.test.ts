import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DatabaseError, SchemaMismatchError } from "../../../src/core/errors.ts";
import { openPostgres } from "../../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../../src/store/postgres/settings.ts";
import { asAdmin, freshDatabase, freshSchema, postgresUrl } from "../../support/postgres.ts";
import { opened, postgresClient } from "./open.ts";

const quiet = { warn: (): void => undefined };

describe("opening", () => {
  test("makes the schema and the tables in it", async (t) => {
    const { pool, schema } = await opened(t);
    const { rows } = await pool.query<{ count: number }>(
      "select count(*) from pg_tables where schemaname = $1 and tablename like 'stent\\_%'",
      [schema],
    );
    assert.equal(rows[0]?.count, 22); // those of Stent, and the list of its migrations
  });

  test("by ten at once makes them once", async (t) => {
    const settings = postgresSettings(await freshDatabase(t));
    const all = await Promise.all(
      Array.from({ length: 10 }, () => openPostgres(settings, { migrate: true, ...quiet })),
    );
    t.after(() => Promise.all(all.map((connections) => connections.close())));
    for (const { pool } of all) {
      const { rows } = await pool.query("select name from stent_migrations");
      assert.deepEqual(rows, [{ name: "0001-engine" }]);
    }
  });

  test("does not see the tables of another schema of that database", async (t) => {
    await opened(t);
    const { pool } = await opened(t);
    assert.deepEqual((await pool.query("select * from stent_executions")).rows, []);
  });

  test("looks at no table but its own: others come and go meanwhile", async (t) => {
    const url = await freshDatabase(t);
    const others = await Promise.all([postgresClient(t, url), postgresClient(t, url)]);
    const columns = Array.from({ length: 30 }, (_, n) => `c${n} int`).join(", ");
    const over = new AbortController();
    const churn = Promise.all(
      others.map(async (client, n) => {
        while (!over.signal.aborted) {
          await client.query(`create table other${n} (${columns})`);
          await client.query(`drop table other${n}`);
        }
      }),
    );
    try {
      for (let index = 0; index < 10; index += 1) await opened(t, { url, schema: `s${index}` });
    } finally {
      over.abort();
      await churn;
    }
  });

  test("takes any name of a schema", async (t) => {
    const url = await freshDatabase(t);
    const schema = `Two "words", \\ $1 'é' %20`;
    const { pool } = await opened(t, { url, schema });
    const { rows } = await pool.query<{ schema: string }>("select current_schema() as schema");
    assert.equal(rows[0]?.schema, schema);
  });

  test("keeps what is there", async (t) => {
    const { pool, schema } = await opened(t);
    await pool.query("insert into stent_left_runs values (1, 1)");
    const again = await opened(t, { schema });
    assert.equal((await again.pool.query("select 1 from stent_left_runs")).rowCount, 1);
  });

  test("without migrate refuses where the tables are missing, and makes nothing", async (t) => {
    const { url, schema } = await freshSchema(t);
    await assert.rejects(
      openPostgres(postgresSettings(url, { schema }), { migrate: false, ...quiet }),
      (error: Error) =>
        error instanceof SchemaMismatchError &&
        /are missing \(pending: 0001-engine\); run: stent migrate/.test(error.message) &&
        !error.message.includes("secret"),
    );
    assert.deepEqual(
      await asAdmin(`select 1 from pg_namespace where nspname = '${schema}'`, url),
      [],
    );
  });

  test("without migrate takes tables that are there", async (t) => {
    const { schema } = await opened(t);
    await opened(t, { schema, migrate: false });
  });

  for (const migrate of [true, false]) {
    test(`refuses tables of a newer version (migrate: ${migrate})`, async (t) => {
      const { pool, schema } = await opened(t);
      await pool.query("insert into stent_migrations values ('9999-later', 'now')");
      await assert.rejects(opened(t, { schema, migrate }), {
        name: "SchemaMismatchError",
        message: /newer version of stentjs \(9999-later is not known here\)/,
      });
    });
  }

  test("refuses a name that is taken, and leaves nothing half made", async (t) => {
    const { url, schema } = await freshSchema(t);
    await asAdmin(`create schema ${schema}; create table ${schema}.stent_tasks (n int)`, url);
    await assert.rejects(opened(t, { url, schema }), {
      name: "SchemaMismatchError",
      message: /"stent_tasks" already exists.*rename that, or use another schema/,
    });
    assert.deepEqual(
      await asAdmin(`select tablename from pg_tables where schemaname = '${schema}'`, url),
      [{ tablename: "stent_tasks" }],
    );
  });

  test("waits for another process that is migrating", async (t) => {
    const { url, schema } = await freshSchema(t);
    const other = await postgresClient(t, url);
    await other.query("begin; select 1");
    await other.query("select pg_advisory_xact_lock(hashtextextended($1, 0))", [
      `stent migrate ${schema}`,
    ]);
    const opening = opened(t, { url, schema });
    await waitsForALock(other);
    await other.query("commit");
    await opening;
  });

  test("needs no privilege but on its schema", async (t) => {
    const { url, schema } = await freshSchema(t);
    const role = `limited_${schema}`;
    t.after(() => asAdmin(`drop owned by ${role} cascade; drop role ${role}`));
    await asAdmin(`create role ${role} login password 'other'`);
    const limited = new URL(url);
    limited.username = role;
    limited.password = "other";

    await assert.rejects(
      opened(t, { url: limited.href, schema }),
      (error: Error) =>
        error instanceof DatabaseError &&
        error.code === "DATABASE_READ_ONLY" &&
        /permission denied for database postgres \(42501\).*create on the database/.test(
          error.message,
        ),
    );

    await asAdmin(`create schema ${schema}; grant usage, create on schema ${schema} to ${role}`);
    await opened(t, { url: limited.href, schema });
  });
});

describe("the tables", () => {
  test("sort and compare their texts by bytes, whatever the database's language", async (t) => {
    const { pool, schema } = await opened(t);
    const { rows } = await pool.query(
      `select table_name, column_name from information_schema.columns
       where table_schema = $1 and data_type = 'text' and collation_name is distinct from 'C'`,
      [schema],
    );
    assert.deepEqual(rows, []);
    const sorted = await pool.query<{ name: string }>(
      `insert into stent_counters (execution, name, value) values (1, 'a', 0), (1, 'B', 0), (1, 'é', 0), (1, 'z', 0);
       `,
    );
    assert.equal(sorted.rowCount, 4);
    const names = await pool.query<{ name: string }>(
      "select name from stent_counters order by name",
    );
    assert.deepEqual(
      names.rows.map(({ name }) => name),
      ["B", "a", "z", "é"],
    );
  });

  test("update a heartbeat in place, without touching an index", async (t) => {
    const { pool, schema } = await opened(t);
    await pool.query(
      `insert into stent_workers (id, name, host, pid, process, state, lease, started_at, seen_at, functions)
       values ('w', 'w', 'h', 1, '{}', 'live', 1, 1, 1, '[]')`,
    );
    const client = await postgresClient(t, await postgresUrl());
    for (let beat = 1; beat <= 20; beat += 1) {
      await client.query(`update ${schema}.stent_workers set beat = ${beat}, seen_at = ${beat}`);
    }
    await client.query("select pg_stat_force_next_flush()");
    const { rows } = await client.query(
      "select n_tup_hot_upd::int as hot from pg_stat_user_tables where schemaname = $1 and relname = 'stent_workers'",
      [schema],
    );
    assert.deepEqual(rows, [{ hot: 20 }]);
  });
});

async function waitsForALock(client: Awaited<ReturnType<typeof postgresClient>>): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      "select 1 from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())",
    );
    if (rowCount === 1) return;
  }
}
