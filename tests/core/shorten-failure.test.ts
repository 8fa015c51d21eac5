import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toFailure } from "../../src/core/failure.ts";
import { shortenFailure } from "../../src/core/shorten-failure.ts";

test("a failure that is too long loses its stack first, from the bottom", () => {
  const error = new Error("m");
  error.stack = `Error: m\n${"    at some place in some file\n".repeat(100)}`;
  const failure = toFailure(error);
  const short = shortenFailure(failure, 1_000);
  assert.ok(JSON.stringify(short).length <= 1_000);
  assert.match(
    short.stack ?? "",
    /^Error: m\n {4}at some place in some file\n[^]*… \(shortened\)$/,
  );
  assert.equal(shortenFailure(failure, 10_000), failure);
});

test("what a failure loses goes in the order stack, inner stacks, long messages, properties, errors, cause", () => {
  const long = "y".repeat(3_000);
  const error = Object.assign(
    new AggregateError([new Error("e")], long, { cause: new Error("c") }),
    { extra: "x".repeat(500) },
  );
  const failure = toFailure(error);
  const kept = [20_000, 3_900, 2_000, 1_300, 1_160, 700].map((bytes) => {
    const short = shortenFailure(failure, bytes);
    assert.ok(Buffer.byteLength(JSON.stringify(short)) <= bytes);
    return [
      short.stack !== undefined,
      short.cause?.stack !== undefined,
      short.message.length > 1_000,
      "properties" in short,
      "errors" in short,
      "cause" in short,
    ];
  });
  assert.deepEqual(kept[0], [true, true, true, true, true, true]);
  assert.deepEqual(kept[1], [false, false, true, true, true, true]);
  assert.deepEqual(kept[2], [false, false, false, true, true, true]);
  assert.deepEqual(kept[3], [false, false, false, false, true, true]);
  assert.deepEqual(kept[4], [false, false, false, false, false, true]);
  assert.deepEqual(kept[5], [false, false, false, false, false, false]);
});

test("any failure can be shortened to any length from 512 bytes", () => {
  const text = fc.string({ unit: "binary", maxLength: 3_000 });
  fc.assert(
    fc.property(
      text,
      text,
      text,
      fc.integer({ min: 512, max: 5_000 }),
      (name, message, stack, bytes) => {
        const error = Object.assign(new Error(message, { cause: new Error(stack) }), {
          name,
          stack,
          code: name,
        });
        assert.ok(
          Buffer.byteLength(JSON.stringify(shortenFailure(toFailure(error), bytes))) <= bytes,
        );
      },
    ),
  );
});
