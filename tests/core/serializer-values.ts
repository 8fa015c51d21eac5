import fc from "fast-check";
import { Result } from "../../src/core/result.ts";

/** What JSON does not know and the default serializer keeps. */
export function beyondJson(): Record<string, unknown> {
  return {
    undefined: undefined,
    NaN: Number.NaN,
    infinities: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0],
    bigint: -(2n ** 70n),
    Date: new Date(-1),
    Map: new Map<unknown, unknown>([
      [{ a: 1 }, new Map([[1n, new Set()]])],
      [undefined, null],
    ]),
    Set: new Set<unknown>([1n, 2, "3", new Set([new Date(1)]), Number.NaN]),
    RegExp: [/a\/b[/]/giu, new RegExp(""), Object.assign(/x/g, { lastIndex: 3 })],
    bytes: new Uint8Array([0, 255]),
    typedArrays: [
      new Float64Array([1.5, Number.NaN, -0]),
      new BigInt64Array([-1n]),
      new Uint16Array([65_535]),
      new Uint8ClampedArray(0),
    ],
    buffers: [new ArrayBuffer(3), new DataView(new ArrayBuffer(2))],
    window: new Uint8Array(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
    bare: Object.assign(Object.create(null) as object, { a: 1, at: new Date(0) }),
    groups: /(?<year>\d+)/.exec("1970")?.groups,
    keys: { "a.b": 1n, "": 2n, "\\": 3n, "0": 4n, "a\\.b": 5n, "[0]": 6n },
    undefinedParts: { a: undefined, b: [undefined, 1] },
    error: new TypeError("x", { cause: { at: new Date(0) } }),
    constructorKey: { constructor: "word", toJSON: "word", at: new Date(0) },
  };
}

class Customer {
  readonly name = "ada";
}
class SpecialMap extends Map {}
class SpecialArray extends Array {}
class SpecialDate extends Date {}

/** What it refuses, behind the words that it begins with. */
export function refused(): readonly [string, unknown][] {
  const cycle: Record<string, unknown> = { name: "a" };
  cycle["next"] = { back: [cycle] };
  const map = new Map<string, unknown>();
  map.set("self", map);
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  return [
    [
      "args[0].customer.avatar is a Customer instance, which would not come back as one; pass plain data",
      [{ customer: { avatar: new Customer() } }],
    ],
    ["args.f is a function (f), which cannot be stored", { f() {} }],
    ["args is a function (Customer)", Customer],
    ["args[0] is a symbol", [Symbol("x")]],
    ["args has a symbol as a key", { [Symbol("x")]: 1 }],
    [
      "args.total is a getter or setter",
      {
        get total() {
          return 1;
        },
      },
    ],
    ["args is a promise, which cannot be stored; await it first", Promise.resolve(1)],
    ["args is an iterator, which cannot be stored; yield* it", (function* () {})()],
    ["args is a WeakMap instance", new WeakMap()],
    ["args.next.back[0] refers back to a value that it is part of", cycle],
    ['args.get("self") refers back', map],
    ["args is an array with holes", [1, , 3]], // oxlint-disable-line no-sparse-arrays
    ["args is an array with a property of its own (index)", /b/.exec("abc")],
    ["args is an array with holes", Object.assign([1, , 3], { extra: 1 })], // oxlint-disable-line no-sparse-arrays
    ["args is a SpecialArray instance", new SpecialArray()],
    ["args is a SpecialMap instance", new SpecialMap()],
    ["args is a SpecialDate instance", new SpecialDate()],
    ["args is a String instance", new String("x")],
    ["args is an object with a prototype of its own", Object.create({ inherited: 1 })],
    [
      "args is a Date instance with a property of its own (zone)",
      Object.assign(new Date(), { zone: "UTC" }),
    ],
    ["args cannot be read", Object.create(Map.prototype)],
    ["args cannot be read", new Proxy(new Map(), {})],
    ["args cannot be stored", revoked.proxy],
    ["args cannot be stored", new Proxy({}, { ownKeys: trap })],
    [
      "args.a cannot be read (trapped)",
      {
        a: new Proxy(
          {},
          { getOwnPropertyDescriptor: trap, ownKeys: () => ["k"], getPrototypeOf: () => null },
        ),
        at: 1n,
      },
    ],
    ["args.toJSON is a function", { toJSON: () => 1 }],
    ["args has a toJSON method", Object.defineProperty({}, "toJSON", { value: () => 1 })],
    [
      'args["odd key"].get("k") is a Customer instance',
      { "odd key": new Map([["k", new Customer()]]) },
    ],
    ["args.values()[1] is a symbol", new Set([1, Symbol("x")])],
    ["args.keys()[0] is a function", new Map([[() => 1, 1]])],
    ["args.value.x is a symbol", Result.Ok({ x: Symbol("x") })],
  ];
}

function trap(): never {
  throw new Error("trapped");
}

const oddKeys = fc.constantFrom(
  "__proto__",
  "constructor",
  "prototype",
  "toJSON",
  "polluted",
  "length",
  "json",
  "meta",
  "a.b",
  "",
  "\0",
  "\ud800",
);
const keys = fc.oneof(oddKeys, fc.string({ unit: "binary" }));

/** Anything at all. */
export const arbitraryValue = fc.anything({
  key: keys,
  withBigInt: true,
  withDate: false, // an invalid Date is not deep-equal to itself on Node 20
  withMap: true,
  withSet: true,
  withNullPrototype: true,
  withTypedArray: true,
  withSparseArray: true,
  withBoxedValues: true,
  withUnicodeString: true,
  withObjectString: true,
});

/** Any value of what it promises to keep. */
export const { value: promisedValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.double(),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(null, undefined, -0),
    ),
    fc.bigInt(),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.array(tie("value")),
    fc.dictionary(keys, tie("value"), { noNullPrototype: true }),
    fc.array(tie("value")).map((items) => new Set(items)),
    fc.array(fc.tuple(tie("value"), tie("value"))).map((entries) => new Map(entries)),
    tie("value").map((value) => Result.Ok(value)),
    fc
      .tuple(fc.string(), fc.anything({ withBigInt: true, maxDepth: 2 }))
      .map(([message, cause]) => new RangeError(message, { cause })),
  ),
}));
