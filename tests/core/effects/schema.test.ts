import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { workflow } from "../../../src/core/define.ts";
import { call } from "../../../src/core/effects/call.ts";
import { map } from "../../../src/core/effects/map.ts";
import { defineSignal, sendSignal } from "../../../src/core/effects/signal.ts";
import { ValidationError } from "../../../src/core/errors.ts";
import type { StandardSchema } from "../../../src/core/schema.ts";

describe("a schema", () => {
  const checked = workflow(
    "checked",
    {
      input: schema<[number]>((value) =>
        Array.isArray(value) && typeof value[0] === "number"
          ? { value: [value[0] + 1] }
          : { issues: [{ message: "a number", path: [0, "n"] }] },
      ),
    },
    function* (n: number) {
      return n;
    },
  );

  test("of a workflow is applied where it is called, and what it puts out is what is stored", () => {
    assert.deepEqual(call(checked, 5), { kind: "call", name: "checked", args: [6] });
    assert.deepEqual(map(checked, [5]), { kind: "map", name: "checked", items: [[6]] });
    assert.throws(
      () => call(checked, "x" as never),
      (error) =>
        error instanceof ValidationError &&
        /the input of workflow "checked" was refused by its schema: 0\.n: a number/.test(
          error.message,
        ),
    );
  });

  test("of a signal is applied where it is sent", () => {
    const paid = defineSignal("paid", {
      schema: schema<number>((value) =>
        typeof value === "number" ? { value: value * 100 } : { issues: [{ message: "a number" }] },
      ),
    });
    assert.deepEqual(sendSignal("E-1", paid, 5), {
      kind: "sendSignal",
      execution: "E-1",
      name: "paid",
      payload: 500,
    });
    assert.throws(() => sendSignal("E-1", paid, "x" as never), ValidationError);
  });

  test("that answers with a promise is refused in a workflow", () => {
    const slow = defineSignal("slow", { schema: schema(() => Promise.reject(new Error("lost"))) });
    assert.throws(
      () => sendSignal("E-1", slow, 5),
      /is asynchronous; inside a workflow only synchronous schemas can be used/,
    );
  });
});

function schema<T>(validate: (value: unknown) => unknown): StandardSchema<T> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}
