import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { registerError } from "../../src/core/error-classes.ts";
import { RemoteError, SerializationError } from "../../src/core/errors.ts";
import { Result } from "../../src/core/result.ts";
import {
  describePlace,
  jsonSerializer,
  resolveSerializer,
  superjsonSerializer,
  type Place,
  type Serializer,
} from "../../src/core/serializer.ts";
import { beyondJson, refused, arbitraryValue, promisedValue } from "./serializer-values.ts";

const place: Place = { kind: "input", owner: "order-1" };

test("plain values are stored as plain JSON", () => {
  for (const value of [
    null,
    true,
    0,
    1.5,
    "",
    "text",
    [],
    {},
    [1, [2]],
    { a: { b: [null, "c"] } },
    { "odd key": 1, "a.b": 2, "": 3 },
  ]) {
    const text = superjsonSerializer.dumps(value, place);
    assert.equal(text, JSON.stringify(value));
    assert.deepStrictEqual(superjsonSerializer.loads(text, place), value);
  }
});

test("values beyond JSON come back equal", () => {
  for (const [name, value] of Object.entries(beyondJson())) {
    assert.deepStrictEqual(roundTrip(value), value, name);
    assert.deepStrictEqual(roundTrip([{ deep: value }, value]), [{ deep: value }, value], name);
    assert.deepStrictEqual(roundTrip(new Map([["key", value]])), new Map([["key", value]]), name);
    assert.deepStrictEqual(roundTrip(Result.Ok(value)), Result.Ok(value), name);
  }
});

test("an invalid Date comes back invalid", () => {
  const back = roundTrip({ at: new Date(Number.NaN) }) as { at: Date };
  assert.ok(back.at instanceof Date && Number.isNaN(back.at.getTime()));
});

test("a URL comes back as a URL", () => {
  const back = roundTrip({ url: new URL("https://user@example.com:8443/a?b=c#d") }) as { url: URL };
  assert.ok(back.url instanceof URL);
  assert.equal(back.url.href, "https://user@example.com:8443/a?b=c#d");
});

test("a Buffer comes back as a Uint8Array over memory of its own", () => {
  const back = roundTrip(Buffer.from("hello"));
  assert.deepStrictEqual(back, new Uint8Array([104, 101, 108, 108, 111]));
  assert.equal((back as Uint8Array).buffer.byteLength, 5);
});

test("errors keep their class, wherever they stand in a value", () => {
  class Known extends Error {}
  registerError(Known);
  class Unknown extends Error {}
  const cause = new TypeError("b");
  const back = roundTrip({
    list: [new Known("a", { cause }), new Unknown("c"), Result.Error(new RangeError("d"))],
  }) as { list: unknown[] };
  const [known, unknown, result] = back.list;
  assert.ok(known instanceof Known && known.cause instanceof TypeError);
  assert.ok(unknown instanceof RemoteError && unknown.originalName === "Unknown");
  assert.ok(result instanceof Result && result.error instanceof RangeError);
});

test("a Result has its methods again", () => {
  const back = roundTrip({ results: [Result.Ok({ at: new Date(0) }), Result.Error("no")] }) as {
    results: Result<unknown, unknown>[];
  };
  assert.deepStrictEqual(back.results[0]?.unwrap(), { at: new Date(0) });
  assert.equal(back.results[1]?.unwrapOr("else"), "else");
});

test("shared parts come back equal; each is a copy of its own", () => {
  const shared = { at: new Date(0) };
  const value = {
    a: shared,
    b: [shared, shared],
    set: new Set([shared]),
    map: new Map([[shared, shared]]),
  };
  assert.deepStrictEqual(roundTrip(value), value);
  const plain = { n: 1 };
  assert.deepStrictEqual(roundTrip([plain, plain]), [plain, plain]);
});

test("equal bigints and NaNs in a Map do not disturb one another", () => {
  const value = new Map<unknown, unknown>([
    [Number.NaN, Number.NaN],
    [1n, 1n],
    ["1", 1n],
    [1, Number.NaN],
  ]);
  assert.deepStrictEqual([...(roundTrip(value) as typeof value)], [...value]);
});

test("keys that reach for prototypes come back as ordinary keys, and pollute nothing", () => {
  const hostile: unknown = JSON.parse(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"prototype":3}',
  );
  for (const value of [
    hostile,
    { hostile, at: new Date(0) },
    [hostile, undefined],
    new Map([[hostile, hostile]]),
  ]) {
    assert.deepStrictEqual(roundTrip(value), value);
  }
  assert.equal(Reflect.get({}, "polluted"), undefined);
  assert.deepStrictEqual(Object.keys(roundTrip(hostile) as object), [
    "__proto__",
    "constructor",
    "prototype",
  ]);
});

test("stored text of anybody's making pollutes nothing: it is read or refused", () => {
  const texts = [
    'superjson:{"json":{"__proto__":{"polluted":1}},"meta":{"values":{"__proto__.polluted":["Date"]},"v":1}}',
    'superjson:{"json":{},"meta":{"values":{"constructor.prototype.polluted":["undefined"]},"v":1}}',
    'superjson:{"json":{"a":{}},"meta":{"referentialEqualities":{"a":["__proto__.polluted"]},"v":1}}',
    'superjson:{"json":["object",[["__proto__",{"polluted":1}]]],"meta":{"values":[["custom","stent"]],"v":1}}',
    'superjson:{"json":["error","{\\"name\\":\\"E\\",\\"message\\":\\"m\\",\\"properties\\":{\\"__proto__\\":{\\"polluted\\":1}}}"],"meta":{"values":[["custom","stent"]],"v":1}}',
  ];
  for (const text of texts) {
    try {
      superjsonSerializer.loads(text, place);
    } catch (error) {
      assert.ok(error instanceof SerializationError);
    }
    assert.equal(Reflect.get({}, "polluted"), undefined, text);
  }
});

test("NUL and lone surrogates come back as they were, and are stored as escapes", () => {
  const value = { "\0": "a\0b", "\ud800": ["\udfff", "ok 😀"] };
  for (const each of [value, { ...value, at: new Date(0) }, new Error("\0\ud800")]) {
    const text = superjsonSerializer.dumps(each, place);
    assert.ok(!/\0|\p{Surrogate}/u.test(text));
    assert.deepStrictEqual(superjsonSerializer.loads(text, place), each);
  }
});

test("what would not come back is refused with its path and what to do", () => {
  for (const [message, value] of refused()) {
    assert.throws(
      () => superjsonSerializer.dumps(value, place),
      (error) => {
        assert.ok(error instanceof SerializationError, String(error));
        assert.ok(error.message.startsWith(message), `${error.message}\n${message}`);
        assert.ok(error.message.endsWith("(input of execution order-1)"));
        assert.ok(message.startsWith(error.path ?? "no path"));
        return true;
      },
    );
  }
});

test("the path begins with what the value is at its place, or with what the caller calls it", () => {
  const path = (kind: Place["kind"], root?: string): string | undefined => {
    try {
      superjsonSerializer.dumps({ a: Symbol("x") }, { kind, owner: "x" }, root);
    } catch (error) {
      return error instanceof SerializationError ? error.path : undefined;
    }
    return undefined;
  };
  assert.deepEqual(
    (["input", "result", "stored-result", "signal", "state", "entry"] as const).map((kind) =>
      path(kind),
    ),
    ["args.a", "result.a", "result.a", "payload.a", "value.a", "value.a"],
  );
  assert.equal(path("entry", "args"), "args.a");
});

test("deep nesting comes back equal or is refused, also where little stack is left", () => {
  for (const depth of [10, 100, 900, 1_100, 10_000, 100_000]) {
    for (const leaf of [1, new Date(0)]) {
      for (const wrap of [
        (v: unknown) => [v],
        (v: unknown) => ({ v }),
        (v: unknown) => new Map([["k", v]]),
        (v: unknown) => Result.Ok(v),
      ]) {
        let value: unknown = leaf;
        for (let level = 0; level < depth; level += 1) value = wrap(value);
        const outcome = roundTripOrRefusal(value);
        if (outcome instanceof SerializationError) {
          assert.match(outcome.message, /deep/);
          assert.ok(outcome.message.length < 1_000);
          assert.ok(depth > 100);
        } else assert.deepStrictEqual(outcome, value);
      }
    }
  }
  const deepInTheStack = (left: number): unknown =>
    left === 0 ? roundTripOrRefusal(nested(900)) : deepInTheStack(left - 1);
  for (const left of [1_000, 4_000, 6_000, 7_000]) {
    try {
      assert.ok(deepInTheStack(left) !== undefined);
    } catch (error) {
      assert.ok(error instanceof RangeError, "only the test's own recursion may overflow");
    }
  }
});

test("a graph of shared parts that would grow without end is refused in bounded time", () => {
  let graph: unknown = {};
  for (let level = 0; level < 64; level += 1) graph = [graph, graph];
  assert.throws(() => superjsonSerializer.dumps(graph, place), SerializationError);
  assert.throws(() => jsonSerializer.dumps(graph, place), SerializationError);
});

test("values of another realm, such as a test runner's, are taken for what they are", () => {
  const value: unknown = runInNewContext(
    `({ list: [1, { a: 1 }], at: new Date(0), map: new Map([["k", new Set([1])]]), re: /x/g, bytes: new Uint8Array([1]) })`,
  );
  assert.deepStrictEqual(roundTrip(value), {
    list: [1, { a: 1 }],
    at: new Date(0),
    map: new Map([["k", new Set([1])]]),
    re: /x/g,
    bytes: new Uint8Array([1]),
  });
});

test("any value comes back equal, or is refused", () => {
  fc.assert(
    fc.property(arbitraryValue, (value) => {
      const back = roundTripOrRefusal(value);
      if (!(back instanceof SerializationError)) assert.deepStrictEqual(back, value);
      assert.equal(Reflect.get({}, "polluted"), undefined);
    }),
    { numRuns: 2_000 },
  );
});

test("any value of what the default serializer promises comes back equal", () => {
  fc.assert(
    fc.property(promisedValue, (value) => assert.deepStrictEqual(roundTrip(value), value)),
    { numRuns: 2_000 },
  );
});

test("json takes what JSON gives back, and undefined as absence", () => {
  for (const value of [
    null,
    "a",
    [1, { b: false }],
    { toJSON: "a word" },
    JSON.parse('{"__proto__":1}'),
  ]) {
    assert.deepStrictEqual(jsonSerializer.loads(jsonSerializer.dumps(value, place), place), value);
  }
  assert.equal(jsonSerializer.loads(jsonSerializer.dumps(undefined, place), place), undefined);
});

test("json refuses all else, with the path", () => {
  const cases: readonly [string, unknown][] = [
    ["args.at is a Date instance, which JSON cannot hold", { at: new Date(0) }],
    ["args[1] is undefined", [1, undefined]],
    ["args.a is undefined", { a: undefined }],
    ["args is NaN", Number.NaN],
    ["args is -0", -0],
    ["args.n is a bigint", { n: 1n }],
    ["args is a Map instance", new Map()],
    ["args is an Error instance", new Error("x")],
    ["args is a Result instance", Result.Ok(1)],
    ["args is an Uint8Array instance", new Uint8Array(1)],
    ["args is an object without a prototype", Object.create(null)],
    ["args.f is a function", { f: () => 1 }],
  ];
  for (const [message, value] of cases) {
    assert.throws(
      () => jsonSerializer.dumps(value, place),
      (error) => error instanceof SerializationError && error.message.startsWith(message),
      message,
    );
  }
});

test("the default reads what json has written", () => {
  for (const value of [undefined, null, { a: [1] }]) {
    assert.deepStrictEqual(
      superjsonSerializer.loads(jsonSerializer.dumps(value, place), place),
      value,
    );
  }
});

test("stored text that is corrupt is refused with the place", () => {
  for (const text of [
    "",
    "{",
    "superjson:",
    "superjson:{}x",
    "nonsense",
    "undefined?",
    'superjson:{"json":1,"meta":{"values":[["custom","other"]],"v":1}}',
  ]) {
    for (const serializer of [superjsonSerializer, jsonSerializer]) {
      assert.throws(
        () => serializer.loads(text, { kind: "entry", owner: "order-1", path: "3.0" }),
        (error) =>
          error instanceof SerializationError &&
          error.message.includes("step 3.0 of execution order-1"),
        text,
      );
    }
  }
});

test("the serializer of an option is found by name, or checked", () => {
  assert.equal(resolveSerializer(undefined), superjsonSerializer);
  assert.equal(resolveSerializer("superjson"), superjsonSerializer);
  assert.equal(resolveSerializer("json"), jsonSerializer);
  const own: Serializer = { name: "own", dumps: String, loads: String };
  assert.equal(resolveSerializer(own), own);
  for (const wrong of [
    "yaml",
    null,
    {},
    { name: "x", dumps: String },
    { dumps: String, loads: String },
  ]) {
    assert.throws(() => resolveSerializer(wrong as never), TypeError);
  }
});

test("places read as words", () => {
  const words = (["input", "result", "entry", "signal", "state", "stored-result"] as const).map(
    (kind) => describePlace({ kind, owner: "x", path: "1" }),
  );
  assert.deepEqual(words, [
    "input of execution x",
    "result of execution x",
    "step 1 of execution x",
    "signal 1 to execution x",
    "state 1 of execution x",
    "stored result of key x",
  ]);
});

function roundTrip(value: unknown): unknown {
  return superjsonSerializer.loads(superjsonSerializer.dumps(value, place), place);
}

function roundTripOrRefusal(value: unknown): unknown {
  try {
    return roundTrip(value);
  } catch (error) {
    if (error instanceof SerializationError) return error;
    throw error;
  }
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}
