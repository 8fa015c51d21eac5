/** What is read on PostgreSQL, side by side. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/runtime/clock.ts";
import { PostgresStore } from "../../../src/store/postgres/store.ts";
import { opened } from "./open.ts";

test("what many ask at the same time is asked once, also where there is nothing to tell them apart by", async (t) => {
  const connections = await opened(t);
  const removed: unknown[] = [];
  connections.pool.on("release", (error) => removed.push(...(error ? [error] : [])));
  const store = new PostgresStore(connections, { clock: systemClock, failures: {} as never });
  t.after(() => store.close());
  const looks = await Promise.all(Array.from({ length: 5 }, () => store.peek(() => true)));
  for (const look of looks)
    assert.deepEqual([look.due, look.wakes, look.heads], [false, false, []]);
  assert.deepEqual(await Promise.all([store.anyLeftRun(), store.anyLeftRun()]), [false, false]);
  assert.deepEqual(removed, [], "no statement failed, and no connection was given up for it");
});
