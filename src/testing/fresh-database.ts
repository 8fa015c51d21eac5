import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "../store/backend.ts";
import { postgres } from "../store/postgres.ts";
import { sqlite } from "../store/sqlite.ts";

/** A database of a test's own, and how it goes away. */
export interface FreshDatabase {
  readonly backend: Backend;
  remove(): Promise<void>;
}

/** Of tests there are many at a time, and of a server's connections there are not. */
const poolSize = 2;

/** A new SQLite file; with TEST_DATABASE_URL a schema of its own in that PostgreSQL database. @throws TypeError for another URL */
export async function freshDatabase(
  url = process.env["TEST_DATABASE_URL"],
): Promise<FreshDatabase> {
  if (url === undefined || url === "") return freshFile();
  if (/^postgres(?:ql)?:/i.test(url)) return freshSchema(url);
  throw new TypeError(
    "TEST_DATABASE_URL must be the URL of a PostgreSQL database; leave it out for SQLite files",
  );
}

async function freshFile(): Promise<FreshDatabase> {
  const directory = await mkdtemp(join(tmpdir(), "stent-test-"));
  return {
    backend: sqlite(join(directory, "stent.db")),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/** It is created when a Stent opens it. */
function freshSchema(url: string): FreshDatabase {
  const schema = `stent_test_${randomBytes(8).toString("hex")}`;
  return {
    backend: postgres(url, { schema, poolSize }),
    remove: async () => {
      const { default: driver } = await import("pg");
      const client = new driver.Client({ connectionString: url });
      await client.connect();
      try {
        await client.query(`drop schema if exists ${schema} cascade`);
      } finally {
        await client.end();
      }
    },
  };
}
