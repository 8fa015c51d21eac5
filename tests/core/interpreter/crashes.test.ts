import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { activity } from "../../../src/core/define.ts";
import { all, allSettled, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Branch, Flow } from "../../../src/core/effects/effect.ts";
import { random } from "../../../src/core/effects/local.ts";
import { counters, progress, state } from "../../../src/core/effects/record.ts";
import { cancel, fork, join, type Task } from "../../../src/core/effects/fork.ts";
import { continueAsNew, patched } from "../../../src/core/effects/lineage.ts";
import { cancelled, compensate, shield, within } from "../../../src/core/effects/scope.ts";
import { signal } from "../../../src/core/effects/signal.ts";
import { now, sleep } from "../../../src/core/effects/time.ts";
import { CancelledError } from "../../../src/core/errors.ts";
import { Coroutine, type WorkflowBody } from "../../../src/core/interpreter/coroutine.ts";
import type { Middleware } from "../../../src/core/middleware.ts";
import type { Delivery } from "../../../src/core/interpreter/turn.ts";
import type { Entry } from "../../../src/core/journal.ts";
import { Drive, tickingFacts } from "./drive.ts";

describe("random workflows, random deliveries, failures, a cancel", () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000_000);

  test(`end with the same result, effects and journal whenever they crash (SEED=${seed})`, () => {
    fc.assert(
      fc.property(program, fc.nat(), fc.nat(), (tree, chance, crashes) => {
        const smooth = play(tree, chance, () => false);
        const crashing = dice(crashes);
        const bumpy = play(tree, chance, () => crashing(3) > 0);
        assert.deepEqual(bumpy, smooth);
        const layered = play(tree, chance, () => crashing(3) > 0, [passing, passingToo]);
        assert.deepEqual(layered, smooth, "middleware that hands everything on changes nothing");
        checkUndo(smooth);
      }),
      { seed, numRuns: 1_000 },
    );
  });
});

describe("replaying 50,000 steps", () => {
  const shapes: Record<
    string,
    [body: (n: number) => WorkflowBody, journal: (n: number) => Entry[]]
  > = {
    "in sequence": [
      (n) =>
        function* (): Flow<unknown> {
          let sum = 0;
          for (let i = 0; i < n; i += 1) sum += yield* call(step);
          return sum;
        },
      (n) => Array.from({ length: n }, (_, i) => completed(String(i + 1), i, i + 1)),
    ],
    "in branches": [
      (n) =>
        function* (): Flow<unknown> {
          return yield* all(Array.from({ length: n }, () => branch(single)));
        },
      (n) => Array.from({ length: n }, (_, i) => completed(`1.${i}.1`, 0, n - i)),
    ],
    "in races": [
      (n) =>
        function* (): Flow<unknown> {
          for (let i = 0; i < n / 2; i += 1)
            yield* race({ done: call(step), late: signal("late", { timeout: "1h" }) });
          return 0;
        },
      (n) =>
        Array.from({ length: n / 2 }, (_, i): Entry[] => [
          completed(`${i + 1}.0`, i, i + 1),
          { path: `${i + 1}.1`, kind: "signal", name: "late", reached: i, dueAt: 1e12 },
          { path: String(i + 1), kind: "race", name: "done", reached: i + 1, delivery: i + 1 },
        ]).flat(),
    ],
  };
  for (const [what, [body, journal]] of Object.entries(shapes)) {
    test(`takes time in proportion: ${what}`, () => {
      const small = cpuTime(body(5_000), journal(5_000));
      const large = cpuTime(body(50_000), journal(50_000));
      // Ten times the steps; a quadratic replay takes a hundred times as long.
      assert.ok(large < 40 * small, `5,000 steps took ${small} ms, 50,000 took ${large} ms`);
    });
  }
});

// ── programs as data ──

type Program =
  | {
      readonly kind:
        | "call"
        | "sleep"
        | "signal"
        | "now"
        | "random"
        | "add"
        | "get"
        | "set"
        | "read"
        | "throw"
        | "nonsense"
        | "unstorable"
        | "patched"
        | "joinAny"
        | "cancelAny"
        | "again";
    }
  | {
      readonly kind: "seq" | "all" | "allSettled" | "race" | "named";
      readonly parts: readonly Program[];
    }
  | { readonly kind: "catch" | "finally"; readonly body: Program; readonly after: Program }
  | { readonly kind: "within" | "shield" | "fork" | "undo" | "undoLater"; readonly body: Program };

const leaf: fc.Arbitrary<Program> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ kind: "call" as const }) },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(...(["sleep", "signal", "now", "random", "add", "get", "set", "read"] as const))
      .map((kind) => ({ kind })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(...(["patched", "joinAny", "cancelAny"] as const))
      .map((kind) => ({ kind })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...(["throw", "nonsense", "unstorable", "again"] as const))
      .map((kind) => ({ kind })),
  },
);
const { program } = fc.letrec<{ program: Program }>((tie) => {
  const parts = fc.array(tie("program"), { maxLength: 5, size: "max" });
  return {
    program: fc.oneof(
      { depthSize: "large", withCrossShrink: true },
      leaf,
      fc.record({
        kind: fc.constantFrom(
          "seq" as const,
          "seq" as const,
          "seq" as const,
          "all" as const,
          "allSettled" as const,
          "race" as const,
          "named" as const,
        ),
        parts,
      }),
      fc.record({
        kind: fc.constantFrom("catch" as const, "finally" as const),
        body: tie("program"),
        after: tie("program"),
      }),
      fc.record({
        kind: fc.constantFrom(
          "within" as const,
          "shield" as const,
          "fork" as const,
          "fork" as const,
          "undo" as const,
          "undoLater" as const,
        ),
        body: tie("program"),
      }),
      fc.record({ kind: fc.constant("seq" as const), parts }),
    ),
  };
});

function* body(tree: Program): Flow<unknown> {
  return yield* interpret(tree, "@", []);
}

/** Runs a program, and says in progress what it saw. `tasks`: every fork so far, by whomever. */
function* interpret(tree: Program, where: string, tasks: Task<unknown>[]): Flow<unknown> {
  const value = yield* interpretOne(tree, where, tasks);
  yield* progress(`${where} ${tree.kind}: ${JSON.stringify(value)}`);
  return value;
}

function* interpretOne(tree: Program, where: string, tasks: Task<unknown>[]): Flow<unknown> {
  switch (tree.kind) {
    case "call":
      return yield* call(step);
    case "sleep":
      return yield* sleep(10);
    case "signal":
      return yield* signal("s", { timeout: 20 });
    case "now": {
      const at = yield* now();
      at.setTime(at.getTime() * 2);
      return at.getTime();
    }
    case "random":
      return yield* random();
    case "add":
      return yield* counters.add("n");
    case "get":
      return yield* counters.get("n");
    case "set":
      return yield* state.set("k", [where]);
    case "read": {
      const list = yield* state.get<string[]>("k");
      list?.push("changed");
      return list;
    }
    case "throw":
      throw new Error(`thrown at ${where}`);
    case "nonsense":
      return yield where as never;
    case "patched":
      return yield* patched(where.slice(0, 3));
    case "within":
      return yield* within(15, interpret(tree.body, `${where}w`, tasks));
    case "shield":
      return yield* shield(interpret(tree.body, `${where}s`, tasks));
    case "fork": {
      const task = yield* fork(interpret(tree.body, `${where}k`, tasks));
      tasks.push(task);
      return task.id;
    }
    case "undo":
      yield* compensate(undo(tree.body, where, tasks));
      yield* progress(`+${where}`);
      return where;
    case "undoLater":
      yield* compensate(() => branch(undo, tree.body, where, tasks));
      yield* progress(`+${where}`);
      return where;
    case "again":
      return yield* continueAsNew(where);
    case "joinAny": {
      const task = tasks[where.length % Math.max(1, tasks.length)];
      return task === undefined ? "none" : yield* join(task);
    }
    case "cancelAny": {
      const task = tasks[where.length % Math.max(1, tasks.length)];
      return task === undefined ? "none" : yield* cancel(task);
    }
    case "unstorable":
      return yield* state.set("k", () => where);
    case "seq": {
      const values: unknown[] = [];
      for (const [index, part] of tree.parts.entries())
        values.push(yield* interpret(part, `${where}${index}`, tasks));
      return values;
    }
    case "all":
      return yield* all(branches(tree.parts, where, tasks));
    case "allSettled":
      return (yield* allSettled(branches(tree.parts, where, tasks))).map((how) =>
        how.status === "fulfilled" ? how.value : String(how.reason),
      );
    case "race":
      if (tree.parts.length === 0) return "no race";
      return yield* race(
        Object.fromEntries(
          branches(tree.parts, where, tasks).map((made, index) => [`b${index}`, made]),
        ),
      );
    case "named":
      return yield* all(
        Object.fromEntries(
          branches(tree.parts, where, tasks).map((made, index) => [`b${index}`, made]),
        ),
      );
    case "catch":
      try {
        return yield* interpret(tree.body, `${where}b`, tasks);
      } catch (error) {
        return [`caught ${told(error)}`, yield* interpret(tree.after, `${where}c`, tasks)];
      }
    case "finally":
      try {
        return yield* interpret(tree.body, `${where}b`, tasks);
      } finally {
        yield* progress(`${where} closing: ${String(yield* cancelled())}`);
        yield* interpret(tree.after, `${where}f`, tasks);
      }
    default:
      return tree satisfies never;
  }
}

function* undo(tree: Program, where: string, tasks: Task<unknown>[]): Flow<unknown> {
  yield* progress(`-${where}`);
  return yield* interpret(tree, `${where}u`, tasks);
}

function branches(
  parts: readonly Program[],
  where: string,
  tasks: Task<unknown>[],
): Branch<unknown>[] {
  return parts.map((part, index) => {
    const at = `${where}/${index}`;
    if (part.kind === "call") return call(step);
    if (part.kind === "sleep") return sleep(10);
    return index % 2 === 0 ? interpret(part, at, tasks) : branch(interpret, part, at, tasks);
  });
}

const step = activity("step", async () => 1);

function* single(): Flow<unknown> {
  return yield* call(step);
}

// ── a host that leaves everything to chance ──

interface Story {
  readonly turns: number;
  readonly done: unknown;
  readonly journal: unknown;
  readonly counters: unknown;
  readonly state: unknown;
  readonly progress: readonly string[];
  readonly unheard: readonly string[];
}

const maxTurns = 400;

const passing: Middleware = function* passing(effect, next) {
  return yield* next(effect);
};
const passingToo: Middleware = function* passingToo(effect, next) {
  try {
    return yield* next(effect);
  } finally {
    yield* cancelled();
  }
};

function play(
  tree: Program,
  chance: number,
  crashes: () => boolean,
  middleware: readonly Middleware[] = [],
): Story {
  const roll = dice(chance);
  const facts = {
    ...tickingFacts(),
    encode: (value: unknown) => {
      if (typeof value === "function") throw new TypeError("cannot be stored");
      return structuredClone(value);
    },
    decode: (value: unknown) => structuredClone(value),
  };
  const drive = new Drive(body, [tree], facts, middleware);
  const cancelAt = roll(8);
  let turns = 0;
  const unheard = drive.turn.unheard.map(told);
  for (; drive.turn.done === undefined && turns < maxTurns; turns += 1) {
    if (crashes()) drive.crash();
    assert.ok(drive.pending.length > 0, "it waits for something, or it has ended");
    drive.deliver(...deliveries(drive, roll, turns === cancelAt));
    // As they are when they are logged: a fork's error may be joined, and grow, after that.
    unheard.push(...drive.turn.unheard.map(told));
  }
  if (drive.turn.done !== undefined) assert.deepEqual(drive.pending, [], "nothing runs on");
  return {
    turns,
    done: toldDone(drive),
    journal: drive
      .entries()
      .filter(({ kind }) => kind !== "middleware")
      .map(({ outcome, ...entry }) => ({
        ...entry,
        outcome: outcome?.ok === false ? told(outcome.error) : outcome,
      })),
    counters: [...drive.counters],
    state: [...drive.state],
    progress: drive.progress,
    unheard,
  };
}

function deliveries(drive: Drive, roll: (sides: number) => number, cancel: boolean): Delivery[] {
  const pending = drive.pending;
  const chosen: Delivery[] = [];
  for (let count = roll(3); count > 0; count -= 1) {
    const path = pending[roll(pending.length)];
    if (path !== undefined) chosen.push(outcome(path, roll));
  }
  if (roll(4) === 0) chosen.push(...drive.coroutine.due(1_000_000 + roll(100)));
  if (roll(5) === 0) chosen.push({ kind: "grace" }, outcome("9.9.9", roll));
  if (cancel) {
    const awaited = pending.filter(() => roll(2) === 0);
    chosen.splice(roll(chosen.length + 1), 0, {
      kind: "cancel",
      reason: new CancelledError("stop"),
      awaited,
    });
  }
  return chosen;
}

function outcome(path: string, roll: (sides: number) => number): Delivery {
  const records = roll(6) === 0 ? { counters: { n: 10 }, state: { k: [`by ${path}`] } } : undefined;
  return roll(4) === 0
    ? { kind: "outcome", path, outcome: { ok: false, error: new Error(`no ${path}`) } }
    : { kind: "outcome", path, outcome: { ok: true, value: [`value of ${path}`] }, records };
}

function toldDone(drive: Drive): unknown {
  const { done } = drive.turn;
  if (done === undefined || done.kind === "completed") return done;
  if (done.kind === "failed") return { failed: told(done.error), by: done.failedBy };
  if (done.kind === "continued") return { continued: done.input };
  return { closed: told(done.reason), errors: done.errors.map(told) };
}

/** U1: nothing is undone of what has succeeded; of anything else everything that was registered, newest first, once. */
function checkUndo({ done, progress: seen }: Story): void {
  const registered = seen.flatMap((line) => (line.startsWith("+") ? [line.slice(1)] : []));
  const undone = seen.flatMap((line) => (line.startsWith("-") ? [line.slice(1)] : []));
  if (done === undefined) return;
  const broken = "failed" in (done as object) || "closed" in (done as object);
  assert.deepEqual(undone, broken ? registered.toReversed() : []);
  const first = seen.findIndex((line) => line.startsWith("-"));
  if (first >= 0)
    assert.ok(
      !seen.slice(first).some((line) => line.startsWith("+")),
      "nothing is registered any more once undoing has begun",
    );
}

function told(error: unknown): string {
  const added: unknown =
    typeof error === "object" && error !== null && "errors" in error ? error.errors : undefined;
  return `${String(error)}${Array.isArray(added) ? ` with ${added.map(told).join(", ")}` : ""}`;
}

/** Whole numbers from 0 to below `sides`, the same for the same seed. */
function dice(seed: number): (sides: number) => number {
  let current = seed >>> 0;
  return (sides) => {
    current = (Math.imul(current, 1_664_525) + 1_013_904_223) >>> 0;
    return sides === 0 ? 0 : (current >>> 8) % sides;
  };
}

function completed(path: string, reached: number, delivery: number): Entry {
  return { path, kind: "call", name: "step", reached, delivery, outcome: { ok: true, value: 1 } };
}

function cpuTime(body: WorkflowBody, journal: readonly Entry[]): number {
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    assert.ok(Coroutine.resume(body, [], journal).done?.kind === "completed");
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}
