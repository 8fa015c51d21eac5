import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity, workflow } from "../../../src/core/define.ts";
import { all, branch } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import { makeEffect, type Effect, type Flow } from "../../../src/core/effects/effect.ts";
import { run, random, uuid } from "../../../src/core/effects/local.ts";
import { map, starmap } from "../../../src/core/effects/map.ts";
import { signal, sendSignal } from "../../../src/core/effects/signal.ts";
import { now, sleep, sleepUntil } from "../../../src/core/effects/time.ts";
import { NotSupportedError } from "../../../src/core/errors.ts";
import * as lineage from "../../../src/core/effects/lineage.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { Drive, tickingFacts } from "./drive.ts";

describe("an effect that waits", () => {
  test("is scheduled with its path, kind, name, input and the delivery that led to it", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* call(reserve, "A-1");
      yield* call(child, 7);
    });
    assert.deepEqual(plain(drive.turn.scheduled), [
      { path: "1", kind: "call", name: "reserve", input: ["A-1"], dueAt: undefined, reached: 0 },
    ]);
    drive.value("1", "held");
    assert.deepEqual(plain(drive.turn.scheduled), [
      { path: "2", kind: "child", name: "child", input: [7], dueAt: undefined, reached: 1 },
    ]);
    assert.deepEqual(
      drive.turn.delivered.map(({ path, delivery, reached }) => [path, delivery, reached]),
      [["1", 1, 0]],
    );
  });

  test("is answered by a value", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* call(reserve, "A-1");
    });
    drive.value("1", { hold: 5 });
    assert.deepEqual(drive.result, { hold: 5 });
  });

  test("is answered by an error, which the workflow may catch", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      try {
        return yield* call(reserve, "A-1");
      } catch (error) {
        return `caught ${String(error)}`;
      }
    });
    drive.error("1", new RangeError("sold out"));
    assert.equal(drive.result, "caught RangeError: sold out");
  });

  test("can be of every kind there is", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([
        call(reserve, "a"),
        call(child, 1),
        map(reserve, ["b", "c"]),
        starmap(reserve, [["d"]]),
        sleep("1s"),
        sleepUntil(5),
        signal("paid"),
        sendSignal("other", "go", { fast: true }),
        run("local", () => 1),
        lineage.transaction("post", () => 1),
      ]);
    });
    assert.deepEqual(
      drive.turn.scheduled.map(({ path, kind, name, input }) => [path, kind, name, input]),
      [
        ["1.0", "call", "reserve", ["a"]],
        ["1.1", "child", "child", [1]],
        ["1.2", "map", "reserve", [["b"], ["c"]]],
        ["1.3", "map", "reserve", [["d"]]],
        ["1.4", "sleep", undefined, undefined],
        ["1.5", "sleepUntil", undefined, undefined],
        ["1.6", "signal", "paid", undefined],
        ["1.7", "sendSignal", "go", { fast: true }],
        ["1.8", "run", "local", undefined],
        ["1.9", "transaction", "post", undefined],
      ],
    );
    for (const path of drive.pending) drive.value(path, path);
    assert.equal((drive.result as unknown[]).length, 10);
  });

  test("carries what the host's encoder made of it", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* call(reserve, "A-1");
      },
      [],
      { encode: (value, { kind, path }) => `${kind} ${path} ${JSON.stringify(value)}` },
    );
    assert.equal(drive.turn.scheduled[0]?.input, 'call 1 ["A-1"]');
  });

  test("is refused a second outcome, and one for a path that waits for nothing", () => {
    const drive = new Drive(twoCalls);
    drive.value("1", "first");
    const again = { kind: "outcome", path: "1", outcome: { ok: true, value: "second" } } as const;
    const nowhere = { kind: "outcome", path: "9", outcome: { ok: true, value: 0 } } as const;
    assert.deepEqual(drive.deliver(again, nowhere).refused, [again, nowhere]);
    assert.deepEqual(drive.journal.get("1")?.outcome, { ok: true, value: "first" });
  });

  test("gets outcomes with whatever the host wants to find again at them", () => {
    const drive = new Drive(twoCalls);
    const turn = drive.deliver({
      kind: "outcome",
      path: "1",
      outcome: { ok: true, value: 1 },
      tag: "attempt 2",
    });
    assert.equal(turn.delivered[0]?.tag, "attempt 2");
  });
});

describe("paths and numbers", () => {
  test("address a yield, a branch of it, and a yield of the branch", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* call(reserve, "one");
      yield* call(reserve, "two");
      yield* all([pair(), call(reserve, "direct"), all({ left: pair(), right: branch(pair) })]);
    });
    drive.value("1");
    drive.value("2");
    assert.deepEqual(drive.pending, ["3.0.1", "3.1", "3.2.0.1", "3.2.1.1"]);
    drive.value("3.0.1");
    assert.deepEqual(drive.pending, ["3.1", "3.2.0.1", "3.2.1.1", "3.0.2"]);
  });

  test("of one branch do not move when another one changes", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* all([pair(), pair()]);
    });
    drive.value("1.1.1");
    assert.equal(drive.journal.get("1.1.2")?.reached, 1);
    drive.value("1.0.1");
    assert.equal(drive.journal.get("1.0.2")?.reached, 2);
  });

  test("of deliveries are those of the order in which outcomes were delivered, several in a turn included", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([call(reserve, "a"), call(reserve, "b"), call(reserve, "c")]);
    });
    drive.deliver(valueFor("1.2"), valueFor("1.0"));
    drive.value("1.1");
    assert.deepEqual(
      drive.entries().map(({ path, delivery }) => [path, delivery]),
      [
        ["1.0", 2],
        ["1.1", 3],
        ["1.2", 1],
      ],
    );
  });

  test("count answers at the yield as deliveries of their own", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const values = [yield* now(), yield* random(), yield* uuid()];
      yield* call(reserve, "a");
      return values;
    });
    assert.deepEqual(
      drive.entries().map(({ path, kind, reached, delivery }) => [path, kind, reached, delivery]),
      [
        ["1", "now", 1, 1],
        ["2", "random", 2, 2],
        ["3", "uuid", 3, 3],
        ["4", "call", 3, undefined],
      ],
    );
    drive.crash();
    drive.value("4");
    assert.deepEqual((drive.result as unknown[]).slice(1), [0.000002, "uuid-3"]);
  });
});

describe("a crash", () => {
  test("is not noticed by the workflow, whenever it happens", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const at = yield* now();
      const first = yield* call(reserve, "a");
      const both = yield* all({ left: pair(), right: call(reserve, "b") });
      return [at.getTime(), first, both, yield* random()];
    });
    for (const path of ["2", "3.0.1", "3.1", "3.0.2"]) {
      drive.crash();
      drive.value(path, `value of ${path}`);
    }
    assert.deepEqual(drive.result, [
      1_000_001,
      "value of 2",
      { left: "value of 3.0.2", right: "value of 3.1" },
      0.000002,
    ]);
  });

  test("before the first commit begins the workflow anew", () => {
    const coroutine = Coroutine.resume(twoCalls, [], []);
    assert.deepEqual([...coroutine.pending()], []);
    assert.deepEqual(
      coroutine.advance([], tickingFacts()).scheduled.map(({ path }) => path),
      ["1"],
    );
  });

  test("does not let the workflow see what it did to a value it was given", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const at = yield* now();
      at.setTime(0);
      const list = yield* run("list", () => [1]);
      list.push(2);
      yield* call(reserve, "a");
      return [at.getTime(), list];
    });
    assert.deepEqual(drive.journal.get("1")?.outcome, { ok: true, value: new Date(1_000_001) });
    drive.deliver(valueFor("2", [1]));
    drive.crash();
    drive.value("3");
    assert.deepEqual(drive.result, [0, [1, 2]]);
  });
});

describe("an error", () => {
  test("is kept as it came, whatever the workflow and its siblings put into it", () => {
    const drive = new Drive(function* (): Flow<void> {
      try {
        yield* all([call(reserve, "a"), throwingWhenClosed()]);
      } catch (error) {
        (error as Error).message = `told once: ${(error as Error).message}`;
        yield* call(reserve, "clean up");
        throw error;
      }
    });
    const error = Object.assign(new RangeError("sold out"), { code: "SOLD" });
    drive.turn = drive.deliver({ kind: "outcome", path: "1.0", outcome: { ok: false, error } });
    const [delivered] = drive.turn.delivered;
    const stored: unknown = delivered?.outcome?.ok === false ? delivered.outcome.error : undefined;
    assert.ok(stored instanceof RangeError && stored !== error);
    assert.deepEqual(
      [stored.message, stored.stack, Object.entries(stored), "errors" in stored],
      ["sold out", error.stack, [["code", "SOLD"]], false],
    );
    drive.crash();
    drive.value("2");
    assert.equal((drive.failure.error as Error).message, "told once: sold out");
    assert.equal((drive.failure.error as { errors?: unknown[] }).errors?.length, 1);
  });
});

describe("an outcome that the journal has, but that was not delivered", () => {
  test("is named by the resumed coroutine, which waits for it", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* all([call(reserve, "a"), call(reserve, "b")]);
    });
    const journal = drive
      .entries()
      .map((entry) =>
        entry.path === "1.0" ? { ...entry, outcome: { ok: true, value: 5 } as const } : entry,
      );
    const coroutine = Coroutine.resume(
      function* (): Flow<unknown> {
        return yield* all([call(reserve, "a"), call(reserve, "b")]);
      },
      [],
      journal,
    );
    assert.deepEqual(
      coroutine.undelivered().map(({ path }) => path),
      ["1.0"],
    );
    coroutine.advance([valueFor("1.0", 5)], tickingFacts());
    assert.deepEqual(coroutine.undelivered(), []);
  });

  test("is not named where its branch has been closed meanwhile", () => {
    const losing = function* (): Flow<unknown> {
      return yield* all([call(reserve, "a"), call(reserve, "b")]);
    };
    const drive = new Drive(losing);
    drive.error("1.1", new Error("no"));
    const journal = drive
      .entries()
      .map((entry) =>
        entry.path === "1.0" ? { ...entry, outcome: { ok: true, value: 5 } as const } : entry,
      );
    assert.deepEqual(Coroutine.resume(losing, [], journal).undelivered(), []);
  });
});

describe("what is not supported", () => {
  test("says so at the yield: an effect of a kind that this version does not know", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield makeEffect<Effect<never>>({ kind: "teleport" });
    });
    assert.ok(drive.failure.error instanceof NotSupportedError);
    assert.match(drive.failure.error.message, /"teleport"/);
  });

  test("says so for a kind that nobody knows", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield { kind: "teleport", duration: 1 } as never;
      return 0;
    });
    assert.match(String(drive.failure.error), /an object with the keys kind, duration/);
  });
});

const reserve = activity("reserve", async (id: string) => id);
const child = workflow("child", function* (n: number) {
  return n;
});

function* throwingWhenClosed(): Flow<unknown> {
  try {
    return yield* call(reserve, "b");
  } finally {
    // oxlint-disable-next-line no-unsafe-finally -- what the test is about
    throw new Error("while it was closed");
  }
}

function* pair(): Flow<unknown> {
  yield* call(reserve, "first of a pair");
  return yield* call(reserve, "second of a pair");
}

function* twoCalls(): Flow<void> {
  yield* call(reserve, "a");
  yield* call(reserve, "b");
}

function valueFor(path: string, value?: unknown) {
  return { kind: "outcome", path, outcome: { ok: true, value } } as const;
}

function plain(entries: readonly object[]): object[] {
  return entries.map((entry) =>
    Object.fromEntries(Object.entries(entry).filter(([key]) => key !== "effect")),
  );
}
