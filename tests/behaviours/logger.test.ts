/** What is logged, and what is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  context,
  fromPino,
  NonRetryableError,
  race,
  run,
  signal,
  sleep,
  sqlite,
  state,
  workflow,
  type Flow,
} from "stentjs";
import { isStoreBackend } from "../../src/store/backend.ts";
import type { Settled, Transition } from "../../src/store/store.ts";
import { MemoryLogger, type LogLine } from "../support/memory-logger.ts";
import { databaseFile, patience, serving, sqliteOnly, stentOn, until } from "../support/serving.ts";

const long = { timeout: 10_000 * patience };
const secret = "4242-4242";

const pay = activity("logger.pay", async (card: string) => {
  context().log.info("paying");
  return { card };
});
const refuse = activity(
  "logger.refuse",
  { retry: { maxAttempts: 2, initialDelay: 1 } },
  async (_card: string) => {
    throw new Error("refused");
  },
);
const order = workflow("logger.order", function* (card: string) {
  yield* state.set("card", card);
  yield* call(pay, card);
  yield* sleep("20ms");
  yield* run("note", () => card);
  const again = yield* signal<string>("again");
  yield* call(pay, again);
  try {
    yield* call(refuse, again);
  } catch {
    return card;
  }
  return again;
});

test("a line that concerns an execution names it, its worker, and its task if there is one", async (t) => {
  const logger = new MemoryLogger();
  const stent = await serving(t, { serve: { workerId: "w1" }, stent: { logger } });
  const handle = await stent.dispatch(order, [secret], { id: "order-1" });
  await handle.signal("again", secret);
  await handle.result(long);
  await stent.dispatch(bad, [], { id: "blocked-1" });
  await until("its task has failed", () =>
    logger.lines.some(({ fields }) => idsOf(fields).executionId === "blocked-1"),
  );
  const about = logger.lines.filter(({ message }) => message !== "lease renewed");
  assert.ok(about.length > 8);
  for (const line of about) {
    const { executionId, workerId, taskId } = idsOf(line.fields);
    assert.equal(workerId, "w1", line.message);
    assert.ok(executionId === "order-1" || executionId === "blocked-1", line.message);
    if (/task|paying/.test(line.message))
      assert.match(taskId ?? "", /^(?:order|blocked)-1\//, line.message);
  }
});
const bad = activity("logger.bad", async () => {
  throw new NonRetryableError("bad");
});

test("no line holds an argument, a result, a message or a value of the state", async (t) => {
  const logger = new MemoryLogger();
  const stent = await serving(t, { serve: { maxCachedWorkflows: 0 }, stent: { logger } });
  const handle = await stent.dispatch(order, [secret]);
  await handle.signal("again", secret);
  assert.equal(await handle.result(long), secret);
  assert.ok(logger.lines.length > 8);
  for (const line of logger.lines) assert.ok(!JSON.stringify(line).includes(secret), line.message);
});

test("what is replayed is logged once", async (t) => {
  const logger = new MemoryLogger();
  const stent = await serving(t, { serve: { maxCachedWorkflows: 0 }, stent: { logger } });
  const handle = await stent.dispatch(closing, []);
  await handle.result(long);
  const counted = new Map<string, number>();
  for (const { message, fields } of logger.lines) {
    if (message === "workflow replayed" || message === "lease renewed") continue;
    const line = `${message} ${idsOf(fields).taskId ?? ""}`;
    counted.set(line, (counted.get(line) ?? 0) + 1);
  }
  assert.ok(logger.lines.some(({ message }) => message === "workflow replayed"));
  assert.ok(
    [...counted.keys()].some((line) => line.startsWith("an error was thrown while a branch")),
  );
  assert.deepEqual(
    [...counted].filter(([, times]) => times !== 1),
    [],
  );
});

test(
  "what a turn has to tell is logged when it is stored, also if it had to be made twice",
  sqliteOnly,
  async (t) => {
    const logger = new MemoryLogger();
    let refused = 0;
    const backend = sqlite(databaseFile(t));
    assert.ok(isStoreBackend(backend));
    const refusing: typeof backend = {
      name: backend.name,
      identity: () => backend.identity(),
      plan: () => backend.plan(),
      async open(options) {
        const store = await backend.open(options);
        const commit = store.commit.bind(store);
        return Object.defineProperty(store, "commit", {
          value: async (batch: readonly Transition[]) => {
            const at = closed ? batch.findIndex(({ kind }) => kind === "turn") : -1;
            if (at < 0 || refused > 0) return commit(batch);
            refused += 1;
            const { settled, hints } = await commit(batch.filter((_, index) => index !== at));
            const refusal = { answer: { kind: "refused", reason: "cancelled" } } as Settled;
            return { settled: settled.toSpliced(at, 0, refusal), hints };
          },
        });
      },
    };
    closed = false;
    const stent = await stentOn(t, refusing as unknown as string, {
      stent: { logger, dev: false },
    });
    await stent.run(closing, []);
    assert.equal(refused, 1);
    const told = logger.lines.filter(({ message }) => message.startsWith("an error was thrown"));
    assert.equal(told.length, 1);
  },
);
let closed = false;
const closing = workflow("logger.closing", function* () {
  yield* race({
    quick: call(pay, "quick"),
    slow: (function* (): Flow<void> {
      try {
        yield* sleep("1h");
      } finally {
        closed = true;
        // oxlint-disable-next-line eslint/no-unsafe-finally -- this is what is logged
        throw new Error("while it was being closed");
      }
    })(),
  });
  yield* sleep("10ms");
  yield* call(pay, "after");
  yield* sleep("10ms");
});

test("a logger of pino's is given the fields first, and errors where it looks for them", () => {
  const lines: unknown[][] = [];
  const level =
    (name: string) =>
    (...given: unknown[]): void => {
      lines.push([name, ...given]);
    };
  const logger = fromPino({
    debug: level("debug"),
    info: level("info"),
    warn: level("warn"),
    error: level("error"),
  });
  const error = new Error("x");
  logger.debug("one");
  logger.info("two", { a: 1 });
  logger.warn("three", { a: 1, error });
  logger.error("four", { error: undefined });
  assert.deepEqual(lines, [
    ["debug", {}, "one"],
    ["info", { a: 1 }, "two"],
    ["warn", { a: 1, err: error }, "three"],
    ["error", { err: undefined }, "four"],
  ]);
});

function idsOf(fields: LogLine["fields"]): {
  readonly executionId?: string;
  readonly workerId?: string;
  readonly taskId?: string;
} {
  return fields ?? {};
}
