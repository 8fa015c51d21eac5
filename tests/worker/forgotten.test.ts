import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { activity, call, workflow } from "stentjs";
import { databaseFile, stentOn } from "../support/serving.ts";

const greet = activity("forgotten.greet", async (name: string) => `hello ${name}`);
const greeting = workflow("forgotten.greeting", function* (name: string) {
  return yield* call(greet, name);
});

test("an execution that stands under a live session, but that its worker knows nothing of, is let go and goes on (I8)", async (t) => {
  const path = databaseFile(t);
  const stent = await stentOn(t, path);
  const handle = await stent.dispatch(greeting, ["Ada"], { delay: "1h" });
  const database = new Database(path);
  t.after(() => database.close());
  const session = database
    .prepare<[], { key: number }>("select key from stent_workers where state = 'live'")
    .get();
  // As if it had been claimed, and dropped by a fault.
  database
    .prepare(
      "update stent_executions set worker = ?, claim = claim + 1, state = 'running', not_before = 0, started_at = 1 where id = ?",
    )
    .run(session?.key, handle.id);
  assert.equal(await handle.result({ timeout: "15s" }), "hello Ada");
});
