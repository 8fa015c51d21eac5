import assert from "node:assert/strict";
import { test } from "node:test";
import { TurnoverMap } from "../../src/core/turnover-map.ts";

test("a turnover map answers as a map does", () => {
  const map = new TurnoverMap<string, number>();
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  assert.equal(map.size, 2);
  assert.equal(map.get("a"), 3);
  assert.equal(map.has("b"), true);
  assert.deepEqual([...map.keys()], ["a", "b"]);
  assert.deepEqual([...map.values()], [3, 2]);
  assert.deepEqual(
    [...map],
    [
      ["a", 3],
      ["b", 2],
    ],
  );
  assert.equal(map.take("a"), 3);
  assert.equal(map.take("a"), undefined);
  assert.deepEqual([...map.keys()], ["b"]);
  map.clear();
  assert.equal(map.size, 0);
  assert.equal(map.get("b"), undefined);
});

test("entries may be taken out of a turnover map and put in while it is walked through", () => {
  const map = new TurnoverMap<number, string>();
  for (let key = 0; key < 100; key++) map.set(key, `value ${key}`);
  const seen: number[] = [];
  for (const [key, value] of map) {
    assert.equal(value, `value ${key}`);
    seen.push(key);
    map.take(key);
    if (key < 100) map.set(key + 100, `value ${key + 100}`);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 200 }, (_, key) => key),
  );
  assert.equal(map.size, 0);
});
