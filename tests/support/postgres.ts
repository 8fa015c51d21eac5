/** PostgreSQL for tests: one server for all of them, with a database or a schema of its own for each that asks. */
import { randomBytes } from "node:crypto";
import { after } from "node:test";
import pg from "pg";
import { PostgresServer } from "./postgres-server.ts";
import type { Ending } from "./ending.ts";

/** What nobody may hold on to for longer than this when it is dropped, in milliseconds. */
const dropPatienceMs = 10_000;

/** A schema that is not there yet, in a database that tests share. */
export interface FreshSchema {
  readonly url: string;
  readonly schema: string;
}

/** One process's way to the server; what tests have left behind is dropped when the next one asks, or at the end of the file. */
const shared: {
  server?: Promise<PostgresServer>;
  admin?: Promise<pg.Pool>;
  readonly leftBehind: string[];
} = { leftBehind: [] };

after(async () => {
  await dropLeftBehind();
  await (await shared.admin)?.end();
  await (await shared.server)?.[Symbol.asyncDispose]();
});

/** The server that all tests share: the one that TEST_POSTGRES_URL names (`npm test` sets it), else one of this process. */
export async function postgresUrl(): Promise<string> {
  const given = process.env["TEST_POSTGRES_URL"];
  if (given !== undefined && given !== "") return given;
  shared.server ??= PostgresServer.create();
  return (await shared.server).url;
}

/** The name of a schema that nobody has used, for Stent to create; dropped after the test. Costs next to nothing. */
export async function freshSchema(t: Ending): Promise<FreshSchema> {
  await dropLeftBehind();
  const schema = freshName();
  t.after(() => shared.leftBehind.push(`drop schema if exists ${schema} cascade`));
  return { url: await postgresUrl(), schema };
}

/** The URL of a new empty database, dropped after the test. */
export async function freshDatabase(t: Ending): Promise<string> {
  await dropLeftBehind();
  const database = freshName();
  const pool = await admin();
  await pool.query(`create database ${database}`);
  t.after(() => shared.leftBehind.push(`drop database if exists ${database} with (force)`));
  const url = new URL(await postgresUrl());
  url.pathname = `/${database}`;
  return url.href;
}

/** Runs statements as the server's superuser, in its own database or the one of `url`. */
export async function asAdmin<Row extends pg.QueryResultRow>(
  statement: string,
  url?: string,
): Promise<Row[]> {
  if (url === undefined) return (await (await admin()).query<Row>(statement)).rows;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function admin(): Promise<pg.Pool> {
  shared.admin ??= postgresUrl().then((connectionString) => {
    const options = `-c lock_timeout=${dropPatienceMs}`;
    const pool = new pg.Pool({ connectionString, max: 4, allowExitOnIdle: true, options });
    pool.on("error", () => undefined); // a server that was stopped; the next query says so
    return pool;
  });
  return shared.admin;
}

/** Not in the test's own `after`: those run in the order in which they were handed in, so this one would come before the test's `close()`. */
async function dropLeftBehind(): Promise<void> {
  const statements = shared.leftBehind.splice(0);
  if (statements.length === 0) return;
  const pool = await admin();
  await Promise.all(statements.map((statement) => pool.query(statement)));
}

function freshName(): string {
  return `test_${randomBytes(8).toString("hex")}`;
}
