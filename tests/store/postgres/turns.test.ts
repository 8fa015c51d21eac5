import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "../../../src/store/postgres/turns.ts";

test("one act begins when the one before it has ended, also where that failed", async () => {
  const turns = new Turns();
  let busy = false;
  const done: number[] = [];
  const act = (n: number) => async (): Promise<number> => {
    assert.equal(busy, false);
    busy = true;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    busy = false;
    done.push(n);
    if (n === 1) throw new Error("the first fails");
    return n;
  };
  const [first, second, third] = [1, 2, 3].map((n) => turns.take(act(n)));
  await assert.rejects(first ?? Promise.resolve(), /the first fails/);
  assert.deepEqual([await second, await third], [2, 3]);
  assert.deepEqual(done, [1, 2, 3]);
});
