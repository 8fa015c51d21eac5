import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
import type { EngineEvent, Logger, MetricsRecorder } from "../../src/observe/events.ts";
import { childLogger, Observer } from "../../src/observe/observer.ts";
import { settled } from "../support/manual-clock.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

describe("metrics", () => {
  test("are told of every event in their own words", () => {
    const told: unknown[] = [];
    const observer = new Observer({
      logger: new MemoryLogger(),
      metrics: recorder((...call) => told.push(call)),
    });
    for (const event of events) observer.emit(event);
    assert.deepEqual(told, [
      ["taskClaimed", { ...step, queuedMs: 12 }],
      ["taskCompleted", { ...step, durationMs: 34 }],
      ["taskFailed", { ...step, reason: "declined", retrying: true }],
      ["deadLettered", { ...step, reason: "declined" }],
      ["leaseRenewed", { workerId: "w-1", success: true }],
    ]);
  });

  test("are not told of a queue or worker that there is not", () => {
    const told: unknown[] = [];
    const observer = new Observer({ metrics: recorder((_hook, event) => told.push(event)) });
    observer.emit({ ...claimed, queue: undefined, workerId: undefined });
    assert.deepEqual(told, [{ step: "charge", kind: "activity", queuedMs: 12 }]);
  });

  const misbehaviours: Record<string, () => unknown> = {
    throw: () => {
      throw new Error("metrics are down");
    },
    "throw nothing": () => {
      // oxlint-disable-next-line typescript/only-throw-error -- users can
      throw undefined;
    },
    "be rejected later": () => Promise.reject(new Error("metrics are down")),
    "give a promise that throws when it is asked": () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- users can
      get then() {
        throw new Error("metrics are down");
      },
    }),
  };
  for (const [what, misbehave] of Object.entries(misbehaviours)) {
    test(`may ${what} without any effect, and are named for it once`, async () => {
      const logger = new MemoryLogger();
      const observer = new Observer({ logger, metrics: recorder(misbehave) });
      observer.emit(claimed);
      observer.emit(claimed);
      await settled();
      const warnings = logger.lines.filter(({ level }) => level === "warn");
      assert.equal(warnings.length, 1);
      assert.match(String(warnings[0]?.message), /metrics\.taskClaimed failed/);
    });
  }

  test("may never answer", () => {
    const observer = new Observer({ metrics: recorder(() => new Promise(() => undefined)) });
    observer.emit(claimed);
  });

  test("may lack a hook", () => {
    const logger = new MemoryLogger();
    const observer = new Observer({ logger, metrics: {} as MetricsRecorder });
    observer.emit(claimed);
    assert.equal(logger.lines.filter(({ level }) => level === "warn").length, 1);
  });
});

describe("the logger", () => {
  test("is told of every event, as loud as it matters", () => {
    const logger = new MemoryLogger();
    const observer = new Observer({ logger });
    for (const event of events) observer.emit(event);
    observer.emit({ type: "leaseRenewed", workerId: "w-1", success: false });
    assert.deepEqual(
      logger.lines.map(({ level, message }) => `${level}: ${message}`),
      [
        "debug: task claimed",
        "debug: task completed",
        "info: task failed and is retried",
        'warn: "charge" became a dead letter: declined',
        "debug: lease renewed",
        'error: an execution of "order" is blocked: path 3 differs',
        "warn: worker w-1 could not renew its lease",
      ],
    );
  });

  test("is given its lines as they are, and as its own method", () => {
    class Own extends MemoryLogger {}
    const logger = new Own();
    const { log } = new Observer({ logger });
    log.info("hello");
    log.error("goodbye", { a: 1 });
    assert.deepEqual(logger.lines, [
      { level: "info", message: "hello", fields: undefined },
      { level: "error", message: "goodbye", fields: { a: 1 } },
    ]);
  });

  const failing: Record<string, () => unknown> = {
    throw: () => {
      throw new Error("the disk is full");
    },
    "be rejected later": () => Promise.reject(new Error("the disk is full")),
  };
  for (const [what, fail] of Object.entries(failing)) {
    test(`may ${what} without any effect, and is named for it once on stderr`, async () => {
      using stderr = captured();
      const { log } = new Observer({ logger: loggerOf(fail) });
      log.info("one");
      log.info("two");
      await settled();
      assert.equal(stderr.lines.length, 1);
      assert.match(String(stderr.lines[0]), /logger\.info failed.*the disk is full/s);
    });
  }

  test("that fails does not make a failing metric worse", () => {
    using stderr = captured();
    const boom = (): never => {
      throw new Error("down");
    };
    new Observer({ logger: loggerOf(boom), metrics: recorder(boom) }).emit(claimed);
    assert.equal(stderr.lines.length, 2); // logger.debug and logger.warn
  });

  test("is stderr when there is none, for warnings and errors only", () => {
    using stderr = captured();
    const { log } = new Observer();
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d", { queue: "mail", error: new Error("no route") });
    assert.equal(stderr.lines.length, 2);
    assert.match(String(stderr.lines[0]), /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN stent: c$/);
    assert.match(
      String(stderr.lines[1]),
      /ERROR stent: d \{\s+queue: 'mail',\s+error: Error: no route/,
    );
  });

  test("that is stderr survives fields that cannot be shown", () => {
    using stderr = captured();
    const { log } = new Observer();
    log.warn("c", {
      get [Symbol.toStringTag]() {
        throw new Error("not to be shown");
      },
    });
    assert.equal(stderr.lines.length, 1);
  });
});

describe("a child logger", () => {
  test("adds its fields to every line, and lets the line's own win", () => {
    const logger = new MemoryLogger();
    const log = childLogger(childLogger(logger, { a: 1, b: 1 }), { b: 2, c: 2 });
    log.debug("one");
    log.info("two", { c: 3 });
    log.warn("three");
    log.error("four");
    assert.deepEqual(logger.lines, [
      { level: "debug", message: "one", fields: { a: 1, b: 2, c: 2 } },
      { level: "info", message: "two", fields: { a: 1, b: 2, c: 3 } },
      { level: "warn", message: "three", fields: { a: 1, b: 2, c: 2 } },
      { level: "error", message: "four", fields: { a: 1, b: 2, c: 2 } },
    ]);
  });

  test("keeps an error that stands in place of fields", () => {
    const logger = new MemoryLogger();
    const error = new Error("no route");
    childLogger(logger, { a: 1 }).error("failed", error);
    assert.deepEqual(logger.lines[0]?.fields, { a: 1, error });
  });

  test("leaves out fields that throw", () => {
    const logger = new MemoryLogger();
    childLogger(logger, { a: 1 }).info("one", {
      get b(): never {
        throw new Error("not to be read");
      },
    });
    assert.deepEqual(logger.lines[0]?.fields, { a: 1 });
  });
});

const step = { queue: "cards", step: "charge", kind: "activity", workerId: "w-1" };
const ids = { executionId: "e-1", taskId: "t-1" };
const claimed: Extract<EngineEvent, { type: "taskClaimed" }> = {
  type: "taskClaimed",
  ...step,
  ...ids,
  queuedMs: 12,
};
const events: readonly EngineEvent[] = [
  claimed,
  { type: "taskCompleted", ...step, ...ids, durationMs: 34 },
  { type: "taskFailed", ...step, ...ids, reason: "declined", retrying: true },
  { type: "deadLettered", ...step, ...ids, reason: "declined" },
  { type: "leaseRenewed", workerId: "w-1", success: true },
  {
    type: "executionBlocked",
    executionId: "e-1",
    workerId: "w-1",
    workflow: "order",
    reason: "path 3 differs",
  },
];

function recorder(told: (hook: string, event: object) => unknown): MetricsRecorder {
  return {
    taskClaimed: (event) => told("taskClaimed", event) as undefined,
    taskCompleted: (event) => told("taskCompleted", event) as undefined,
    taskFailed: (event) => told("taskFailed", event) as undefined,
    deadLettered: (event) => told("deadLettered", event) as undefined,
    leaseRenewed: (event) => told("leaseRenewed", event) as undefined,
  };
}

function loggerOf(line: () => unknown): Logger {
  const level = (): undefined => line() as undefined;
  return { debug: level, info: level, warn: level, error: level };
}

function captured(): Disposable & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  const mocked = mock.method(console, "error", (line: string) => {
    lines.push(line);
  });
  return { lines, [Symbol.dispose]: () => mocked.mock.restore() };
}
