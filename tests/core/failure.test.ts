import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect, types } from "node:util";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { registerError } from "../../src/core/error-classes.ts";
import * as errors from "../../src/core/errors.ts";
import { fromFailure, toFailure } from "../../src/core/failure.ts";
import { Result } from "../../src/core/result.ts";

test("the language's errors come back as themselves, equal in everything", () => {
  for (const error of [
    new Error("a"),
    new TypeError("b", { cause: new RangeError("c", { cause: "text" }) }),
    new AggregateError([new Error("1"), "2", undefined], "d"),
    Object.assign(new SyntaxError("e"), {
      code: "E_SYNTAX",
      line: 3,
      at: new Date(0),
      many: new Set([1n]),
    }),
    Object.assign(new Error("f"), { code: 42, name: "Renamed" }),
    new Error(""),
    new Error("NUL \0 and \ud800"),
  ]) {
    const back = travel(error);
    assert.deepStrictEqual(back, error);
    assert.equal(back.constructor, error.constructor);
    assert.equal(back.stack, error.stack);
    assert.ok(types.isNativeError(back));
    assert.deepStrictEqual(Object.keys(back).toSorted(), Object.keys(error).toSorted());
  }
});

test("what fetch and AbortSignal throw comes back as a DOMException", () => {
  const back = travel(
    AbortSignal.timeout(0).reason ?? new DOMException("too late", "TimeoutError"),
  );
  assert.ok(back instanceof DOMException);
  assert.equal(back.name, "TimeoutError");
  assert.equal(back.code, 23);
  assert.equal(back.message, "too late");
});

test("Stent's errors come back as themselves, with their fields", () => {
  const error = new errors.NonDeterminismError({
    path: "1",
    recorded: { kind: "call" },
    yielded: { kind: "sleep" },
  });
  assert.deepStrictEqual(travel(error), error);
  const cancelled = new errors.CancelledError(undefined, { errors: [new TypeError("in finally")] });
  const back = travel(cancelled);
  assert.ok(back instanceof errors.CancelledError && back.errors?.[0] instanceof TypeError);
  assert.deepStrictEqual(back, cancelled);
  assert.ok(!Object.keys(back).includes("errors"));
});

test("an unregistered class comes back as a RemoteError of the same name, code and properties", () => {
  class CardDeclined extends Error {
    override readonly name = "CardDeclined";
    readonly code = "card_declined";
    readonly cents = 100n;
  }
  const error = new CardDeclined("no funds", { cause: new TypeError("why") });
  const back = travel(error);
  assert.ok(back instanceof errors.RemoteError && !(back instanceof CardDeclined));
  assert.deepEqual(
    [back.name, back.originalName, back.message, back.code, back.stack, Reflect.get(back, "cents")],
    ["CardDeclined", "CardDeclined", "no funds", "card_declined", error.stack, 100n],
  );
  assert.ok(back.cause instanceof TypeError);
  assert.match(inspect(back), /CardDeclined/);
});

test("a class that sets no name is known by the name of the class", () => {
  class Unnamed extends TypeError {}
  const back = travel(new Unnamed("x"));
  assert.ok(back instanceof errors.RemoteError);
  assert.deepEqual(
    [back.name, back.originalName, back.code],
    ["Unnamed", "Unnamed", "REMOTE_ERROR"],
  );
});

test("a RemoteError that travels on stays the same, and becomes itself where its class is registered", () => {
  class Traveller extends errors.NonRetryableError {}
  const once = travel(new Traveller("x"));
  const twice = travel(once);
  assert.ok(twice instanceof errors.RemoteError);
  assert.deepStrictEqual(twice, once);
  assert.equal(twice.code, "NON_RETRYABLE");
  registerError(Traveller);
  assert.ok(travel(twice) instanceof Traveller);
});

test("a registered class comes back as itself, without running its constructor", () => {
  class Picky extends Error {
    readonly order: { id: string };
    constructor(order: { id: string }) {
      super(`order ${order.id}`);
      this.order = { id: order.id.toUpperCase() };
    }
    get orderId(): string {
      return this.order.id;
    }
  }
  registerError(Picky);
  const error = new Picky({ id: "a" });
  const back = travel(error);
  assert.ok(back instanceof Picky);
  assert.equal(back.orderId, "A");
  assert.deepStrictEqual(back, error);
  assert.equal(back.name, "Error", "as on the original, whose class sets no name");
});

test("a class may be registered under a name of its own, and the last one under a name holds", () => {
  class A extends Error {}
  class B extends Error {}
  registerError(A, "payment.Declined");
  assert.equal(toFailure(new A("x")).name, "payment.Declined");
  assert.ok(travel(new A("x")) instanceof A);
  registerError(B, "payment.Declined");
  assert.ok(travel(new A("x")) instanceof B);
  assert.throws(() => registerError(class extends Error {}), /without a name/);
  assert.throws(
    () =>
      registerError(
        class NoError {
          x = 1;
        } as never,
      ),
    TypeError,
  );
});

test("a user's class that is called like one of Stent's or the language's is not taken for it", () => {
  const impostors = [
    class CancelledError extends Error {},
    class ExpiryError extends Error {},
    class TypeError extends Error {},
  ];
  for (const Impostor of impostors) {
    const back = travel(new Impostor("x"));
    assert.ok(back instanceof errors.RemoteError && back.originalName === Impostor.name);
  }
});

test("errors of another realm, such as a test runner's, come back as those of this one", () => {
  const back = travel(
    runInNewContext(`Object.assign(new TypeError("x", { cause: new Error("y") }), { code: "E" })`),
  );
  assert.ok(back instanceof TypeError && back.cause instanceof Error);
  assert.equal(Reflect.get(back, "code"), "E");
});

test("what is thrown that is no Error comes back as a RemoteError that holds it", () => {
  class Money {
    cents = 1;
  }
  const cases: readonly [unknown, string, RegExp, unknown][] = [
    ["declined", "string", /^declined$/, "declined"],
    [undefined, "undefined", /undefined was thrown/, undefined],
    [null, "null", /null was thrown/, null],
    [42n, "bigint", /^42$/, 42n],
    [{ message: "soft", status: 500 }, "Object", /^soft$/, { message: "soft", status: 500 }],
    [{ status: 500 }, "Object", /"status":500/, { status: 500 }],
    [Result.Error("no"), "Result", /Result/, Result.Error("no")],
    [new Money(), "Money", /Money/, "[a Money instance]"],
    [Symbol("s"), "symbol", /Symbol\(s\)/, "[a symbol]"],
    [() => 1, "function", /=>/, "[a function]"],
  ];
  for (const [thrown, originalName, message, kept] of cases) {
    const back = travel(thrown);
    assert.ok(back instanceof errors.RemoteError);
    assert.equal(back.originalName, originalName);
    assert.match(back.message, message);
    assert.deepStrictEqual(Reflect.get(back, "thrown"), kept);
  }
});

test("parts of properties that cannot be stored are replaced by a text, and the others kept", () => {
  class Socket {
    fd = 1;
  }
  const config: Record<string, unknown> = {
    url: "http://x",
    retry: () => 1,
    socket: new Socket(),
    headers: { a: ["b", undefined] },
  };
  config["self"] = config;
  const error = Object.assign(new Error("axios"), { config, toText: () => "a method" });
  const back = travel(error);
  assert.deepStrictEqual(Reflect.get(back, "config"), {
    url: "http://x",
    retry: "[a function (retry)]",
    socket: "[a Socket instance]",
    headers: { a: ["b", undefined] },
    self: "[refers back to a value that it is part of]",
  });
  assert.ok(!("toText" in back));
});

test("cycles through causes, errors and properties end", () => {
  const error: Error & { self?: unknown; list?: unknown } = new Error("a");
  const other = new AggregateError([error], "b", { cause: error });
  error.cause = other;
  error.self = error;
  error.list = [other, { error }];
  const back = travel(error);
  assert.equal((back.cause as Error).message, "b");
  assert.match(((back.cause as Error).cause as Error).message, /circular: a/);
  assert.match((Reflect.get(back, "self") as Error).message, /circular: a/);
});

test("long chains of causes and long lists of errors are cut", () => {
  let chain = new Error("0");
  for (let depth = 1; depth < 5_000; depth += 1) chain = new Error(String(depth), { cause: chain });
  let depth = 0;
  for (let error: unknown = travel(chain); error instanceof Error; error = error.cause) depth += 1;
  assert.equal(depth, 21);
  const many = travel(
    new AggregateError(Array.from({ length: 250 }, (_, n) => new Error(String(n)))),
  );
  const kept = (many as AggregateError).errors as Error[];
  assert.equal(kept.length, 101);
  assert.match(kept[100]?.message ?? "", /150 more/);
  const wide = (level: number): Error =>
    new AggregateError(level === 0 ? [] : Array.from({ length: 10 }, () => wide(level - 1)));
  assert.ok(JSON.stringify(toFailure(wide(5))).length < 20_000_000);
});

test("whatever is thrown, toFailure does not throw and gives JSON", () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const hostile: readonly unknown[] = [
    revoked.proxy,
    new Proxy(new Error("x"), { get: trap, getPrototypeOf: trap, ownKeys: trap }),
    new Proxy(new Error("x"), { ownKeys: trap }),
    {
      get message() {
        return trap();
      },
    },
    Object.defineProperty(new Error("x"), "message", { get: trap }),
    Object.defineProperty(new Error("x"), "stack", { get: trap }),
    Object.defineProperty(new Error("x"), "name", { get: trap }),
    Object.defineProperty(new Error("x"), "code", { get: trap, enumerable: true }),
    Object.assign(Object.create(null) as object, { toString: trap }),
    { toString: trap, [Symbol.toPrimitive]: trap },
    Object.assign(new Error("x"), { message: { nested: true }, name: 5 }),
    Object.assign(new Error("x"), { cause: Symbol("x"), errors: "none" }),
    Object.create(Error.prototype),
    Object.setPrototypeOf(new Error("x"), null),
    Object.assign(
      new Error("x"),
      JSON.parse('{"__proto__":{"polluted":1},"constructor":1,"toJSON":2}'),
    ),
    Object.assign(new Error("x"), { toJSON: trap }),
    nested(10_000),
  ];
  for (const thrown of hostile) {
    const failure = toFailure(thrown);
    assert.deepStrictEqual(JSON.parse(JSON.stringify(failure)), failure);
    assert.ok(fromFailure(failure) instanceof Error);
  }
  assert.equal(Reflect.get({}, "polluted"), undefined);
});

test("any value can be thrown and comes back as an Error", () => {
  fc.assert(
    fc.property(
      fc.anything({
        withBigInt: true,
        withDate: true,
        withMap: true,
        withSet: true,
        withNullPrototype: true,
        withTypedArray: true,
        withSparseArray: true,
        withBoxedValues: true,
      }),
      (thrown) => {
        const back = travel(thrown);
        const again = travel(back);
        assert.ok(back instanceof errors.RemoteError);
        assert.equal(shown(again), shown(back));
      },
    ),
  );
});

test("name, message, code and cause of any error survive", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary", minLength: 1 }),
      fc.oneof(fc.string(), fc.integer(), fc.constant(undefined)),
      fc.jsonValue(),
      (message, name, code, cause) => {
        const error = Object.assign(
          new Error(message, { cause }),
          { name },
          code === undefined ? {} : { code },
        );
        const back = travel(error);
        assert.deepStrictEqual(
          [back.name, back.message, Reflect.get(back, "code")],
          [name, message, code],
        );
        assert.equal(JSON.stringify(back.cause), JSON.stringify(cause));
      },
    ),
  );
});

test("data that is only partly a failure is revived as far as it goes", () => {
  const odd = {
    name: "X",
    message: "m",
    stack: 5,
    code: {},
    cause: "no failure",
    errors: "none",
    properties: 7,
    meta: { values: { a: ["unknown"] } },
  };
  const back = fromFailure(odd as never);
  assert.deepEqual([back.name, back.message, back.stack], ["X", "m", "X: m"]);
});

function travel(thrown: unknown): Error {
  return fromFailure(JSON.parse(JSON.stringify(toFailure(thrown))) as never);
}

function trap(): never {
  throw new Error("trapped");
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = { value };
  return value;
}

/** As text: to Node 20 two invalid dates are not deeply equal. */
function shown(error: Error): string {
  return inspect([error.name, error.message, Reflect.get(error, "thrown")], {
    depth: null,
    maxArrayLength: null,
    maxStringLength: null,
  });
}
