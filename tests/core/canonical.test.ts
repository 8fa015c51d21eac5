import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson } from "../../src/core/canonical.ts";
import { SerializationError } from "../../src/core/errors.ts";
import { Result } from "../../src/core/result.ts";
import { superjsonSerializer } from "../../src/core/serializer.ts";

test("plain arguments give canonical JSON, whatever the order of keys", () => {
  assert.equal(
    canonicalJson([{ b: [1, "1", null], a: { d: true, c: "x" } }]),
    '[{"a":{"c":"x","d":true},"b":[1,"1",null]}]',
  );
  assert.equal(canonicalJson([{ 10: 1, 9: 2, a: 3 }]), '[{"10":1,"9":2,"a":3}]');
});

test("equal values give one text", () => {
  const pairs: readonly [unknown, unknown][] = [
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [new Set([1, 2]), new Set([2, 1])],
    [
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
      new Map([
        ["b", 2],
        ["a", 1],
      ]),
    ],
    [{ a: undefined }, {}],
    [["x", undefined], ["x"]],
    [0, -0],
    [Buffer.from("a"), new Uint8Array([97])],
    [new Date(5), new Date(5)],
    [new TypeError("x"), new TypeError("x")],
    [Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
  ];
  for (const [a, b] of pairs) assert.equal(canonicalJson(a), canonicalJson(b));
});

test("different values give different texts", () => {
  const values: readonly unknown[] = [
    1,
    "1",
    1n,
    "1n",
    true,
    "true",
    null,
    "null",
    undefined,
    "undefined",
    Number.NaN,
    Infinity,
    [],
    {},
    [1],
    ["1"],
    [[1]],
    [1, 2],
    [2, 1],
    [null],
    [undefined, 1],
    new Date(1),
    "Date(1)",
    new Date(Number.NaN),
    new Set([1]),
    new Set(["1"]),
    new Map([[1, 1]]),
    new Map([["1", 1]]),
    { a: 1 },
    { a: "1" },
    { b: 1 },
    new URL("a:b"),
    "a:b",
    /a/,
    /a/g,
    new Uint8Array([1]),
    new Int8Array([1]),
    new ArrayBuffer(1),
    Result.Ok(1),
    Result.Error(1),
    new Error("x"),
    new TypeError("x"),
    new Error("y"),
  ];
  const texts = values.map(canonicalJson);
  assert.equal(new Set(texts).size, values.length);
});

test("what has no text is refused", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle, cycle);
  let graph: unknown = [];
  for (let level = 0; level < 64; level += 1) graph = [graph, graph];
  for (const value of [
    () => 1,
    Symbol("x"),
    new (class Foo {
      x = 1;
    })(),
    cycle,
    graph,
    [new WeakMap()],
    {
      get a() {
        throw new Error("x");
      },
    },
    new Proxy([], {
      get() {
        throw new Error("x");
      },
    }),
  ]) {
    assert.throws(() => canonicalJson([value]), SerializationError);
  }
});

test("a value and what the serializer gives back have the same text", () => {
  const place = { kind: "input", owner: "x" } as const;
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withTypedArray: true,
      }),
      (value) => {
        const back = superjsonSerializer.loads(superjsonSerializer.dumps(value, place), place);
        assert.equal(canonicalJson(back), canonicalJson(value));
      },
    ),
  );
});

test("plain JSON gives a text that JSON reads back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain: unknown = JSON.parse(JSON.stringify(value));
      assert.deepStrictEqual(JSON.parse(canonicalJson(plain)), plain);
    }),
  );
});
