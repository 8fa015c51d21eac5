import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { compressed, encrypted, type Place, type Serializer } from "stentjs";
import { SerializationError } from "../../../src/core/errors.ts";

const place: Place = { kind: "result", owner: "order-1" };
const long = { text: "the same words ".repeat(1_000), at: new Date(0) };

test("what is long is stored as fewer bytes, and comes back as it was", () => {
  const serializer = compressed();
  const stored = serializer.dumps(long, place);
  assert.ok(stored instanceof Uint8Array);
  assert.ok(stored.byteLength < 1_000);
  assert.deepEqual(serializer.loads(stored, place), long);
});

test("what is short, or does not get shorter, is stored as it is", () => {
  const serializer = compressed();
  assert.equal(serializer.dumps({ a: 1 }, place), '{"a":1}');
  const noise = randomBytes(3_000).toString("base64");
  assert.equal(serializer.dumps(noise, place), JSON.stringify(noise));
  assert.ok(
    compressed("json", { minBytes: 0 }).dumps("a".repeat(200), place) instanceof Uint8Array,
  );
});

test("what was stored before it was put to use is read", () => {
  assert.deepEqual(compressed().loads('{"a":1}', place), { a: 1 });
  assert.deepEqual(compressed(bytes).loads(Buffer.from([1, 2, 3]), place), Buffer.from([1, 2, 3]));
});

test("bytes of the other serializer's stay bytes, whatever they begin with", () => {
  const serializer = compressed(bytes, { minBytes: 0 });
  for (const value of [
    Buffer.from("STC1\u0001"),
    Buffer.from("STC1"),
    Buffer.alloc(0),
    Buffer.alloc(5_000, "STC1"),
  ]) {
    const stored = serializer.dumps(value, place);
    assert.deepEqual(Buffer.from(serializer.loads(stored, place) as Uint8Array), value);
  }
});

test("lone surrogates, which UTF-8 cannot hold, come back as JSON has escaped them", () => {
  const serializer = compressed("json", { minBytes: 0 });
  const text = "\ud800\0".repeat(100);
  assert.equal(serializer.loads(serializer.dumps(text, place), place), text);
});

test("what is longer than maxBytes is neither written nor read", () => {
  const small = compressed("json", { maxBytes: 2_000 });
  assert.throws(() => small.dumps("x".repeat(2_000), place), /order-1 is 2002 bytes.*allows 2000/);
  const stored = compressed("json").dumps("x".repeat(100_000), place);
  assert.throws(
    () => small.loads(stored, place),
    (error) =>
      error instanceof SerializationError && /order-1 .*longer than.*2000/.test(error.message),
  );
});

test("what is damaged is refused with the place", () => {
  const stored = compressed().dumps(long, place) as Buffer;
  for (const damaged of [
    stored.subarray(0, 5),
    stored.subarray(0, 40),
    Buffer.from("STC1\u0001xxxxxxx"),
  ]) {
    assert.throws(() => compressed().loads(damaged, place), {
      name: "SerializationError",
      message: /result of execution order-1 cannot be read/,
    });
  }
});

test("what is encrypted already is left alone", () => {
  const key = { id: "k1", key: Buffer.alloc(32, 1) };
  const inner = encrypted({ keys: [key] });
  const outer = compressed(inner, { minBytes: 0 });
  const stored = outer.dumps(long, place);
  assert.deepEqual(inner.loads(stored, place), long);
  assert.deepEqual(outer.loads(stored, place), long);
});

test("a wrong option is named", () => {
  assert.throws(() => compressed("json", { level: 10 }), /level must be/);
  assert.throws(() => compressed("json", { level: 0 }), /level must be/);
  assert.throws(() => compressed("json", { minBytes: -1 }), /minBytes/);
  assert.throws(() => compressed("json", { maxBytes: 0 }), /maxBytes/);
  assert.throws(() => compressed("json", { size: 1 } as object), /compressed has no option "size"/);
  assert.throws(() => compressed("xml" as "json"), /serializer must be/);
});

const bytes: Serializer = {
  name: "bytes",
  dumps: (value) => value as Uint8Array,
  loads: (data) => data,
};
