/** Mistakes in what is stored, and in how two writers are kept apart. */
import type { PlantedBug } from "./planted-bug.ts";

const interleavings = "tests/conformance/interleavings.test.ts";
const sqlite = "tests/conformance/sqlite.test.ts";
const postgres = "tests/conformance/postgres.test.ts";
const executions = "src/store/statements/executions.ts";
const sessions = "src/store/statements/sessions.ts";

export const plantedInStore: readonly PlantedBug[] = [
  {
    name: "fence-without-lock",
    harm: "a commit sees its session live, and is stored after that was reaped",
    changes: [
      {
        file: "src/store/postgres/opening.ts",
        find: "and state = 'live' order by key for key share",
        put: "and state = 'live' order by key",
      },
    ],
    caughtBy: [
      { file: interleavings, test: "a session that is reaped while it claims holds nothing" },
      { file: interleavings, test: "what completes while its session is reaped" },
    ],
  },
  {
    name: "wake-without-sequence",
    harm: "what arrives while a turn is stored is not noticed by who parks",
    changes: [
      {
        file: executions,
        find: "then due_at else ${soonest} end`,\n      wake_seq: sql<number>`wake_seq + 1`,",
        put: "then due_at else ${soonest} end`,",
      },
    ],
    caughtBy: [
      { seeds: 100 },
      { file: sqlite, test: "no wake-up is lost" },
      { file: interleavings, test: "a message that comes while its receiver parks" },
    ],
  },
  {
    name: "parked-over-what-arrived",
    harm: "an execution is let go with a message in its inbox, and waits for ever",
    changes: [
      {
        file: executions,
        find: '.where("key", "=", given<number>("key"))\n    .where("wake_seq", "=", given<number>("wakeSeq")),',
        put: '.where("key", "=", given<number>("key")),',
      },
    ],
    caughtBy: [{ seeds: 100 }, { file: sqlite, test: "no wake-up is lost" }],
  },
  {
    name: "stale-claim-accepted",
    harm: "a worker that was given up writes beside its successor",
    changes: [
      {
        file: executions,
        find: '.where("claim", "=", given<number>("claim"))\n  .where("run"',
        put: '.where("run"',
      },
    ],
    caughtBy: [{ file: sqlite, test: "of a stale claim, another session or an earlier run" }],
  },
  {
    name: "stale-task-accepted",
    harm: "an attempt that was given up for lost stores its outcome beside the next one",
    changes: [
      {
        file: "src/store/verbs/task.ts",
        find: "row.worker !== request.session || row.claim !== request.claim",
        put: "row.worker === null",
      },
    ],
    caughtBy: [{ file: sqlite, test: "the outcome of a task" }],
  },
  {
    name: "dead-session-adopts",
    harm: "what a reaped worker dispatches is held by nobody who lives, for ever",
    changes: [
      {
        file: "src/store/verbs/dispatch.ts",
        find: "return (yield* batch.isLive(session)) ? session : undefined;",
        put: "return session;",
      },
    ],
    caughtBy: [{ file: sqlite, test: "hands nothing to a dead session" }],
  },
  {
    name: "heartbeat-of-the-dead",
    harm: "a worker that was reaped believes that it holds its work yet",
    changes: [
      {
        file: sessions,
        find: 'seen_at: given<number>("now") })\n    .where("key", "=", given<number>("session"))\n    .where("state", "=", "live"),',
        put: 'seen_at: given<number>("now") })\n    .where("key", "=", given<number>("session")),',
      },
    ],
    caughtBy: [{ seeds: 100 }, { file: sqlite, test: "that is dead cannot beat" }],
  },
  {
    name: "message-consumed-twice",
    harm: "one message is two waits' answer",
    changes: [
      {
        file: sessions,
        find: '.where("key", "=", given<number>("key"))\n    .where("execution", "=", given<number>("execution"))\n    .where("consumed_run", "is", null),',
        put: '.where("key", "=", given<number>("key")),',
      },
    ],
    caughtBy: [{ file: sqlite, test: "is consumed once, by one wait of one run" }],
  },
  {
    name: "dedupe-ignored",
    harm: "a message that is sent again, since its answer was lost, is there twice",
    changes: [
      {
        file: "src/store/verbs/message.ts",
        find: "dedupe !== undefined &&\n    (yield*",
        put: 'dedupe === "" &&\n    (yield*',
      },
    ],
    caughtBy: [{ seeds: 100 }, { file: sqlite, test: "that was sent before is sent once" }],
  },
  {
    name: "outcome-lost-on-a-held-parent",
    harm: "a child's outcome is not noticed by a parent that is held, and parks",
    changes: [
      {
        file: "src/store/verbs/outcome.ts",
        find: "batch.wake(execution, target.worker !== null);",
        put: "if (target.worker === null) batch.wake(execution, false);",
      },
    ],
    caughtBy: [
      { seeds: 100 },
      { file: interleavings, test: "a child that ends while its parent parks" },
    ],
  },
  {
    name: "outcome-of-a-former-run",
    harm: "what an earlier run has asked for is delivered to the next one",
    changes: [
      {
        file: "src/store/verbs/outcome.ts",
        find: "standing?.ended_at === null && standing.run === run ? standing",
        put: "standing?.ended_at === null && run > 0 ? standing",
      },
    ],
    caughtBy: [{ file: sqlite, test: "no news to a parent that has ended or begun another run" }],
  },
  {
    name: "limits-counted-without-a-lock",
    harm: "more run at a time than maxConcurrent allows, where two workers claim at once",
    changes: [
      {
        file: "src/store/postgres/locking.ts",
        find: "gate: passOver,\n",
        put: "",
      },
    ],
    caughtBy: [{ file: interleavings, test: "a claim beside who frees what it needs" }],
  },
  {
    name: "places-kept-by-the-dead",
    harm: "a worker that dies takes its places of maxConcurrent along",
    changes: [
      {
        file: "src/store/verbs/session.ts",
        find: "yield* leaveSession(batch, session);",
        put: "if (session < 0) yield* leaveSession(batch, session);",
      },
    ],
    caughtBy: [{ seeds: 100 }],
  },
  {
    name: "tasks-kept-by-the-dead",
    harm: "a call that was running in the queue is never begun again",
    changes: [
      {
        file: "src/store/verbs/session.ts",
        find: "if (row.cancelled === 0) batch.sql.tasks.release",
        put: "if (row.cancelled > 1) batch.sql.tasks.release",
      },
    ],
    caughtBy: [{ seeds: 100 }],
  },
  {
    name: "closure-in-two-transactions",
    harm: "what a transaction has written is there without its outcome, and is written again",
    changes: [
      {
        file: "src/store/sqlite/store.ts",
        find: "runThrough(complete(this.#begun(), request, end.value));",
        put: "this.#commit.run();\n    this.#begin.run();\n    runThrough(complete(this.#begun(), request, end.value));",
      },
    ],
    caughtBy: [
      {
        file: "tests/store/sqlite-closures.test.ts",
        test: "is not there where its outcome cannot be stored",
      },
    ],
  },
  {
    name: "deferred-begin",
    harm: "another process writes between a closure's reading and writing, which fails it",
    changes: [
      {
        file: "src/store/sqlite/store.ts",
        find: 'database.prepare("begin immediate")',
        put: 'database.prepare("begin")',
      },
    ],
    caughtBy: [
      { file: "tests/store/sqlite-closures.test.ts", test: "is kept from writing while a closure" },
    ],
  },
  {
    name: "no-full-sync",
    harm: "what was acknowledged is gone after the machine has lost its power",
    changes: [
      {
        file: "src/store/sqlite/connection.ts",
        find: 'database.pragma("synchronous = FULL");',
        put: 'database.pragma("synchronous = NORMAL");',
      },
      {
        file: "src/store/sqlite/connection.ts",
        find: 'mode !== "wal" || synchronous !== 2',
        put: 'mode !== "wal" || synchronous === 0',
      },
    ],
    caughtBy: [{ file: "tests/store/sqlite-disk.test.ts", test: "is on disk when it is answered" }],
  },
  {
    name: "unknown-commit-repeated",
    harm: "a commit whose answer was lost is stored twice",
    changes: [
      {
        file: "src/store/postgres/commit-connection.ts",
        find: "if (committing === undefined || !(await this.#isStored(id.batch))) throw error;",
        put: "if (committing === undefined || id.batch > 0) throw error;",
      },
    ],
    caughtBy: [
      { file: "tests/crash/postgres-lost-answers.test.ts", test: "a later one is stored once" },
    ],
  },
  {
    name: "rollback-taken-for-a-commit",
    harm: "what failed in the middle is answered as stored",
    changes: [
      {
        file: "src/store/postgres/committing.ts",
        find: 'if (answer?.command === "COMMIT") return;',
        put: 'if (answer?.command !== "") return;',
      },
    ],
    caughtBy: [
      { file: "tests/store/postgres/commit-answer.test.ts", test: "answered as a rollback" },
    ],
  },
  {
    name: "timer-in-memory-only",
    harm: "a sleep is over only where its worker lives on",
    changes: [
      {
        file: "src/store/verbs/turn.ts",
        find: "Math.min(next.dueAt ?? Infinity, deadline ?? Infinity);",
        put: "deadline ?? Infinity;",
      },
    ],
    caughtBy: [{ seeds: 100 }],
  },
  {
    name: "wake-before-its-time",
    harm: "a message begins a delayed execution early",
    changes: [
      {
        file: executions,
        find: 'case when due_at <= not_before or due_at <= ${given<number>("now")} then due_at else ${soonest} end',
        put: '${given<number>("now")}',
      },
    ],
    caughtBy: [{ file: sqlite, test: "does not start a delayed dispatch early" }],
  },
  {
    name: "retry-without-its-pause",
    harm: "a call that failed is tried again at once",
    changes: [
      {
        file: "src/store/verbs/task.ts",
        find: "key: row.key,\n    dueAt: batch.now + outcome.delayMs,",
        put: "key: row.key,\n    dueAt: batch.now,",
      },
    ],
    caughtBy: [{ seeds: 100 }],
  },
  {
    name: "map-goes-no-further",
    harm: "a map with a bound begins as many items as it may at a time, and no more",
    changes: [{ file: "src/store/verbs/task.ts", find: "  fanout.released += 1;\n", put: "" }],
    caughtBy: [{ seeds: 100 }],
  },
  {
    name: "cancel-asked-again",
    harm: "a second cancel puts its reason in place of the first",
    changes: [
      {
        file: "src/store/verbs/ending.ts",
        find: '|| isFinal(row.state) || row.state === "cancelling") return;',
        put: "|| isFinal(row.state)) return;",
      },
    ],
    caughtBy: [
      { file: sqlite, test: "the first reason stands" },
      { file: postgres, test: "the first reason stands" },
    ],
  },
  {
    name: "work-left-behind",
    harm: "calls of an execution that has ended run yet",
    changes: [
      {
        file: "src/store/verbs/ending.ts",
        find: "yield* removeWork(batch, row.key);",
        put: "if (row.key < 0) yield* removeWork(batch, row.key);",
      },
    ],
    caughtBy: [{ file: sqlite, test: "takes its tasks, fan-outs and arrivals along" }],
  },
];
