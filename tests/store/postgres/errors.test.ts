import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DatabaseError, SchemaMismatchError } from "../../../src/core/errors.ts";
import { openPostgres } from "../../../src/store/postgres/connection.ts";
import {
  databaseError,
  isConstraint,
  isLost,
  isRefusedData,
  isTransient,
  isTrouble,
} from "../../../src/store/postgres/errors.ts";
import { postgresSettings } from "../../../src/store/postgres/settings.ts";
import { PostgresServer } from "../../support/postgres-server.ts";
import { asAdmin, freshDatabase, postgresUrl } from "../../support/postgres.ts";
import { opened, postgresClient } from "./open.ts";

const name = "postgresql://db:5432/orders";

type Kind = "transient" | "lost" | "constraint" | "data" | "trouble" | "none";

/** What the predicates say of an error; a lost connection and a passing conflict are trouble too. */
function kindOf(error: unknown): Kind {
  const all = [
    ["transient", isTransient(error)],
    ["lost", isLost(error)],
    ["constraint", isConstraint(error)],
    ["data", isRefusedData(error)],
  ] as const;
  const said = all.filter(([, holds]) => holds).map(([kind]) => kind);
  assert.ok(said.length <= 1);
  const kind = said[0];
  assert.equal(
    isTrouble(error),
    kind === "transient" ||
      kind === "lost" ||
      (kind === undefined && databaseError(error, name) !== error),
  );
  return kind ?? (isTrouble(error) ? "trouble" : "none");
}

describe("what a statement meets", () => {
  test("a lock that another session keeps, for longer than lock_timeout, passes", async (t) => {
    const [first, second] = await Promise.all([postgresClient(t), postgresClient(t)]);
    await first.query("select pg_advisory_lock(7001)");
    await second.query("set lock_timeout = 1");
    const error = await failureOf(second.query("select pg_advisory_lock(7001)"));
    assert.equal(kindOf(error), "transient");
    told(error, "DATABASE_UNREACHABLE", /lock timeout \(55P03\).*end that session's transaction/);
  });

  test("a deadlock passes for its victim", async (t) => {
    const [first, second] = await Promise.all([postgresClient(t), postgresClient(t)]);
    await Promise.all([
      first.query("set deadlock_timeout = 10"),
      second.query("set deadlock_timeout = 10"),
    ]);
    await first.query("begin; select pg_advisory_xact_lock(7002)");
    await second.query("begin; select pg_advisory_xact_lock(7003)");
    const error = await failureOf(
      Promise.all([
        first.query("select pg_advisory_xact_lock(7003); commit"),
        second.query("select pg_advisory_xact_lock(7002); commit"),
      ]),
    );
    assert.equal(kindOf(error), "transient");
  });

  test("a conflict of serializable transactions passes", async (t) => {
    const { pool } = await opened(t);
    await pool.query("create table pair (n int); insert into pair values (1)");
    const [first, second] = [await pool.connect(), await pool.connect()];
    await first.query("begin isolation level repeatable read; select * from pair");
    await second.query("update pair set n = 2");
    const error = await failureOf(first.query("update pair set n = 3"));
    await first.query("rollback");
    first.release();
    second.release();
    assert.equal(kindOf(error), "transient");
  });

  test("a row that is there already is a constraint's matter, not the database's", async (t) => {
    const { pool } = await opened(t);
    await pool.query("insert into stent_left_runs values (1, 1)");
    const error = await failureOf(pool.query("insert into stent_left_runs values (1, 1)"));
    assert.equal(kindOf(error), "constraint");
    assert.equal(databaseError(error, name), error);
  });

  test("a value that PostgreSQL cannot keep is the value's matter", async (t) => {
    const { pool } = await opened(t);
    const { rows } = await pool.query<{ text: string }>(
      "select string_agg(sha512(n::text::bytea)::text, '') as text from generate_series(1, 100) n",
    );
    for (const query of [
      () => pool.query("select $1::text", ["a\0b"]),
      () => pool.query("select $1::bigint", ["9".repeat(30)]),
      () =>
        pool.query("insert into stent_lanes (kind, name, text) values ('workflow', 'n', $1)", [
          rows[0]?.text, // too long for the index
        ]),
    ]) {
      const error = await failureOf(query());
      assert.equal(kindOf(error), "data", String(error));
      assert.equal(databaseError(error, name), error);
    }
  });

  test("a statement that takes too long, or that somebody cancels", async (t) => {
    const client = await postgresClient(t);
    await client.query("set statement_timeout = 1");
    const error = await failureOf(client.query("select pg_sleep(60)"));
    assert.equal(kindOf(error), "trouble");
    told(error, "DATABASE_UNREACHABLE", /\(57014\); it was cancelled/);
  });

  test("a table that somebody has dropped", async (t) => {
    const { pool } = await opened(t);
    await pool.query("drop table stent_tasks");
    const error = databaseError(await failureOf(pool.query("select * from stent_tasks")), name);
    assert.ok(error instanceof SchemaMismatchError);
    assert.match(error.message, /"stent_tasks" does not exist \(42P01\)/);
  });

  test("a session that somebody ends is lost, and so is all that is asked of it afterwards", async (t) => {
    const client = await postgresClient(t);
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const sleeping = failureOf(client.query("select pg_sleep(60)"));
    await asAdmin(`select pg_terminate_backend(${rows[0]?.pid})`);
    const error = await sleeping;
    assert.equal(kindOf(error), "lost");
    told(error, "DATABASE_UNREACHABLE", /\(57P01\).*somebody ended the session/);
    assert.equal(kindOf(await failureOf(client.query("select 1"))), "lost");
  });

  test("a write where only reading is allowed wants another server", async (t) => {
    const client = await postgresClient(t);
    await client.query("set default_transaction_read_only = on");
    const error = await failureOf(client.query("create table nope (n int)"));
    assert.equal(kindOf(error), "lost");
    told(error, "DATABASE_READ_ONLY", /\(25006\).*connect to the primary/);
  });

  for (const [state, kind, code, advice] of [
    ["53100", "trouble", "DATABASE_FULL", /free some space/],
    ["53200", "trouble", "DATABASE_UNREACHABLE", /short of memory/],
    ["57P03", "lost", "DATABASE_UNREACHABLE", /takes connections again soon/],
    ["57P02", "lost", "DATABASE_UNREACHABLE", /crashed/],
    ["08006", "lost", "DATABASE_UNREACHABLE", /connection was lost/],
    ["25P03", "lost", "DATABASE_UNREACHABLE", /held up within a transaction/],
    ["XX001", "trouble", "DATABASE_CORRUPT", /restore a backup/],
    ["XX000", "trouble", "DATABASE_UNREACHABLE", /see its log/],
  ] as const) {
    test(`the state ${state}`, async (t) => {
      const client = await postgresClient(t);
      const error = await failureOf(
        client.query(`do $$ begin raise exception 'something' using errcode = '${state}'; end $$`),
      );
      assert.equal(kindOf(error), kind);
      told(error, code, advice);
    });
  }
});

describe("what a connection meets", () => {
  for (const [what, change, code, advice] of [
    [
      "a wrong password",
      { password: "wrong" },
      "DATABASE_UNREACHABLE",
      /\(28P01\).*refuses the login/,
    ],
    ["no password", { password: "" }, "DATABASE_UNREACHABLE", /asks for a password/],
    [
      "an unknown user",
      { username: "nobody" },
      "DATABASE_UNREACHABLE",
      /\(28P01\).*refuses the login/,
    ],
    [
      "no such database",
      { pathname: "/nope" },
      "DATABASE_MISSING",
      /"nope" does not exist \(3D000\); create it/,
    ],
    [
      "a port without a server",
      { port: "1" },
      "DATABASE_UNREACHABLE",
      /ECONNREFUSED.*no server listens/,
    ],
    [
      "a name of several addresses without a server",
      { hostname: "localhost", port: "1" },
      "DATABASE_UNREACHABLE",
      /: connect ECONNREFUSED.*no server listens/,
    ],
    [
      "an unknown host",
      { hostname: "nowhere.invalid" },
      "DATABASE_UNREACHABLE",
      /ENOTFOUND|EAI_AGAIN/,
    ],
    [
      "a socket without a server",
      { search: "?host=/nowhere" },
      "DATABASE_UNREACHABLE",
      /ENOENT.*at that socket/,
    ],
    [
      "a server that does not encrypt",
      { search: "?ssl=true" },
      "DATABASE_UNREACHABLE",
      /sslmode=disable/,
    ],
  ] as const) {
    test(what, async () => {
      const url = new URL(await postgresUrl());
      Object.assign(url, change);
      const error = await failureOf(
        openPostgres(postgresSettings(url.href), { migrate: true, warn: () => undefined }),
      );
      assert.ok(error instanceof DatabaseError, String(error));
      assert.equal(error.code, code);
      assert.match(error.message, advice);
      assert.doesNotMatch(
        `${error.message} ${error.stack} ${JSON.stringify(error.cause)}`,
        /secret|wrong/,
      );
      assert.ok(
        error.message.startsWith(`PostgreSQL database ${postgresSettings(url.href).name}: `),
      );
    });
  }

  test("a server without a connection left", async (t) => {
    const url = await freshDatabase(t);
    const role = `crowd_${new URL(url).pathname.slice(1)}`;
    await asAdmin(`create role ${role} login password 'secret' connection limit 0`);
    t.after(() => asAdmin(`drop role ${role}`));
    const crowded = url.replace("stent:", `${role}:`);
    const error = await failureOf(postgresClient(t, crowded));
    assert.equal(kindOf(error), "lost");
    told(error, "DATABASE_UNREACHABLE", /\(53300\).*lower poolSize/);
  });

  for (const mode of ["fast", "immediate", "kill"] as const) {
    test(`a server that ends (${mode}) while it works, and that is not there`, async (t) => {
      await using server = await PostgresServer.create();
      const client = await postgresClient(t, server.url);
      const working = failureOf(client.query("select pg_sleep(60)"));
      await asleep(server.url);
      await server.stop(mode);
      assert.equal(kindOf(await working), "lost");
      assert.equal(kindOf(await failureOf(client.query("select 1"))), "lost");
      assert.equal(kindOf(await failureOf(postgresClient(t, server.url))), "lost");
    });
  }
});

test("an error that is none of the database's stays as it is", () => {
  for (const error of [
    new Error("mine"),
    new TypeError("x"),
    "text",
    undefined,
    new DatabaseError("DATABASE_FULL", "told already"),
  ]) {
    assert.equal(databaseError(error, name), error);
    assert.equal(kindOf(error), "none");
  }
});

function told(error: unknown, code: string, advice: RegExp): void {
  const made = databaseError(error, name);
  assert.ok(made instanceof DatabaseError);
  assert.equal(made.code, code);
  assert.ok(made.message.startsWith(`PostgreSQL database ${name}: `));
  assert.match(made.message, advice);
  assert.equal(made.cause, error);
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("nothing failed"),
    (error: unknown) => error,
  );
}

async function asleep(url: string): Promise<void> {
  while (
    (await asAdmin("select 1 from pg_stat_activity where wait_event = 'PgSleep'", url)).length === 0
  );
}
