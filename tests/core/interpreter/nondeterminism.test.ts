import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity, workflow } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Effect, Flow } from "../../../src/core/effects/effect.ts";
import { random, uuid } from "../../../src/core/effects/local.ts";
import { counters, progress, state } from "../../../src/core/effects/record.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { NonDeterminismError } from "../../../src/core/errors.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { Drive } from "./drive.ts";

/** What was done then, what the code does today, and what the error says. */
interface Case {
  readonly before: () => Flow<unknown>;
  readonly today: () => Flow<unknown>;
  /** Paths answered in between. */
  readonly answered?: readonly string[];
  readonly path: string;
  readonly recorded: string;
  readonly yielded: string;
}

const cases: Record<string, Case> = {
  "another kind": {
    before: steps(callOf("a")),
    today: steps(() => sleep(5)),
    path: "1",
    recorded: 'call "a"',
    yielded: "sleep",
  },
  "another name": {
    before: steps(callOf("a")),
    today: steps(callOf("b")),
    path: "1",
    recorded: 'call "a"',
    yielded: 'call "b"',
  },
  "another name further on": {
    before: steps(callOf("a"), callOf("b")),
    today: steps(callOf("a"), callOf("a")),
    answered: ["1"],
    path: "2",
    recorded: 'call "b"',
    yielded: 'call "a"',
  },
  "one effect less": {
    before: steps(callOf("a"), callOf("b"), callOf("c")),
    today: steps(callOf("a"), callOf("c")),
    answered: ["1", "2"],
    path: "2",
    recorded: 'call "b"',
    yielded: 'call "c"',
  },
  "one effect more": {
    before: steps(callOf("a"), callOf("c")),
    today: steps(callOf("a"), callOf("b"), callOf("c")),
    answered: ["1"],
    path: "2",
    recorded: 'call "c"',
    yielded: 'call "b"',
  },
  "a branch more": {
    before: steps(() => all([call(a)])),
    today: steps(() => all([call(a), call(b)])),
    path: "1.1",
    recorded: "nothing",
    yielded: 'call "b"',
  },
  "a branch less": {
    before: steps(() => all([call(a), call(b)])),
    today: steps(() => all([call(a)])),
    path: "1.1",
    recorded: 'call "b"',
    yielded: "nothing",
  },
  "an end before the last effect": {
    before: steps(callOf("a"), callOf("b")),
    today: steps(callOf("a")),
    answered: ["1"],
    path: "2",
    recorded: 'call "b"',
    yielded: "nothing",
  },
  "an end before an effect that was answered": {
    before: steps(callOf("a"), callOf("b"), callOf("c")),
    today: steps(callOf("a")),
    answered: ["1", "2"],
    path: "2",
    recorded: 'call "b"',
    yielded: "nothing",
  },
  "branches for a call": {
    before: steps(callOf("a")),
    today: steps(() => all([call(b)])),
    path: "1",
    recorded: 'call "a"',
    yielded: "all",
  },
  "a call for branches": {
    before: steps(() => all([call(b)])),
    today: steps(callOf("a")),
    path: "1",
    recorded: "branches",
    yielded: 'call "a"',
  },
  "a branch for a call": {
    before: steps(callOf("a")),
    today: steps(() => branch(steps(callOf("a")))),
    path: "1",
    recorded: 'call "a"',
    yielded: "branch",
  },
  "all for a race that is decided": {
    before: steps(() => race({ x: call(a), y: call(b) }), callOf("c")),
    today: steps(() => allSettled([call(a), call(b)]), callOf("c")),
    answered: ["1.1"],
    path: "1",
    recorded: 'race "y"',
    yielded: "allSettled",
  },
  "a race for a call": {
    before: steps(callOf("a")),
    today: steps(() => race({ x: call(a) })),
    path: "1",
    recorded: 'call "a"',
    yielded: "race",
  },
  "a race with another winner": {
    before: steps(() => race({ x: call(a), y: call(b) }), callOf("c")),
    today: steps(() => race({ x: call(a), z: call(b) }), callOf("c")),
    answered: ["1.1"],
    path: "1",
    recorded: 'race "y"',
    yielded: 'race "z"',
  },
  "a race that is won earlier": {
    before: steps(() => race({ x: steps(callOf("a"), callOf("b"))(), y: call(c) })),
    today: steps(() => race({ x: steps(callOf("a"))(), y: call(c) })),
    answered: ["1.0.1"],
    path: "1",
    recorded: "nothing",
    yielded: 'race "x"',
  },
  "another counter": {
    before: steps(() => counters.get("x"), callOf("a")),
    today: steps(() => counters.get("y"), callOf("a")),
    path: "1",
    recorded: 'counters.get "x"',
    yielded: 'counters.get "y"',
  },
  "another answer at the yield": {
    before: steps(() => random(), callOf("a")),
    today: steps(() => uuid(), callOf("a")),
    path: "1",
    recorded: "random",
    yielded: "uuid",
  },
  "an answer at the yield that is gone from the end of a branch": {
    before: steps(() =>
      all([steps(callOf("a"), () => now())(), steps(callOf("b"), callOf("c"))()]),
    ),
    today: steps(() => all([steps(callOf("a"))(), steps(callOf("b"), callOf("c"))()])),
    answered: ["1.0.1", "1.1.1"],
    path: "1.0.2",
    recorded: "now",
    yielded: "nothing",
  },
};

describe("a workflow whose code has changed", () => {
  for (const [what, { before, today, answered = [], path, recorded, yielded }] of Object.entries(
    cases,
  )) {
    test(`is refused its journal, both effects in the message: ${what}`, () => {
      const drive = new Drive(before);
      for (const at of answered) drive.value(at);
      const error = drive.divergence(today);
      assert.equal(error.path, path);
      assert.match(
        error.message,
        new RegExp(
          `at path ${path.replaceAll(".", "\\.")} its journal holds ${recorded}, but the code now yields ${yielded}\\.`,
        ),
      );
    });
  }

  test("is refused answers at the yield that come in another order", () => {
    const drive = new Drive(steps(() => all([now(), random()]), callOf("a")));
    const shifted = drive.entries().map((entry) => ({
      ...entry,
      ...(entry.kind === "now"
        ? { reached: 2, delivery: 2 }
        : entry.kind === "random"
          ? { reached: 1, delivery: 1 }
          : {}),
    }));
    assert.throws(
      () =>
        Coroutine.resume(
          steps(() => all([now(), random()]), callOf("a")),
          [],
          shifted,
        ),
      (thrown) =>
        thrown instanceof NonDeterminismError &&
        /holds now at path 1\.0 as number 2 .* comes to it as number 1/.test(thrown.message),
    );
  });

  test("is refused a race that the same branch wins, but earlier", () => {
    const racing = (make: (branches: Effect<unknown>[]) => Effect<unknown>) =>
      steps(() => race({ both: make([call(a), call(b)]), late: sleep("1h") }), callOf("c"));
    const drive = new Drive(racing(allSettled));
    drive.error("1.0.0", new Error("no"));
    drive.value("1.0.1");
    const error = drive.divergence(racing(all));
    assert.match(
      error.message,
      /holds race "both" at path 1 as number 2 .* comes to it as number 1/,
    );
  });

  test("is refused a journal with a gap in its deliveries", () => {
    const drive = new Drive(steps(callOf("a"), callOf("b")));
    drive.value("1");
    drive.value("2");
    const journal = drive
      .entries()
      .map((entry) => (entry.path === "2" ? { ...entry, delivery: 3 } : entry));
    assert.throws(
      () => Coroutine.resume(steps(callOf("a"), callOf("b")), [], journal),
      NonDeterminismError,
    );
  });

  test("is refused an activity that became a workflow of the same name", () => {
    const drive = new Drive(steps(callOf("a")));
    const journal = drive.entries();
    assert.throws(
      () =>
        Coroutine.resume(
          steps(() => call(child)),
          [],
          journal,
        ),
      NonDeterminismError,
    );
  });

  test("is given its journal where only what takes no number has changed", () => {
    const drive = new Drive(steps(callOf("a"), callOf("b")));
    drive.value("1");
    const today = steps(
      () => counters.add("n"),
      callOf("a"),
      () => state.set("k", 1),
      () => progress("half"),
      callOf("b"),
    );
    const coroutine = Coroutine.resume(today, [], drive.entries());
    assert.deepEqual(
      [...coroutine.pending()].map(({ path }) => path),
      ["2"],
    );
    assert.deepEqual(
      coroutine.snapshot().counters.size,
      0,
      "what was passed before is not applied later",
    );
  });

  test("cannot catch the refusal", () => {
    const drive = new Drive(steps(callOf("a")));
    const error = drive.divergence(function* (): Flow<unknown> {
      for (;;) {
        try {
          yield* call(b);
        } catch {
          continue;
        }
      }
    });
    assert.equal(error.path, "1");
  });

  test("names the entry that was reached first, of those it does not come to", () => {
    const drive = new Drive(steps(...Array.from({ length: 12 }, () => callOf("a"))));
    for (let n = 1; n < 12; n += 1) drive.value(String(n));
    const journal = drive
      .entries()
      .toSorted((x, y) => (x.path < y.path ? -1 : 1))
      .filter(({ path }) => Number(path) > 1);
    journal.unshift({ path: "1", kind: "call", name: "a", reached: 0 });
    assert.throws(
      () => Coroutine.resume(steps(callOf("a")), [], journal),
      (error) => error instanceof NonDeterminismError && error.path === "2",
    );
  });
});

const a = activity("a", async () => 1);
const b = activity("b", async () => 1);
const c = activity("c", async () => 1);
const child = workflow("a", { version: "2" }, function* () {
  return 1;
});

function callOf(name: "a" | "b" | "c") {
  return () => call({ a, b, c }[name]);
}

function steps(
  ...effects: readonly (() => Flow<unknown> | ReturnType<typeof call>)[]
): () => Flow<unknown> {
  return function* (): Flow<unknown> {
    for (const effect of effects) yield* effect();
    return "end";
  };
}
