import assert from "node:assert/strict";
import { test } from "node:test";
import { CancelledError, SerializationError } from "../../src/core/errors.ts";
import { PayloadCodec } from "../../src/core/payload.ts";
import {
  jsonSerializer,
  superjsonSerializer,
  type Place,
  type Serializer,
} from "../../src/core/serializer.ts";

const place: Place = { kind: "result", owner: "order-1" };

test("what roundTrip gives is what decode will give on replay", () => {
  const codec = new PayloadCodec(superjsonSerializer);
  const value = { items: [1, 2], at: new Date(0) };
  const { payload, value: decoded } = codec.roundTrip(value, place);
  assert.deepStrictEqual(decoded, value);
  assert.notEqual(decoded, value);
  assert.deepStrictEqual(codec.decode(payload, place), decoded);
});

test("a value longer than maxPayloadBytes is refused with both lengths, counted in bytes of UTF-8", () => {
  const codec = new PayloadCodec(superjsonSerializer, 100);
  assert.equal(codec.encode("x".repeat(98), place), `"${"x".repeat(98)}"`);
  assert.equal(codec.encode("ä".repeat(49), place), `"${"ä".repeat(49)}"`);
  for (const text of ["x".repeat(99), "ä".repeat(50), "😀".repeat(25)]) {
    assert.throws(() => codec.encode(text, place), {
      name: "SerializationError",
      message:
        /^result is 10[12] bytes when encoded, but maxPayloadBytes allows 100 \(result of execution order-1\)/,
    });
  }
  assert.throws(
    () => codec.encode(new Uint8Array(200), place, "args[0]"),
    /^SerializationError: args\[0\] is/,
  );
});

test("one MiB is the limit if none is given", () => {
  const codec = new PayloadCodec(jsonSerializer);
  codec.encode("x".repeat(1_048_574), place);
  assert.throws(() => codec.encode("x".repeat(1_048_575), place), SerializationError);
});

test("a limit must be a whole number from 1", () => {
  for (const limit of [0, -1, 1.5, Number.NaN, Infinity, "1"]) {
    assert.throws(() => new PayloadCodec(jsonSerializer, limit as number), /maxPayloadBytes/);
  }
});

test("an error survives any serializer, with its class", () => {
  for (const serializer of [superjsonSerializer, jsonSerializer, reversing]) {
    const codec = new PayloadCodec(serializer);
    const error = Object.assign(new TypeError("x", { cause: new CancelledError("y") }), {
      at: new Date(0),
      n: 1n,
      code: "E_X",
    });
    assert.deepStrictEqual(codec.decodeFailure(codec.encodeFailure(error, place), place), error);
  }
});

test("errors go through the serializer too, so that one which encrypts covers them", () => {
  const payload = new PayloadCodec(reversing).encodeFailure(new Error("secret"), place);
  assert.ok(payload instanceof Uint8Array);
  assert.ok(!Buffer.from(payload).includes("secret"));
});

test("an error that is too long is shortened, its stack first", () => {
  for (const serializer of [superjsonSerializer, reversing, doubling]) {
    const codec = new PayloadCodec(serializer, 2_000);
    const error = Object.assign(new TypeError("the message"), { code: "E_BIG" });
    error.stack = "x\n".repeat(10_000);
    const payload = codec.encodeFailure(error, place);
    assert.ok(payload.length <= 2_000);
    const back = codec.decodeFailure(payload, place);
    assert.ok(back instanceof TypeError);
    assert.deepEqual([back.message, Reflect.get(back, "code")], ["the message", "E_BIG"]);
    const huge = codec.encodeFailure(
      Object.assign(new TypeError("m".repeat(100_000)), { extra: "x".repeat(100_000) }),
      place,
    );
    assert.ok(huge.length <= 2_000);
    assert.match(codec.decodeFailure(huge, place).message, /^m+… \(shortened\)$/);
  }
});

test("an error fits somehow, however small the limit", () => {
  const payload = new PayloadCodec(superjsonSerializer, 10).encodeFailure(
    new Error("m".repeat(1_000)),
    place,
  );
  assert.ok(payload.length <= 512);
});

test("encodeFailure never throws: an error that the serializer refuses is replaced, and nothing of it is stored in the clear", () => {
  const codec = new PayloadCodec({ ...reversing, dumps: fail });
  const payload = codec.encodeFailure(new Error("secret"), place);
  assert.ok(!String(payload).includes("secret"));
  const back = codec.decodeFailure(payload, place);
  assert.ok(back instanceof SerializationError);
  assert.match(back.message, /serializer "reversing" could not encode it: .*no key/);
});

test("a custom serializer that throws, or answers with something else, is named in a SerializationError", () => {
  const asynchronous = async (): Promise<string> => "text";
  const rejecting = async (): Promise<string> => fail();
  for (const dumps of [fail, asynchronous, rejecting, () => undefined, () => 5, () => null]) {
    const codec = new PayloadCodec({ ...reversing, dumps: dumps as never });
    assert.throws(
      () => codec.encode(1, place),
      (error) =>
        error instanceof SerializationError &&
        error.message.includes('"reversing"') &&
        error.message.includes("result of execution order-1"),
    );
  }
  assert.throws(
    () => new PayloadCodec({ ...reversing, loads: fail }).decode("x", place),
    (error) =>
      error instanceof SerializationError &&
      error.cause instanceof Error &&
      error.cause.message === "no key",
  );
});

test("a custom serializer is given the value and the place, and nothing else", () => {
  const seen: unknown[][] = [];
  const codec = new PayloadCodec({
    name: "spy",
    dumps: (...given) => (seen.push(given), "1"),
    loads: (...given) => (seen.push(given), 1),
  });
  codec.roundTrip({ a: 1 }, place, "args");
  assert.deepEqual(seen, [
    [{ a: 1 }, place],
    ["1", place],
  ]);
});

test("what is stored in place of an error, and is none, is refused with the place", () => {
  const codec = new PayloadCodec(superjsonSerializer);
  for (const payload of [
    "",
    "1",
    "null",
    "{}",
    '{"name":1,"message":"x"}',
    "nonsense",
    "stent-failure:",
    "stent-failure:5",
    "undefined",
  ]) {
    assert.throws(
      () => codec.decodeFailure(payload, place),
      (error) =>
        error instanceof SerializationError &&
        error.message.includes("result of execution order-1"),
      payload,
    );
  }
});

test("a built-in serializer reads its text also from bytes", () => {
  const codec = new PayloadCodec(superjsonSerializer);
  const bytes = Buffer.from(codec.encode({ at: new Date(0), text: "ä" }, place));
  assert.deepStrictEqual(codec.decode(bytes, place), { at: new Date(0), text: "ä" });
});

function fail(): never {
  throw new Error("no key");
}

/** Stands for encryption: bytes in which the text cannot be found. */
const reversing: Serializer = {
  name: "reversing",
  dumps: (value) => Buffer.from(JSON.stringify(value)).toReversed(),
  loads: (data) => JSON.parse(Buffer.from(Buffer.from(data).toReversed()).toString()) as unknown,
};

const doubling: Serializer = {
  name: "doubling",
  dumps: (value) => JSON.stringify(value) + "#".repeat(JSON.stringify(value).length),
  loads: (data) => JSON.parse((data as string).slice(0, data.length / 2)) as unknown,
};
