import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { activity } from "../../../src/core/define.ts";
import { all, branch, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { signal } from "../../../src/core/effects/signal.ts";
import { Coroutine, type WorkflowBody } from "../../../src/core/interpreter/coroutine.ts";
import type { Entry } from "../../../src/core/journal.ts";

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

const step = activity("step", async () => 1);

function* single(): Flow<unknown> {
  return yield* call(step);
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
