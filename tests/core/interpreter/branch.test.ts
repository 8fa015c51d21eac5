import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { Drive, tickingFacts } from "./drive.ts";

describe("a branch", () => {
  test("that is the same generator as another one is refused at the yield", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const once = twice("a");
      const messages: string[] = [];
      for (const effect of [
        all([once, once]),
        race({ a: once, b: once }),
        allSettled([once, once]),
      ]) {
        try {
          yield effect;
        } catch (error) {
          messages.push((error as Error).message);
        }
      }
      yield* all([once]);
      try {
        yield* all([once]);
      } catch (error) {
        messages.push((error as Error).message);
      }
      return messages;
    });
    drive.value("1.0.1");
    drive.value("1.0.2");
    const messages = drive.result as string[];
    assert.equal(messages.length, 4);
    for (const message of messages)
      assert.match(message, /the same generator was given to \w+ twice, or runs already/);
  });

  test("that has begun below another one is refused when its turn comes", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const once = twice("a");
      return yield* allSettled([all([once]), once]);
    });
    drive.value("1.0.0.1");
    drive.value("1.0.0.2", "done");
    const [first, second] = drive.result as PromiseSettledResult<unknown>[];
    assert.deepEqual(first, { status: "fulfilled", value: ["done"] });
    assert.match(String(second?.status === "rejected" && second.reason), /same generator/);
  });

  test("made by a function that throws, throws at the yield", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* branch(noGenerator);
    });
    assert.equal((drive.failure.error as Error).message, "no generator today");
  });

  test("made by a function that gives no generator, or one that runs, is refused", () => {
    const wrong: [fn: unknown, message: RegExp][] = [
      [() => Promise.reject(new Error("lost")), /returned a promise/],
      [() => 5, /returned the number 5/],
      [() => undefined, /returned nothing/],
      [step, /returned a promise/],
    ];
    for (const [fn, message] of wrong) {
      const drive = new Drive(function* (): Flow<unknown> {
        return yield* branch(fn as () => Flow<void>);
      });
      assert.match(String(drive.failure.error), message);
    }
    const drive = new Drive(function* (): Flow<unknown> {
      const once = twice("a");
      return yield* all([once, branch(() => once)]);
    });
    assert.match(String(drive.failure.error), /same generator/);
  });

  test("nested too deeply is refused at the yield, before the stack or the database gives out", () => {
    function* deep(levels: number): Flow<number> {
      return levels === 0 ? 0 : 1 + (yield* branch(deep, levels - 1));
    }
    const coroutine = Coroutine.start(deep, [100_000]);
    const { done } = coroutine.advance([], tickingFacts());
    assert.match(
      String(done?.kind === "failed" && done.error),
      /RangeError: branches are nested too deeply/,
    );
    const shallow = Coroutine.start(deep, [400]).advance([], tickingFacts());
    assert.deepEqual(shallow.done, { kind: "completed", value: 400 });
  });
});

const step = activity("step", async (name: string) => name);

function* twice(name: string): Flow<unknown> {
  yield* call(step, name);
  return yield* call(step, name);
}

function noGenerator(): Flow<unknown> {
  throw new Error("no generator today");
}
