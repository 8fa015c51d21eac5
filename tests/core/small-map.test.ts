import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SmallMap } from "../../src/core/small-map.ts";

test("does what a map does, whatever is put in and taken out", () => {
  const key = fc.constantFrom("a", "b", "c");
  const act = fc.oneof(
    fc.record({ act: fc.constant("set" as const), key, value: fc.integer() }),
    fc.record({ act: fc.constant("delete" as const), key }),
    fc.record({ act: fc.constant("clear" as const), key }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      const small = new SmallMap<string, number>();
      const plain = new Map<string, number>();
      for (const each of acts) {
        if (each.act === "set") {
          small.set(each.key, each.value);
          plain.set(each.key, each.value);
        } else if (each.act === "delete")
          assert.equal(small.delete(each.key), plain.delete(each.key));
        else {
          small.clear();
          plain.clear();
        }
        assert.equal(small.size, plain.size);
        assert.deepEqual([...small.keys()], [...plain.keys()]);
        assert.deepEqual([...small.values()], [...plain.values()]);
        for (const asked of ["a", "b", "c"]) {
          assert.equal(small.has(asked), plain.has(asked));
          assert.equal(small.get(asked), plain.get(asked));
        }
      }
    }),
  );
});
