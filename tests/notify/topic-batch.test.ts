import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeHints, encodeHints, envelopeBytes } from "../../src/notify/hint-message.ts";
import { TopicBatch } from "../../src/notify/topic-batch.ts";

describe("a batch of topics", () => {
  test("holds each once, and is empty once they are taken", () => {
    const batch = new TopicBatch(1_000);
    batch.add(["a", "b"]);
    batch.add(["b", "c"]);
    assert.deepEqual(batch.take(), ["a", "b", "c"]);
    assert.equal(batch.isEmpty, true);
    assert.deepEqual(batch.take(), []);
  });

  test('that holds "*" holds nothing else', () => {
    const batch = new TopicBatch(1_000);
    batch.add(["a", "*", "b"]);
    batch.add(["c"]);
    assert.deepEqual(batch.take(), ["*"]);
    batch.add(["d"]);
    assert.deepEqual(batch.take(), ["d"]);
  });

  test("that would be too long holds kinds in place of topics", () => {
    const batch = new TopicBatch(40);
    batch.add(["ready", "ended:1", "ended:2"]);
    batch.add(["ended:3", "ended:4", "woken:1"]);
    assert.deepEqual(batch.take(), ["ready", "ended:*", "woken:*"]);
    batch.add(["ended:5"]);
    assert.deepEqual(batch.take(), ["ended:5"]);
  });

  test('of too many kinds holds "*"', () => {
    const batch = new TopicBatch(40);
    batch.add(Array.from({ length: 20 }, (_, kind) => `kind${kind}:1`));
    batch.add(["a"]);
    assert.deepEqual(batch.take(), ["*"]);
  });

  for (const topic of ["x", "é", "\u{1F600}", '"', "\0", "\ud800"]) {
    test(`makes messages of ${JSON.stringify(topic)} that are no longer than it may be`, () => {
      const maxBytes = 7_900;
      const batch = new TopicBatch(maxBytes - envelopeBytes("sender"));
      let count = 0;
      let longest = 0;
      for (;;) {
        batch.add([`${topic}:${(count += 1)}`]);
        const topics = batch.take();
        if (topics.length < count) break;
        longest = Math.max(longest, Buffer.byteLength(encodeHints("sender", topics)));
        batch.add(topics);
      }
      assert.ok(longest <= maxBytes && longest > maxBytes - 50, `${longest} bytes`);
    });
  }
});

describe("a message of hints", () => {
  test("is read as it was written, except by who wrote it", () => {
    const text = encodeHints("a", ["queue", "execution:\ud800\0"]);
    assert.deepEqual(decodeHints(text, "b"), ["queue", "execution:\ud800\0"]);
    assert.equal(decodeHints(text, "a"), undefined);
  });

  test("that cannot be read says that anything may have changed", () => {
    for (const text of ["", "null", "1", "[]", "{}", '{"topics":"a"}', '{"topics":[1]}', "{"]) {
      assert.deepEqual(decodeHints(text, "me"), ["*"]);
    }
    assert.deepEqual(decodeHints(`{"topics":["${"x".repeat(100_000)}"]}`, "me"), ["*"]);
  });
});
