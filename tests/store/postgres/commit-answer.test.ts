import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { commits } from "../../../src/store/postgres/committing.ts";
import { freshDatabase } from "../../support/postgres.ts";

test("a commit behind an error that nobody has read is answered as a rollback, and taken for one", async (t) => {
  const client = new pg.Client({ connectionString: await freshDatabase(t) });
  await client.connect();
  t.after(() => client.end());
  const commit = { text: "commit", rowMode: "array" as const };
  await client.query("begin");
  commits(await client.query(commit));
  await client.query("begin");
  await client.query("select 1 / 0").catch(() => undefined);
  const answer = await client.query(commit);
  assert.throws(() => commits(answer), /answered COMMIT with ROLLBACK/);
});
