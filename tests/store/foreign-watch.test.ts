import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { ForeignWatch } from "../../src/store/foreign-watch.ts";

test("what was committed while nobody listened is told to who listens next, once", async () => {
  let version = 1;
  const watch = new ForeignWatch(() => Promise.resolve(version));
  await watch.begin();
  version = 2;
  let told = 0;
  const endFirst = watch.on(() => (told += 1));
  await pause(50);
  assert.deepEqual([told, watch.changes], [1, 1]);
  endFirst();
  version = 3;
  await pause(50);
  assert.deepEqual([told, watch.changes], [1, 1], "nothing runs while nobody listens");
  const endSecond = watch.on(() => (told += 1));
  await pause(50);
  assert.deepEqual([told, watch.changes], [2, 2]);
  endSecond();
});
