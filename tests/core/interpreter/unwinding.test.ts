import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { continueAsNew } from "../../../src/core/effects/lineage.ts";
import { all, race } from "../../../src/core/effects/branch.ts";
import { Drive } from "./drive.ts";

const step = activity("step", async (_what: string) => "done");

function* renting(what = "release"): Flow<string> {
  try {
    return yield* call(step, "work");
  } finally {
    yield* call(step, what);
  }
}

describe("a close in a helper whose finally block waits", () => {
  test("goes on to the body's own clean-up, and not behind the helper", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* renting();
        yield* call(step, "charge");
      } finally {
        yield* call(step, "close the account");
      }
      yield* call(step, "charge again");
    });
    drive.cancel();
    assert.deepEqual(drive.waiting, ["2 call(step)"]);
    drive.value("2");
    assert.deepEqual(drive.waiting, ["3 call(step)"]);
    drive.value("3");
    assert.equal(drive.turn.done?.kind, "closed");
  });

  test("ends them from inside to outside, through any number of helpers, and those of their clean-up", () => {
    const seen: string[] = [];
    function* nested(depth: number): Flow<void> {
      try {
        if (depth > 0) yield* nested(depth - 1);
        else yield* call(step, "work");
        seen.push(`behind ${depth}`);
      } finally {
        yield* cleaning(depth);
        seen.push(`cleaned ${depth}`);
      }
      seen.push(`after ${depth}`);
    }
    function* cleaning(depth: number): Flow<void> {
      if (depth % 2 === 0) yield* call(step, "clean");
      yield* call(step, "up");
    }
    const drive = new Drive(() => nested(3));
    drive.cancel();
    seen.length = 0;
    for (const [waiting] = drive.waiting; drive.waiting.length > 0;)
      drive.value((drive.waiting[0] ?? waiting ?? "").split(" ")[0] ?? "");
    assert.equal(drive.turn.done?.kind, "closed");
    const once = ["cleaned 0", "cleaned 1", "cleaned 2", "cleaned 3"];
    assert.deepEqual(seen.slice(-4), once);
    assert.ok(!seen.some((text) => text.startsWith("behind") || text.startsWith("after")));
  });

  test("in a loop does not begin the next round", () => {
    const drive = new Drive(function* (): Flow<void> {
      for (;;) yield* renting();
    });
    drive.cancel();
    drive.value("2");
    assert.equal(drive.turn.done?.kind, "closed");
  });

  test("is not told by generators that the clean-up itself ends", () => {
    function* numbers(): Generator<number> {
      try {
        yield 1;
        yield 2;
      } finally {
        yield 3; // a loop that breaks out waits for no value
      }
    }
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* call(step, "work");
      } finally {
        for (const number of numbers()) if (number === 1) break;
        yield* call(step, "release");
        yield* call(step, "and go");
      }
    });
    drive.cancel();
    drive.value("2");
    assert.deepEqual(drive.waiting, ["3 call(step)"]);
    drive.value("3");
    assert.equal(drive.turn.done?.kind, "closed");
  });

  test("where that throws is thrown where the body has delegated", () => {
    const caught: unknown[] = [];
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* renting();
      } catch (error) {
        caught.push(error);
        throw error;
      } finally {
        yield* call(step, "close the account");
      }
    });
    drive.cancel();
    const lost = new Error("the key is lost");
    drive.error("2", lost);
    assert.deepEqual(drive.waiting, ["3 call(step)"]);
    drive.value("3");
    assert.equal(drive.turn.done?.kind, "closed");
    assert.ok(caught.includes(lost));
  });

  test("is the same for the loser of a race and the sibling of what failed", () => {
    function* paying(): Flow<void> {
      yield* renting();
      yield* call(step, "charge");
    }
    const raced = new Drive(function* (): Flow<unknown> {
      return yield* race({ fast: call(step, "fast"), paying: paying() });
    });
    raced.value("1.0", "won");
    for (const place of raced.waiting) raced.value(place.split(" ")[0] ?? "");
    assert.deepEqual(raced.waiting, []);

    const failed = new Drive(function* (): Flow<unknown> {
      return yield* all([call(step, "fast"), paying()]);
    });
    failed.error("1.0", new Error("declined"));
    for (const place of failed.waiting) failed.value(place.split(" ")[0] ?? "");
    assert.deepEqual(failed.waiting, []);
    assert.match(String(failed.failure.error), /declined/);
  });
});

test("continueAsNew in a helper whose finally block waits leaves the body as well", () => {
  function* leaving(): Flow<void> {
    try {
      yield* continueAsNew("next");
    } finally {
      yield* call(step, "release");
    }
  }
  const drive = new Drive(function* (): Flow<void> {
    yield* leaving();
    yield* call(step, "charge");
  });
  drive.value("2");
  assert.deepEqual(drive.waiting, []);
});

test("a helper's finally block that returns decides for the body as well", () => {
  function* deciding(): Flow<string> {
    try {
      yield* continueAsNew("next");
      return "never";
    } finally {
      yield* call(step, "release");
      // oxlint-disable-next-line no-unsafe-finally -- what is tried
      return "decided";
    }
  }
  const drive = new Drive(function* (): Flow<string> {
    yield* deciding();
    return "behind";
  });
  drive.value("2");
  assert.equal(drive.result, "decided");
});
