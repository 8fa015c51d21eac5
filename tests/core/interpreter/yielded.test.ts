import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { counters } from "../../../src/core/effects/record.ts";
import { now } from "../../../src/core/effects/time.ts";
import { TurnLimitError } from "../../../src/core/errors.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { maxUnwaitedEffects } from "../../../src/core/interpreter/refusals.ts";
import { Drive, tickingFacts } from "./drive.ts";

describe("yielding what is no effect", () => {
  const wrong: Record<string, [value: unknown, told: RegExp]> = {
    "a promise": [
      Promise.resolve(1),
      /a promise, which a crash would lose; .*yield\* call\(activity, …\)/,
    ],
    "a promise that rejects": [Promise.reject(new Error("lost")), /a promise/],
    // oxlint-disable-next-line unicorn/no-thenable -- what this is about
    "a thenable": [{ then: () => undefined }, /a promise/],
    "a number": [5, /the number 5; write: yield\* effect/],
    "a string": ["text", /the string "text"/],
    "a symbol": [Symbol("s"), /the symbol Symbol\(s\)/],
    "a bigint": [5n, /the bigint 5/],
    nothing: [undefined, /nothing; write: yield\* effect/],
    null: [null, /null; write/],
    "a generator": [waiting(), /a generator; write yield\* to run it here, or all\(\[…\]\)/],
    "an async generator": [asyncGenerator(), /an async generator/],
    "a durable function": [
      activity("other", async () => 1),
      /the activity "other" itself; write: yield\* call\(other, …\)/,
    ],
    "a function": [function plain() {}, /the function plain; wrap what it does in an activity/],
    "an array": [[1, 2], /an array; write: yield\* all\(\[…\]\)/],
    "an object": [{ kind: "sleep", duration: 5 }, /an object with the keys kind, duration/],
    "an empty object": [{}, /the keys \(none\)/],
    "an object that cannot be read": [
      new Proxy(
        {},
        {
          has: (_target, key) => {
            if (key === "kind") return false;
            throw new Error("hostile");
          },
        },
      ),
      /an object that cannot be read/,
    ],
  };
  for (const [what, [value, message]] of Object.entries(wrong)) {
    test(`throws at that yield and says what to write instead: ${what}`, () => {
      const drive = new Drive(function* (): Flow<unknown> {
        try {
          yield value as never;
        } catch (error) {
          yield* call(step);
          return error;
        }
        return 0;
      });
      assert.deepEqual(drive.pending, ["1"], "it takes no number");
      drive.value("1");
      assert.ok(drive.result instanceof TypeError);
      assert.match(drive.result.message, message);
    });
  }

  test("in a branch, or as one, fails what yields it", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([
        Promise.reject(new Error("lost")),
        Promise.reject(new Error("lost too")),
      ] as never);
    });
    assert.match(String(drive.failure.error), /a promise/);
    const inside = new Drive(function* (): Flow<unknown> {
      return yield* all([call(step), nonsense()]);
    });
    assert.match(String(inside.failure.error), /the number 5/);
  });
});

describe("a workflow that never waits", () => {
  test("is stopped with a TurnLimitError at the yield, which it may catch", () => {
    const coroutine = Coroutine.start(function* (): Flow<unknown> {
      try {
        for (;;) yield* counters.get("n");
      } catch (error) {
        yield* call(step);
        return error;
      }
    }, []);
    const turn = coroutine.advance([], tickingFacts());
    assert.equal(turn.entries.length, maxUnwaitedEffects + 1);
    const path = turn.scheduled[0]?.path ?? "";
    const { done } = coroutine.advance(
      [{ kind: "outcome", path, outcome: { ok: true, value: 1 } }],
      tickingFacts(),
    );
    assert.ok(done?.kind === "completed" && done.value instanceof TurnLimitError);
  });

  const endless: Record<string, () => Flow<unknown>> = {
    effects: () => catching(() => now()),
    nonsense: () => catching(() => 5),
    "empty branches": () => catching(() => all([])),
    "changes without a number": () => catching(() => counters.add("n")),
  };
  for (const [what, body] of Object.entries(endless)) {
    test(`is ended where it catches that too: an endless loop of ${what}`, () => {
      const coroutine = Coroutine.start(body, []);
      const late = { kind: "outcome", path: "1", outcome: { ok: true, value: 1 } } as const;
      const turn = coroutine.advance([late], tickingFacts());
      assert.ok(turn.done?.kind === "failed" && turn.done.error instanceof TurnLimitError);
      assert.equal(turn.done.failedBy, 0);
      assert.deepEqual(turn.refused, [late], "what could not be delivered any more is refused");
    });
  }

  test("in a branch ends the run, and what waits is stopped", () => {
    const coroutine = Coroutine.start(function* (): Flow<unknown> {
      return yield* all([call(step), catching(() => counters.add("n"))]);
    }, []);
    const turn = coroutine.advance([], tickingFacts());
    assert.equal(turn.done?.kind, "failed");
    assert.deepEqual(turn.cancelled, ["1.0"]);
    assert.deepEqual([...coroutine.pending()], []);
  });

  test("ends the same way in replay", () => {
    const body = function* (): Flow<unknown> {
      yield* call(step);
      return yield* catching(() => counters.add("n"));
    };
    const coroutine = Coroutine.resume(
      body,
      [],
      [
        {
          path: "1",
          kind: "call",
          name: "step",
          reached: 0,
          delivery: 1,
          outcome: { ok: true, value: 1 },
        },
      ],
    );
    assert.ok(coroutine.done?.kind === "failed" && coroutine.done.error instanceof TurnLimitError);
    assert.equal(coroutine.done.failedBy, 1);
  });

  test("is not one that waits in between", () => {
    const coroutine = Coroutine.start(function* (): Flow<unknown> {
      for (let n = 0; n < maxUnwaitedEffects - 10; n += 1) yield* counters.add("n");
      yield* call(step);
      for (let n = 0; n < maxUnwaitedEffects - 10; n += 1) yield* counters.add("n");
      return "done";
    }, []);
    coroutine.advance([], tickingFacts());
    const answer = { kind: "outcome", path: "1", outcome: { ok: true, value: 1 } } as const;
    const { done } = coroutine.advance([answer], tickingFacts());
    assert.deepEqual(done, { kind: "completed", value: "done" });
  });

  test("is not one that waits in more branches than the limit", () => {
    const coroutine = Coroutine.start(function* (): Flow<unknown> {
      return yield* all(Array.from({ length: maxUnwaitedEffects + 10 }, () => all([call(step)])));
    }, []);
    assert.equal(coroutine.advance([], tickingFacts()).scheduled.length, maxUnwaitedEffects + 10);
  });
});

const step = activity("step", async () => 1);

function* waiting(): Flow<unknown> {
  return yield* call(step);
}

async function* asyncGenerator() {
  yield 1;
}

function* nonsense(): Flow<unknown> {
  yield 5 as never;
  return 0;
}

function* catching(make: () => unknown): Flow<unknown> {
  for (;;) {
    try {
      yield make() as never;
    } catch {
      continue;
    }
  }
}
