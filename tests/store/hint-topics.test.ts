import assert from "node:assert/strict";
import { test } from "node:test";
import { anything } from "../../src/store/foreign-changes.ts";
import { hintsOf, topicsOf } from "../../src/store/hint-topics.ts";

const none = { ready: false, woken: [], ended: [], stopped: [] };

test("topics name what happened by keys and ids, and say nothing of results", () => {
  const ended = [{ id: "order:1", state: "completed", result: "secret" }] as const;
  const topics = topicsOf({ ready: true, woken: [7], ended, stopped: [3, 4] });
  assert.deepEqual(topics, ["ready", "woken:7", "ended:order:1", "stopped:3", "stopped:4"]);
  assert.deepEqual(hintsOf(topics), {
    ready: true,
    woken: [7],
    ended: ["order:1"],
    stopped: [3, 4],
  });
});

test("a commit that concerns nobody makes no topic", () => {
  assert.deepEqual(topicsOf(none), []);
  assert.deepEqual(hintsOf([]), none);
});

test('"*" is anything, and "<kind>:*" any of a kind', () => {
  assert.equal(hintsOf(["ended:a", "*"]), anything);
  assert.deepEqual(hintsOf(["ended:a", "ended:*", "woken:1"]), {
    ...none,
    ended: "any",
    woken: [1],
  });
});

test("what is unknown says nothing", () => {
  assert.deepEqual(hintsOf(["later:1", "woken:x", "stopped:1.5", "readyish", ""]), none);
});
