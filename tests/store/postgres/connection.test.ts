import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type pg from "pg";
import { DatabaseError } from "../../../src/core/errors.ts";
import { requireUsable, type ServerFacts } from "../../../src/store/postgres/server-check.ts";
import { PostgresServer } from "../../support/postgres-server.ts";
import { asAdmin, freshDatabase, postgresUrl } from "../../support/postgres.ts";
import { opened } from "./open.ts";
import { pooler } from "./pooler.ts";

/** Settings that a database or a user may have, and that Stent's statements could not bear. */
const hostile = {
  default_transaction_isolation: "'serializable'",
  client_encoding: "'LATIN1'",
  search_path: "'pg_temp'",
  bytea_output: "'escape'",
  standard_conforming_strings: "off",
  statement_timeout: "7000",
  jit: "on",
};

const wanted = {
  default_transaction_isolation: "read committed",
  client_encoding: "UTF8",
  TimeZone: "UTC",
  bytea_output: "hex",
  standard_conforming_strings: "on",
  statement_timeout: "1min",
  lock_timeout: "10s",
  idle_in_transaction_session_timeout: "30s",
  tcp_keepalives_idle: "30",
  tcp_keepalives_interval: "10",
  tcp_keepalives_count: "3",
  jit: "off",
};

describe("every session", () => {
  for (const way of [
    "at its start",
    "behind a pooler that refuses",
    "behind a pooler that ignores",
  ]) {
    test(`has the settings that Stent needs, whatever the database's are: ${way}`, async (t) => {
      const direct = await freshDatabase(t);
      await asAdmin(spoiling(direct));
      const warnings: string[] = [];
      const url =
        way === "at its start"
          ? direct
          : await pooler(t, direct, way.endsWith("refuses") ? "refuse" : "ignore");
      const schema = `It's "one", \\ of`;

      const connections = await opened(t, { url, schema, warn: (text) => warnings.push(text) });
      const client = await connections.connectClient({ purpose: "test" });
      t.after(() => client.end());

      for (const session of [client, connections.pool]) {
        assert.deepEqual(await settingsOf(session), {
          ...wanted,
          search_path: `"It's ""one"", \\ of"`,
        });
      }
      assert.deepEqual(
        warnings.map((text) => /a pooler stands between/.test(text)),
        way === "at its start" ? [] : [true],
      );
    });
  }

  test("says what it is for", async (t) => {
    const connections = await opened(t);
    const client = await connections.connectClient({ purpose: "committer" });
    t.after(() => client.end());
    const names = await Promise.all([client, connections.pool].map(nameOf));
    assert.deepEqual(names, ["stent committer", "stent read"]);
  });

  test("takes statements while it waits for the answer to another", async (t) => {
    const warned: Error[] = [];
    const warn = (warning: Error): unknown => warned.push(warning);
    process.on("warning", warn);
    t.after(() => process.off("warning", warn));
    const connections = await opened(t);
    const client = await connections.connectClient({ purpose: "hints" });
    t.after(() => client.end());
    await Promise.all([1, 2, 3].map((n) => client.query("select $1::int", [n])));
    assert.deepEqual(warned, []);
  });

  test("has what the URL asks for, but for what Stent needs", async (t) => {
    const options = encodeURIComponent(
      "-c lock_timeout=5s -c search_path=public -c TimeZone=Asia/Tokyo",
    );
    const url = `${await postgresUrl()}?application_name=billing&options=${options}`;
    const { pool, schema } = await opened(t, { url });
    const { lock_timeout, search_path, TimeZone } = await settingsOf(pool);
    assert.deepEqual(
      { lock_timeout, search_path, TimeZone },
      { lock_timeout: "5s", search_path: `"${schema}"`, TimeZone: "UTC" },
    );
    assert.equal(await nameOf(pool), "billing");
  });

  test("costs one statement of a pool no more than that statement", async (t) => {
    const { pool } = await opened(t, { poolSize: 1 });
    await pool.query("select 1");
    const { rows } = await pool.query(
      "select query from pg_stat_activity where pid = pg_backend_pid()",
    );
    assert.deepEqual(rows, [
      { query: "select query from pg_stat_activity where pid = pg_backend_pid()" },
    ]);
  });
});

describe("values", () => {
  test("come back as Stent takes them, and the driver's own parsers stay as they are", async (t) => {
    const { pool } = await opened(t);
    const { rows } = await pool.query(
      `select 9007199254740991::bigint as big, 7::int as int, 7::smallint as small, 0.5::float8 as real,
              sum(n) as sum, count(*) as count, true as yes, null::bigint as nothing, '\\x00ff'::bytea as bytes,
              '{"a":1}'::jsonb as json, -1::bigint as negative
       from generate_series(1::bigint, 3::bigint) n`,
    );
    assert.deepEqual(rows, [
      {
        big: Number.MAX_SAFE_INTEGER,
        int: 7,
        small: 7,
        real: 0.5,
        sum: 6,
        count: 3,
        yes: true,
        nothing: null,
        bytes: Buffer.from([0, 255]),
        json: `{"a": 1}`,
        negative: -1,
      },
    ]);
    assert.deepEqual(await asAdmin("select 1::bigint as big"), [{ big: "1" }]);
  });

  test("that no number can hold are refused instead of rounded", async (t) => {
    const { pool } = await opened(t);
    await assert.rejects(pool.query("select 9007199254740992::bigint"), /9007199254740992/);
    assert.equal((await pool.query("select 1")).rowCount, 1);
  });

  test("of every kind of number survive as parameters", async (t) => {
    const { pool } = await opened(t);
    const numbers = [0, -0.5, 1e-300, 1.7976931348623157e308, 5e-324, 0.1 + 0.2];
    const { rows } = await pool.query<{ real: number }>(
      "select * from unnest($1::float8[]) as real",
      [numbers],
    );
    assert.deepEqual(
      rows.map(({ real }) => real),
      numbers,
    );
  });
});

describe("a pool", () => {
  test("has no more connections than poolSize", async (t) => {
    const { pool } = await opened(t, { poolSize: 2 });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        pool.query<{ pid: number }>("select pg_backend_pid() as pid, pg_sleep(0.01)"),
      ),
    );
    assert.equal(new Set(answers.map(({ rows }) => rows[0]?.pid)).size, 2);
  });

  test("may be closed twice, and then has no session left", async (t) => {
    const connections = await opened(t);
    const { rows } = await connections.pool.query<{ pid: number }>(
      "select pg_backend_pid() as pid",
    );
    await connections.close();
    await connections.close();
    const left = `select 1 from pg_stat_activity where pid = ${rows[0]?.pid}`;
    while ((await asAdmin(left)).length > 0);
  });
});

describe("a server that goes and comes back", () => {
  test("ends no process of Stent, and its pool goes on", async (t) => {
    await using server = await PostgresServer.create();
    const connections = await opened(t, { url: server.url });
    const idle = await connections.connectClient({ purpose: "idle" });
    const borrowed = await connections.pool.connect();
    await connections.pool.query("select 1");
    const gone = Promise.all([idle, borrowed].map(ended));

    await server.restart("kill");
    await gone;
    borrowed.release(true);

    assert.equal((await connections.pool.query("select 1")).rowCount, 1);
    await connections.close();
  });

  test("as a standby is refused, since it cannot write", async (t) => {
    await using server = await PostgresServer.create();
    await opened(t, { url: server.url, schema: "one" }).then((connections) => connections.close());
    await server.stop();
    writeFileSync(join(server.folder, "data/standby.signal"), "");
    await server.start();
    for (const migrate of [true, false]) {
      await assert.rejects(
        opened(t, { url: server.url, schema: "one", migrate }),
        readOnly(/the server is a standby; connect to the primary/),
      );
    }
  });

  test("warns where it may lose what it has acknowledged", async (t) => {
    await using server = await PostgresServer.create({
      fsync: "off",
      full_page_writes: "off",
      synchronous_commit: "off",
    });
    const warnings: string[] = [];
    const connections = await opened(t, { url: server.url, warn: (text) => warnings.push(text) });
    await connections.close();
    const start = `PostgreSQL database ${connections.name}: `;
    assert.deepEqual(
      warnings.map((text) => text.startsWith(start) && text.slice(start.length).split(" ")[0]),
      ["fsync", "full_page_writes", "synchronous_commit"],
    );
  });

  test("is reached by its unix socket", async (t) => {
    await using server = await PostgresServer.create();
    const url = `postgresql://stent:secret@/postgres?host=${server.folder}&port=${server.port}`;
    const connections = await opened(t, { url });
    const { rows } = await connections.pool.query("select inet_server_addr() as address");
    await connections.close();
    assert.deepEqual(rows, [{ address: null }]);
  });
});

describe("a server on which Stent cannot work is refused", () => {
  test("where nothing may be written", async (t) => {
    const url = await freshDatabase(t);
    await asAdmin(`alter database ${databaseOf(url)} set default_transaction_read_only = on`);
    await assert.rejects(opened(t, { url }), readOnly(/default_transaction_read_only is on/));
  });

  test("where texts are kept in another encoding", async (t) => {
    const other = `${databaseOf(await freshDatabase(t))}_latin`;
    await asAdmin(
      `create database ${other} encoding 'LATIN1' locale 'C' locale_provider 'libc' template template0`,
    );
    t.after(() => asAdmin(`drop database ${other} with (force)`));
    const url = new URL(await postgresUrl());
    url.pathname = other;
    await assert.rejects(opened(t, { url: url.href }), {
      name: "NotSupportedError",
      message: /LATIN1; Stent needs UTF8/,
    });
  });

  test("where it is too old", () => {
    const facts: ServerFacts = {
      version: 130_022,
      versionText: "13.22",
      encoding: "UTF8",
      fsync: "on",
      fullPageWrites: "on",
      synchronousCommit: "on",
      standby: false,
      readOnly: "off",
      pid: 1,
    };
    assert.throws(() => requireUsable(facts, "postgresql://h:5432/o"), {
      name: "NotSupportedError",
      message: /version 13\.22; Stent needs 14 or newer/,
    });
    requireUsable({ ...facts, version: 140_000 }, "postgresql://h:5432/o");
  });
});

test("without the package pg it is said what to install", () => {
  const hook = `export function resolve(name, context, next) {
    if (name === "pg") throw new Error("Cannot find package 'pg'");
    return next(name, context);
  }`;
  const script = `
    import { register } from "node:module";
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
    const { openPostgres } = await import("./connection.ts");
    const { postgresSettings } = await import("./settings.ts");
    const settings = postgresSettings("postgresql://ada:secret@h/o");
    await openPostgres(settings, { migrate: true, warn() {} }).catch(({ code, message }) =>
      process.stdout.write(code + ": " + message));`;
  const { stdout } = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    { cwd: join(import.meta.dirname, "../../../src/store/postgres"), encoding: "utf8" },
  );
  assert.match(stdout, /^DRIVER_MISSING: PostgreSQL needs the package pg.*npm install pg$/);
});

type Session = pg.Client | pg.Pool;

async function settingsOf(session: Session): Promise<Record<string, unknown>> {
  const names = [...Object.keys(wanted), "search_path"];
  const { rows } = await session.query<Record<string, unknown>>(
    `select ${names.map((name) => `current_setting('${name}') as "${name}"`).join(", ")}`,
  );
  return rows[0] ?? {};
}

async function nameOf(session: Session): Promise<unknown> {
  const { rows } = await session.query<{ name: string }>(
    "select current_setting('application_name') as name",
  );
  return rows[0]?.name;
}

function spoiling(url: string): string {
  return Object.entries(hostile)
    .map(([name, value]) => `alter database ${databaseOf(url)} set ${name} = ${value}`)
    .join(";");
}

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

async function ended(client: pg.ClientBase): Promise<void> {
  await new Promise<void>((resolve) => client.once("end", resolve));
}

function readOnly(message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof DatabaseError &&
    error.code === "DATABASE_READ_ONLY" &&
    message.test(error.message);
}
