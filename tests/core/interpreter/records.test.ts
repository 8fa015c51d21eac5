import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { counters, progress, state } from "../../../src/core/effects/record.ts";
import { Coroutine } from "../../../src/core/interpreter/coroutine.ts";
import { Drive, tickingFacts } from "./drive.ts";

describe("counters, state and progress", () => {
  test("are changes of the turn, with the delivery that led to them and what they replaced", () => {
    const drive = new Drive(function* (): Flow<void> {
      yield* counters.add("n", 2);
      yield* counters.add("n", -0.5);
      yield* state.set("phase", "one");
      yield* progress("begun");
      yield* call(step);
      yield* counters.add("n");
      yield* state.set("phase", { two: 2 });
    });
    assert.deepEqual(drive.turn.changes, [
      { path: "~0.0", kind: "counters.add", name: "n", change: 2, input: undefined, reached: 0 },
      { path: "~0.1", kind: "counters.add", name: "n", change: -0.5, input: 2, reached: 0 },
      {
        path: "~0.2",
        kind: "state.set",
        name: "phase",
        change: "one",
        input: undefined,
        reached: 0,
      },
      { path: "~0.3", kind: "progress", change: "begun", input: undefined, reached: 0 },
    ]);
    drive.value("1");
    assert.deepEqual(drive.turn.changes, [
      { path: "~1.0", kind: "counters.add", name: "n", change: 1, input: 1.5, reached: 1 },
      {
        path: "~1.1",
        kind: "state.set",
        name: "phase",
        change: { two: 2 },
        input: "one",
        reached: 1,
      },
    ]);
  });

  test("are not applied again on replay", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* counters.add("n");
      yield* call(step);
      yield* counters.add("n");
      yield* call(step);
      return yield* counters.get("n");
    });
    drive.value("1");
    drive.crash();
    drive.value("2");
    assert.equal(drive.result, 2);
    assert.deepEqual(drive.turn.changes, []);
  });

  test("are seen again as they were seen", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      const before = [yield* counters.get("n"), yield* state.get("k")];
      yield* counters.add("n", 5);
      yield* state.set("k", "v");
      yield* call(step);
      return [...before, yield* counters.get("n"), yield* state.get("k")];
    });
    drive.crash();
    drive.value("3");
    assert.deepEqual(drive.result, [0, undefined, 5, "v"]);
  });

  test("begin with what the execution has", () => {
    const coroutine = Coroutine.start(
      function* (): Flow<unknown> {
        yield* counters.add("n");
        return [yield* counters.get("n"), yield* state.get("k")];
      },
      [],
      { counters: new Map([["n", 41]]), state: new Map([["k", "kept"]]) },
    );
    const { done } = coroutine.advance([], tickingFacts());
    assert.deepEqual(done, { kind: "completed", value: [42, "kept"] });
    assert.deepEqual([...coroutine.snapshot().counters], [["n", 42]]);
  });

  test("do not change the map that they were begun with", () => {
    const given = new Map([["n", 1]]);
    const coroutine = Coroutine.start(
      function* (): Flow<unknown> {
        yield* counters.add("n");
        return 0;
      },
      [],
      { counters: given },
    );
    coroutine.advance([], tickingFacts());
    assert.deepEqual([...given], [["n", 1]]);
  });

  test("of an activity come with its outcome, before the workflow sees it", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      yield* counters.add("n");
      yield* call(step);
      yield* counters.add("n");
      return [yield* counters.get("n"), yield* state.get("__proto__")];
    });
    const named = JSON.parse('{ "__proto__": "odd" }') as Record<string, unknown>;
    drive.value("1", 1, { counters: { n: 10 }, state: named, progress: ["half", "done"] });
    assert.deepEqual(drive.result, [12, "odd"]);
    assert.deepEqual(
      drive.turn.changes.map(({ path, name, change, input }) => [path, name, change, input]),
      [
        ["~1.0", "n", 10, 1],
        ["~1.1", "__proto__", "odd", undefined],
        ["~1.2", undefined, "half", undefined],
        ["~1.3", undefined, "done", undefined],
        ["~1.4", "n", 1, 11],
      ],
    );
  });

  test("are refused with an outcome that is refused", () => {
    const drive = new Drive(function* (): Flow<unknown> {
      return yield* call(step);
    });
    drive.value("1", 1, { counters: { n: 1 } });
    assert.deepEqual(drive.value("1", 1, { counters: { n: 1 } }).changes, []);
    assert.equal(drive.counters.get("n"), 1);
  });

  test("keep their values from what the workflow does to what it was given", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        const list = [1];
        yield* state.set("k", list);
        list.push(2);
        const seen = (yield* state.get<number[]>("k")) ?? [];
        seen.push(3);
        yield* call(step);
        return yield* state.get("k");
      },
      [],
      json,
    );
    drive.value("2");
    assert.deepEqual(drive.result, [1]);
  });
});

describe("what cannot be stored", () => {
  test("is thrown at the yield of a call, and recorded as answered there", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        try {
          yield* call(taking, () => 1);
        } catch (error) {
          yield* call(step);
          return String(error);
        }
        return 0;
      },
      [],
      json,
    );
    const { path, kind, name, reached, delivery, outcome } = drive.entries()[0] ?? {};
    assert.deepEqual(
      [path, kind, name, reached, delivery, outcome?.ok],
      ["1", "call", "taking", 1, 1, false],
    );
    drive.crash();
    drive.value("2");
    assert.equal(drive.result, "TypeError: a function cannot be stored");
  });

  test("fails its branch", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* allSettled([call(step), call(taking, () => 1)]);
      },
      [],
      json,
    );
    drive.value("1.0");
    assert.equal((drive.result as PromiseSettledResult<unknown>[])[1]?.status, "rejected");
  });

  test("is thrown where it is set as state, in replay too, and the state stays as it is", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        const refused: string[] = [];
        for (const value of [1, () => 1, 2, () => 2]) {
          try {
            yield* state.set("k", value);
          } catch {
            refused.push(typeof value);
            yield* call(step);
          }
        }
        return [refused, yield* state.get("k")];
      },
      [],
      json,
    );
    assert.deepEqual(
      drive.turn.changes.map(({ path, change, input, outcome }) => [
        path,
        change,
        input,
        outcome?.ok,
      ]),
      [
        ["~0.0", 1, undefined, undefined],
        ["~0.1.1", 1, 1, false],
      ],
    );
    drive.crash();
    drive.value("1");
    drive.crash();
    drive.value("2");
    assert.deepEqual(drive.result, [["function", "function"], 2]);
  });

  test("as state is refused again at the same change, also where others were added before it", () => {
    const drive = new Drive(setting, [false], json);
    assert.deepEqual(drive.waiting, ["1 call(step)"]);
    const today = Coroutine.resume(setting, [true], drive.entries());
    assert.deepEqual(
      [...today.pending()].map(({ path }) => path),
      ["1"],
    );
  });

  test("names no delivery of its own as what failed the run: the one that led to it is asked for again", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        yield* all([call(step), call(step)]);
        return yield* call(taking, () => 1);
      },
      [],
      json,
    );
    drive.value("1.1");
    drive.value("1.0");
    assert.equal(drive.failure.failedBy, 2);
  });
});

const step = activity("step", async () => 1);
const taking = activity("taking", async (fn: () => number) => fn());

function* setting(more: boolean): Flow<unknown> {
  if (more) {
    yield* counters.add("new");
    yield* state.set("new", 1);
  }
  try {
    yield* state.set("k", () => 1);
    return 0;
  } catch {
    return yield* call(step);
  }
}

const json = {
  encode: (value: unknown): unknown =>
    JSON.stringify(value, (_key, part: unknown) => {
      if (typeof part === "function") throw new TypeError("a function cannot be stored");
      return part;
    }),
  decode: (text: unknown): unknown =>
    text === undefined ? undefined : (JSON.parse(text as string) as unknown),
};
