import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { createIdSource, newExecutionId, newUuid } from "../../src/runtime/ids.ts";

const uuidV7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const uuidV4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("execution ids", () => {
  test("are UUIDs of version 7 that begin with the time", () => {
    const before = Date.now();
    const id = newExecutionId();
    assert.match(id, uuidV7);
    const time = timeOf(id);
    assert.ok(time >= before && time <= Date.now());
  });

  test("rise, as text too, in a burst of 20,000 in one millisecond", () => {
    const ids = burst(createIdSource({ now: () => 1_900_000_000_000, randomHex }).newExecutionId);
    assert.deepEqual(ids, ids.toSorted());
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.every((id) => uuidV7.test(id) && timeOf(id) === 1_900_000_000_000));
  });

  test("rise by the system's clock", () => {
    const ids = burst(newExecutionId);
    assert.deepEqual(ids, ids.toSorted());
    assert.equal(new Set(ids).size, ids.length);
  });

  test("rise while the clock is set back, and follow it once it has caught up", () => {
    let now = 1_900_000_000_000;
    const { newExecutionId } = createIdSource({ now: () => now, randomHex });
    const first = newExecutionId();
    now -= 60_000;
    const second = newExecutionId();
    now += 60_001;
    const third = newExecutionId();
    assert.ok(first < second && second < third);
    assert.equal(timeOf(second), timeOf(first));
    assert.equal(timeOf(third), now);
  });

  test("run ahead of the clock when a millisecond's counter is used up", () => {
    // Chance gives the highest start there is: 2 ** 25 - 1, which leaves 2 ** 25 ids.
    const highest = {
      now: () => 1_900_000_000_000,
      randomHex: (bytes: number) => "f".repeat(2 * bytes),
    };
    const { newExecutionId } = createIdSource(highest);
    let last = newExecutionId();
    assert.equal(last.slice(15, 23), "7ff-bfff");
    for (let made = 0; made < 2 ** 25; made += 1) last = newExecutionId();
    assert.equal(timeOf(last), 1_900_000_000_000);
    assert.equal(last.slice(15, 23), "fff-bfff");
    last = newExecutionId();
    assert.equal(timeOf(last), 1_900_000_000_001);
    assert.match(last, uuidV7);
  });

  test("of two processes differ in the same millisecond", () => {
    const now = (): number => 1_900_000_000_000;
    const ids = [
      ...burst(createIdSource({ now, randomHex }).newExecutionId),
      ...burst(createIdSource({ now, randomHex }).newExecutionId),
    ];
    assert.equal(new Set(ids).size, ids.length);
  });
});

test("other ids are UUIDs of version 4", () => {
  assert.match(newUuid(), uuidV4);
  assert.notEqual(newUuid(), newUuid());
});

function burst(newId: () => string): string[] {
  return Array.from({ length: 20_000 }, newId);
}

function timeOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function randomHex(bytes: number): string {
  return randomBytes(bytes).toString("hex");
}
