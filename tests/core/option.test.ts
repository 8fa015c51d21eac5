import assert from "node:assert/strict";
import { test } from "node:test";
import { knownOptions, show } from "../../src/core/option.ts";

test("options of known names are taken, whatever their values", () => {
  for (const options of [
    {},
    { a: 1 },
    { a: undefined, b: null },
    Object.freeze({ b: 2 }),
    Object.assign(Object.create(null) as object, { a: 1 }),
  ])
    knownOptions("f", options, ["a", "b"]);
});

test("a name that is not known is refused, with those that are", () => {
  for (const options of [{ c: 1 }, { a: 1, c: undefined }]) {
    assert.throws(() => knownOptions("f", options, ["a", "b"]), {
      name: "TypeError",
      message: 'f has no option "c"; it takes a, b',
    });
  }
  assert.throws(() => knownOptions("f", { a: 1 }, []), /f takes no options, got "a"/);
});

test("what an object has by its class is none of its options", () => {
  class Options {
    a = 1;
    get b(): number {
      return 2;
    }
  }
  knownOptions("f", new Options(), ["a"]);
  knownOptions("f", Object.create({ c: 1 }), ["a"]);
});

test("what is no object of options is refused", () => {
  for (const options of [null, undefined, 5, "a", [], () => 1]) {
    assert.throws(
      () => knownOptions("f", options, ["a"]),
      /TypeError: the options of f must be an object, got /,
    );
  }
});

test("a value is shown so that an object is not taken for its text", () => {
  const handle = { id: "E-1", toString: () => "E-1" };
  assert.deepEqual([show("E-1"), show(handle)], ['"E-1"', 'an object whose id is "E-1"']);
  assert.deepEqual([show(null), show({}), show(5n)], ["null", "[object Object]", "5"]);
  assert.equal(show(Object.create(null)), "an object");
  assert.equal(show("x".repeat(200)).length, 101);
});
