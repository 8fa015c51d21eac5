import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { text } from "node:stream/consumers";
import pg from "pg";
import { needsPostgres } from "./needed.ts";
import { PostgresServer } from "./postgres-server.ts";
import { asAdmin, freshDatabase, freshSchema, postgresUrl } from "./postgres.ts";

describe("the shared server", () => {
  test("answers, and keeps what is committed", async () => {
    const [row] = await asAdmin<{ fsync: string; commit: string }>(
      "select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit",
    );
    assert.deepEqual(row, { fsync: "on", commit: "on" });
  });

  test("is one for the whole process", async () => {
    assert.equal(await postgresUrl(), await postgresUrl());
  });

  test("serves three hundred sessions", async () => {
    const [row] = await asAdmin<{ most: number }>(
      "select current_setting('max_connections')::int as most",
    );
    assert.ok(row !== undefined && row.most >= 300);
  });
});

describe("a fresh database", () => {
  test("is empty, and dropped after its test, even with a session in it", async (t) => {
    const endings: (() => unknown)[] = [];
    const url = await freshDatabase({ after: (fn) => endings.push(fn) });
    assert.deepEqual(await tablesIn(url), []);
    const left = new pg.Client({ connectionString: url });
    left.on("error", () => undefined);
    await left.connect();

    for (const end of endings) end();
    await freshSchema(t);

    await assert.rejects(tablesIn(url), /does not exist/);
  });

  test("is another one each time", async (t) => {
    const [first, second] = await Promise.all([freshDatabase(t), freshDatabase(t)]);
    await asAdmin("create table here (n int)", first);
    assert.deepEqual(await tablesIn(second), []);
  });
});

describe("a fresh schema", () => {
  test("is nobody's yet, and dropped after its test with all that is in it", async (t) => {
    const endings: (() => unknown)[] = [];
    const { url, schema } = await freshSchema({ after: (fn) => endings.push(fn) });
    await asAdmin(`create schema ${schema}; create table ${schema}.here (n int)`, url);

    for (const end of endings) end();
    await freshSchema(t);

    assert.deepEqual(
      await asAdmin(`select 1 from pg_namespace where nspname = '${schema}'`, url),
      [],
    );
  });
});

describe("a server of a test's own", () => {
  for (const mode of ["fast", "immediate", "kill"] as const) {
    test(`keeps what was committed when it is stopped (${mode}) and started again`, async () => {
      await using server = await PostgresServer.create();
      await asAdmin("create table kept (n int); insert into kept values (1)", server.url);
      const session = new pg.Client({ connectionString: server.url });
      const lost = new Promise((resolve) => session.on("error", resolve));
      await session.connect();

      await server.stop(mode);
      await lost;
      await assert.rejects(asAdmin("select 1", server.url), { code: "ECONNREFUSED" });

      await server.start();
      assert.deepEqual(await asAdmin("select n from kept", server.url), [{ n: 1 }]);
    });
  }

  test("takes settings, also for one start only", async () => {
    await using server = await PostgresServer.create({ max_connections: 17 });
    await server.restart("fast", { default_transaction_read_only: "on" });
    assert.deepEqual(
      await asAdmin(
        "select current_setting('max_connections') as most, current_setting('transaction_read_only') as fixed",
        server.url,
      ),
      [{ most: "17", fixed: "on" }],
    );
  });

  test("leaves nothing behind", async () => {
    const server = await PostgresServer.create();
    await server[Symbol.asyncDispose]();
    assert.equal(existsSync(server.folder), false);
    await assert.rejects(asAdmin("select 1", server.url), { code: "ECONNREFUSED" });
  });

  test("goes with a process that is killed", async () => {
    const script = `
      import { PostgresServer } from "./postgres-server.ts";
      const { folder, url } = await PostgresServer.create();
      process.stdout.write(JSON.stringify({ folder, url }));
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "--eval", script],
      { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "inherit"] },
    );
    const [output] = await Promise.all([text(child.stdout), once(child, "exit")]);
    const { folder, url } = JSON.parse(output) as { folder: string; url: string };

    while (existsSync(folder)) await new Promise((resolve) => setTimeout(resolve, 20));

    await assert.rejects(asAdmin("select 1", url), { code: "ECONNREFUSED" });
  });
});

describe("what npm test looks at before it starts a server", () => {
  test("is whether a file imports this support, itself or by another", () => {
    assert.equal(needsPostgres([import.meta.filename]), true);
    assert.equal(needsPostgres([join(import.meta.dirname, "../core/duration.test.ts")]), false);
  });
});

async function tablesIn(url: string): Promise<unknown[]> {
  return asAdmin("select tablename from pg_tables where schemaname = 'public'", url);
}
