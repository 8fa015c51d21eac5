import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import pg from "pg";
import { freshSchema } from "../support/postgres.ts";
import type { TransactPlace } from "./transact-postgres-process.ts";

const script = join(import.meta.dirname, "transact-postgres-process.ts");

for (const point of ["after-begin", "before-commit", "after-commit"]) {
  test(`killed at transact.${point}, a worker on PostgreSQL has written with its transaction once in the end`, async (t) => {
    const { url, schema } = await freshSchema(t);
    const admin = new pg.Client({ connectionString: url });
    await admin.connect();
    t.after(() => admin.end());
    await admin.query(`create schema ${schema}; create table ${schema}.ledger (who text)`);
    const place: TransactPlace = { url, schema };
    const run = async (failpoint: string): Promise<unknown[]> => {
      const child = spawn(process.execPath, ["--import", "tsx", script], {
        stdio: ["ignore", "ignore", "inherit"],
        env: {
          ...process.env,
          NODE_TEST_CONTEXT: undefined,
          TRANSACT_PLACE: JSON.stringify(place),
          STENT_FAILPOINT: failpoint,
        },
      });
      return once(child, "exit");
    };
    assert.deepEqual(await run(`transact.${point}:kill`), [null, "SIGKILL"]);
    const { rows: after } = await admin.query(`select who from ${schema}.ledger`);
    assert.equal(after.length, point === "after-commit" ? 1 : 0);
    assert.deepEqual(await run(""), [0, null]);
    const { rows } = await admin.query(`select who from ${schema}.ledger`);
    assert.deepEqual(rows, [{ who: "Ada" }]);
  });
}
