import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import Database from "better-sqlite3";
import { activity, call, sqlite, workflow } from "stentjs";
import { databaseFile, stentOn, type Ending } from "../support/serving.ts";
import { answeringLate, lookingLate } from "../support/slow-answers.ts";

const greet = activity("forgotten.greet", async (name: string) => `hello ${name}`);
const greeting = workflow("forgotten.greeting", function* (name: string) {
  return yield* call(greet, name);
});
let starts = 0;
const counted = activity("forgotten.counted", async () => {
  starts += 1;
  return starts;
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

test("what a claim brings is not let go while its answer is on its way, however often its worker looks", async (t) => {
  const path = databaseFile(t);
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const looks = { count: 0 };
  const claimed = answeringLate(sqlite(path), "claim", () => opened);
  await stentOn(t, path, {
    stent: {
      backend: lookingLate(claimed, async () => {
        looks.count += 1;
      }),
    },
  });
  const client = await stentOn(t, path, { serve: false });
  const handle = await client.dispatch(counted, []);
  await claimedOnce(t, path);
  const enough = looks.count + 4;
  // What others write makes it look.
  while (looks.count < enough) await client.dispatch(counted, [], { delay: "1h" });
  open();
  assert.equal(await handle.result({ timeout: "15s" }), 1, "it ran once");
});

/** Resolves when something is held. */
async function claimedOnce(t: Ending, path: string): Promise<void> {
  const database = new Database(path, { readonly: true });
  t.after(() => database.close());
  const held = database.prepare("select 1 from stent_executions where worker is not null");
  while (held.get() === undefined) await setImmediate();
}
