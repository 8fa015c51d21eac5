import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cancelled } from "../../../src/core/effects/scope.ts";
import { CancelledError } from "../../../src/core/errors.ts";
import type { Middleware } from "../../../src/core/middleware.ts";
import type { Delivery } from "../../../src/core/interpreter/turn.ts";
import { passing } from "../../support/middleware.ts";
import { Drive, tickingFacts } from "./drive.ts";
import { body, program, told, type Program } from "./random-programs.ts";

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

/** Whole numbers from 0 to below `sides`, the same for the same seed. */
function dice(seed: number): (sides: number) => number {
  let current = seed >>> 0;
  return (sides) => {
    current = (Math.imul(current, 1_664_525) + 1_013_904_223) >>> 0;
    return sides === 0 ? 0 : (current >>> 8) % sides;
  };
}
