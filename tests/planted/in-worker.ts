/** Mistakes of a worker: in what it begins, notices and replays. */
import type { PlantedBug } from "./planted-bug.ts";

export const plantedInWorker: readonly PlantedBug[] = [
  {
    name: "waking-by-hints-only",
    harm: "what others have made ready waits for ever where the hint of it was lost",
    changes: [
      {
        file: "src/worker/claimer.ts",
        find: "const poll = this.#idleMs * (1 - spread + 2 * spread * Math.random());",
        put: "const poll = Infinity * (1 - spread);",
      },
      {
        file: "src/worker/claimer.ts",
        find: "nextDueAt ?? Infinity, this.#noted, hintAt));",
        put: "nextDueAt ?? 2 ** 45, this.#noted, hintAt));",
      },
    ],
    caughtBy: [{ seeds: 300 }],
  },
  {
    name: "burial-without-asking",
    harm: "a worker that has beaten just now is buried, and what it begins is begun by others too",
    changes: [
      { file: "src/worker/session.ts", find: "died: true,\n      beat,\n", put: "died: true,\n" },
    ],
    caughtBy: [{ seeds: 10, first: 711 }],
  },
  {
    name: "lease-not-looked-at",
    harm: "a worker that was frozen begins what others have been given meanwhile",
    changes: [
      {
        file: "src/worker/intake.ts",
        find: "if (!leaseHolds() && !(await renewed())) return undefined; // by V4",
        put: "if (!leaseHolds() && session() < 0 && !(await renewed())) return undefined;",
      },
    ],
    caughtBy: [{ seeds: 300 }],
  },
  {
    name: "once-at-most-begun-again",
    harm: "an activity with maxAttempts 1 is begun again after its worker has died",
    changes: [
      {
        file: "src/worker/task-run.ts",
        find: "if (this.#policy.retry.maxAttempts === 1 && task.attempt > 1) {",
        put: "if (this.#policy.retry.maxAttempts === 0 && task.attempt > 1) {",
      },
      // Begun before a replay: this alone would be noticed by the one above.
      {
        file: "src/worker/lost-calls.ts",
        find: "policy !== undefined && policy.retry.maxAttempts > 1 && deaths < maxClaims",
        put: "policy !== undefined && deaths < maxClaims",
      },
    ],
    caughtBy: [{ seeds: 300 }],
  },
  {
    name: "value-not-round-tripped",
    harm: "a workflow sees another value at first than in its replay",
    changes: [
      {
        file: "src/worker/verdict.ts",
        find: 'return { kind: "completed", payload, value, records };',
        put: 'return { kind: "completed", payload, value: outcome.value, records };',
      },
    ],
    caughtBy: [
      {
        file: "tests/behaviours/activities.test.ts",
        test: "its result is what it was when it was returned",
      },
    ],
  },
  {
    name: "replayed-in-the-order-of-asking",
    harm: "a replay goes another way than the first run, where a later call was answered first",
    changes: [
      {
        file: "src/core/interpreter/recorded.ts",
        find: "this.deliveries = deliveries.toSorted((a, b) => (a.delivery ?? 0) - (b.delivery ?? 0));",
        put: "this.deliveries = deliveries;",
      },
    ],
    caughtBy: [
      { seeds: 100 },
      { file: "tests/core/interpreter/crashes.test.ts", test: "end with" },
    ],
  },
  {
    name: "kept-coroutine-of-another-claim",
    harm: "a worker goes on from a coroutine that is behind what others have done since",
    changes: [
      {
        file: "src/worker/held-work.ts",
        find: "kept.claim + 1 === claimed.claim && ",
        put: "kept.claim < claimed.claim && ",
      },
    ],
    caughtBy: [{ seeds: 300 }],
  },
  {
    name: "forgotten-and-never-let-go",
    harm: "what a claim has brought whose answer was lost stands under its session for ever",
    changes: [
      {
        file: "src/worker/held-check.ts",
        find: "await this.#letGoOfForgotten(held.executions);",
        put: "if (asked.length < 0) await this.#letGoOfForgotten(held.executions);",
      },
    ],
    caughtBy: [{ file: "tests/worker/forgotten.test.ts", test: "is let go and goes on" }],
  },
  {
    name: "wake-up-taken-for-read",
    harm: "an execution is parked over an outcome of which no hint has come yet",
    changes: [
      {
        file: "src/worker/hold.ts",
        find: "if (row.wakeSeq !== this.#wakeSeq) this.#woken = true;",
        put: "",
      },
    ],
    caughtBy: [{ file: "tests/worker/hold.test.ts", test: "what its row shows to have arrived" }],
  },
];
