import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { compressed, encrypted, type EncryptionKey, type Place, type Serializer } from "stentjs";
import { PayloadCodec } from "../../../src/core/payload.ts";
import { jsonSerializer, superjsonSerializer } from "../../../src/core/serializer.ts";

const place: Place = { kind: "entry", owner: "order-1", path: "0/3" };
const first: EncryptionKey = { id: "2026-01", key: randomBytes(32) };
const second: EncryptionKey = { id: "2026-07", key: randomBytes(32) };
const value = { card: "4242 4242", at: new Date(0) };

test("what is stored shows nothing of the value, and comes back as it was", () => {
  const serializer = encrypted({ keys: [first] });
  const stored = serializer.dumps(value, place) as Buffer;
  assert.ok(!stored.includes("4242") && !stored.includes("card"));
  assert.deepEqual(serializer.loads(stored, place), value);
  assert.deepEqual(serializer.loads(new Uint8Array(stored), place), value);
  for (const other of [undefined, null, "", "\ud800\0", new Map([[1, 2n]])]) {
    assert.deepEqual(serializer.loads(serializer.dumps(other, place), place), other);
  }
});

test("the same value is never stored the same twice", () => {
  const serializer = encrypted({ keys: [first] });
  assert.notDeepEqual(serializer.dumps(value, place), serializer.dumps(value, place));
});

test("the first key writes, and all of them read", () => {
  const before = encrypted({ keys: [first] });
  const during = encrypted({ keys: [second, first] });
  const after = encrypted({ keys: [second] });
  assert.deepEqual(during.loads(before.dumps(value, place), place), value);
  assert.deepEqual(after.loads(during.dumps(value, place), place), value);
});

test("a key that is missing is named, with those that are there", () => {
  const stored = encrypted({ keys: [first] }).dumps(value, place);
  assert.throws(() => encrypted({ keys: [second] }).loads(stored, place), {
    name: "SerializationError",
    message:
      /step 0\/3 of execution order-1 cannot be read: it is encrypted with key "2026-01".*has "2026-07"/,
  });
  for (const plain of [superjsonSerializer, jsonSerializer, compressed()]) {
    assert.throws(() => plain.loads(stored, place), {
      name: "SerializationError",
      message:
        /order-1 cannot be read: it is encrypted with key "2026-01", and this process has no keys/,
    });
  }
});

test("what was altered, cut off, or copied from another place is refused", () => {
  const serializer = encrypted({ keys: [first] });
  const stored = serializer.dumps(value, place) as Buffer;
  const refused = { name: "SerializationError", message: /not what key "2026-01" has encrypted/ };
  for (let at = 13; at < stored.length; at += 1) {
    const altered = Buffer.from(stored);
    altered[at] = (altered[at] ?? 0) ^ 1;
    assert.throws(() => serializer.loads(altered, place), refused);
  }
  for (const length of [13, 20, 40, stored.length - 1])
    assert.throws(() => serializer.loads(stored.subarray(0, length), place), refused);
  const elsewhere: Place[] = [
    { ...place, owner: "order-2" },
    { ...place, path: "1/3" },
    { ...place, kind: "signal" },
    { kind: place.kind, owner: place.owner },
  ];
  for (const other of elsewhere) assert.throws(() => serializer.loads(stored, other), refused);
});

test("whether text or bytes were encrypted cannot be altered either", () => {
  const serializer = encrypted({ keys: [first] });
  const stored = serializer.dumps(value, place) as Buffer;
  stored[4] = 0;
  assert.throws(() => serializer.loads(stored, place), /not what key/);
});

test("a key of the same id that is another one is refused", () => {
  const stored = encrypted({ keys: [first] }).dumps(value, place);
  const other = encrypted({ keys: [{ id: first.id, key: randomBytes(32) }] });
  assert.throws(() => other.loads(stored, place), /or there is another key under that id/);
});

test("values from the time before encryption are read only where that is asked for", () => {
  assert.throws(() => encrypted({ keys: [first] }).loads("1", place), {
    name: "SerializationError",
    message: /it is not encrypted.*acceptUnencrypted/,
  });
  const accepting = encrypted({ keys: [first], acceptUnencrypted: true });
  assert.equal(accepting.loads("1", place), 1);
  assert.ok(accepting.dumps(1, place) instanceof Uint8Array);
});

test("it goes over compression and under it, and over a serializer of one's own, text or bytes", () => {
  const own: Serializer = {
    name: "own",
    dumps: (given) => Buffer.from(JSON.stringify(given)),
    loads: (data) => JSON.parse(Buffer.from(data as Uint8Array).toString()) as unknown,
  };
  const long = { text: "secret ".repeat(1_000) };
  for (const serializer of [
    encrypted({ keys: [first], serializer: compressed() }),
    compressed(encrypted({ keys: [first] })),
    encrypted({ keys: [first], serializer: own }),
    encrypted({ keys: [first], serializer: compressed(own) }),
    encrypted({ keys: [first], serializer: encrypted({ keys: [second] }) }),
  ]) {
    const stored = serializer.dumps(long, place) as Buffer;
    assert.ok(!stored.includes("secret"));
    assert.deepEqual(serializer.loads(stored, place), long);
  }
  const shortened = encrypted({ keys: [first], serializer: compressed() }).dumps(long, place);
  assert.ok(shortened.length < 500);
});

test("messages name the part of a value as they do without it, and the key is as good in any form", () => {
  const codec = new PayloadCodec(encrypted({ keys: [first] }));
  assert.throws(() => codec.encode({ fn: () => 1 }, place, "args[0]"), {
    name: "SerializationError",
    message: /^args\[0\]\.fn /,
  });
  const bytes = Buffer.from(first.key as Uint8Array);
  const stored = encrypted({ keys: [first] }).dumps(value, place);
  for (const key of [bytes.toString("hex"), bytes.toString("base64"), bytes.toString("base64url")])
    assert.deepEqual(encrypted({ keys: [{ id: first.id, key }] }).loads(stored, place), value);
});

test("a serializer of one's own is given the value and the place, and has to answer at once", () => {
  const given: unknown[][] = [];
  const spy = { name: "spy", dumps: (...all: unknown[]) => (given.push(all), "1"), loads: () => 1 };
  const codec = new PayloadCodec(encrypted({ keys: [first], serializer: spy }));
  codec.encode(1, place, "args");
  assert.deepEqual(given, [[1, place]]);
  const late = { ...spy, dumps: async () => Promise.reject(new Error("late")) } as never;
  assert.throws(
    () => new PayloadCodec(encrypted({ keys: [first], serializer: late })).encode(1, place),
    /SerializationError: .*serializer "spy" must answer dumps/,
  );
});

test("errors are encrypted as values are", () => {
  const codec = new PayloadCodec(encrypted({ keys: [first] }));
  const payload = codec.encodeFailure(new TypeError("4242"), place);
  assert.ok(payload instanceof Uint8Array && !Buffer.from(payload).includes("4242"));
  const back = codec.decodeFailure(payload, place);
  assert.ok(back instanceof TypeError && back.message === "4242");
});

test("nothing that is printed shows a key", () => {
  const key = "ab".repeat(32);
  const serializer = encrypted({ keys: [{ id: "k", key }] });
  const bytes = Buffer.from(key, "hex");
  for (const shown of [
    inspect(serializer, { depth: 9, showHidden: true }),
    JSON.stringify(serializer),
  ])
    assert.ok(
      !shown.includes(key) && !shown.includes(bytes.toString("base64")) && !shown.includes("ab ab"),
    );
  const wrong = "not a key, but close to one";
  assert.throws(
    () => encrypted({ keys: [{ id: "k", key: wrong }] }),
    (error) => error instanceof TypeError && !error.message.includes(wrong),
  );
});

test("wrong keys are named by their place and id", () => {
  const refusals: [keys: unknown, message: RegExp][] = [
    [undefined, /keys of encrypted\(\) must be a list/],
    [[], /at least one key/],
    [[null], /keys\[0\] of encrypted\(\) must have an id/],
    [[{ id: "", key: first.key }], /keys\[0\].*must have an id/],
    [[{ id: "x".repeat(256), key: first.key }], /at most 255 bytes/],
    [[first, { id: "b", key: "abc" }], /keys\[1\] of encrypted\(\), "b", must be 32 bytes/],
    [[{ id: "b", key: new Uint8Array(16) }], /it has 16/],
    [[first, first], /keys\[1\] .*id "2026-01" of another key/],
  ];
  for (const [keys, message] of refusals)
    assert.throws(() => encrypted({ keys: keys as never }), { name: "TypeError", message });
  assert.throws(() => encrypted({ keys: [first], key: 1 } as never), /no option "key"/);
});
