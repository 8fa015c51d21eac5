import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { counters, now, patched, random, state, workflow } from "stentjs";
import { Coroutine, type Facts } from "stentjs/interpreter";

describe("answers that a host knows beforehand", () => {
  test("are given in place of the world's, at their paths, and recorded", () => {
    const known = new Map<string, unknown>([
      ["1", new Date(5)],
      ["2", 0.25],
      ["4", "kept"],
    ]);
    const coroutine = Coroutine.start(asking, [], {
      answer: ({ kind }, path) => {
        if (kind === "patched") return { value: false };
        return known.has(path) ? { value: known.get(path) } : undefined;
      },
    });
    const { done, entries } = coroutine.advance([], facts);
    assert.deepEqual(done, { kind: "completed", value: [new Date(5), 0.25, 0, "kept", false] });
    assert.deepEqual(
      entries.map(({ path, outcome }) => [path, outcome?.ok === true && outcome.value]),
      [
        ["1", new Date(5)],
        ["2", 0.25],
        ["3", 0],
        ["4", "kept"],
      ],
    );
  });
});

const asking = workflow("asking for what is known", function* () {
  return [
    yield* now(),
    yield* random(),
    yield* counters.get("never set"),
    yield* state.get("never set"),
    yield* patched("change"),
  ];
});

const facts: Facts = { now: () => 1, random: () => 0.5, uuid: () => "none" };
