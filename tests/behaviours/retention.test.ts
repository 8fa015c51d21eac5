/** What is deleted when it has been kept long enough, by whom, and in how many pieces. */
import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { activity, call, map, signal, workflow, type Flow } from "stentjs";
import {
  databaseFile,
  rejection,
  serving,
  sqliteOnly,
  stentOn,
  until,
} from "../support/serving.ts";

const limit = { timeout: "60s" };

const step = activity("retention.step", async (n: number) => n);
const leaf = workflow("retention.leaf", function* (n: number): Flow<number> {
  return yield* call(step, n);
});
const root = workflow("retention.root", function* (children: number): Flow<number> {
  return (yield* map(
    leaf,
    Array.from({ length: children }, (_, n): number => n),
  )).length;
});
const long = workflow("retention.long", function* (steps: number): Flow<number> {
  let sum = 0;
  for (let n = 0; n < steps; n += 1) sum += yield* call(step, 1);
  return sum;
});
const waits = workflow("retention.waits", function* (): Flow<unknown> {
  yield* call(leaf, 1);
  return yield* signal("go");
});

test("a tree that is too large for one transaction goes as a whole, and its neighbours stay", async (t) => {
  const stent = await serving(t);
  const large = await stent.dispatch(root, [700]);
  const journal = await stent.dispatch(long, [2_500]);
  const open = await stent.dispatch(waits, []);
  await Promise.all([large.result(limit), journal.result(limit)]);
  await until("its child has ended", async () =>
    (await stent.listExecutions({ parent: open.id })).items.some(
      ({ state }) => state === "completed",
    ),
  );
  assert.deepEqual(await stent.cleanup({ olderThan: 0 }), { executions: 702 });
  const left = (await stent.listExecutions({ limit: 100 })).items.map(({ id }) => id);
  const children = (await stent.listExecutions({ parent: open.id })).items.map(({ id }) => id);
  assert.deepEqual(left.toSorted(), [open.id, ...children].toSorted());
  for (const one of [large, journal]) assert.ok((await rejection(one.state())) instanceof Error);
  await open.signal("go", 1);
  assert.equal(await open.result(limit), 1);
  assert.deepEqual(await stent.cleanup({ olderThan: 0 }), { executions: 2 });
});

test(
  "a worker deletes what is older than its retentionPeriod; of several one at a time does",
  sqliteOnly,
  async (t) => {
    const path = databaseFile(t);
    const file = `sqlite:${path}`;
    const keeps = { cleanupInterval: 20, retentionPeriod: "1h" };
    const first = await stentOn(t, file, { serve: keeps });
    await until("it has the duty", () => {
      const database = new Database(path, { readonly: true });
      try {
        return database.prepare("select session from stent_duties").get() !== undefined;
      } finally {
        database.close();
      }
    });
    const done = await first.dispatch(leaf, [1]);
    await done.result(limit);
    const second = await stentOn(t, file, { serve: { cleanupInterval: 20, retentionPeriod: 1 } });
    const held = await first.dispatch(leaf, [2]);
    await held.result(limit);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal((await second.stateOf(done.id)).state, "completed", "the first has the duty");
    await first.close();
    await until("the second has taken it over", async () => {
      return (await second.listExecutions({})).items.length === 0;
    });
  },
);
