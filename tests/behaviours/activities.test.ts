import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import {
  activity,
  all,
  call,
  context,
  counters,
  ExpiryError,
  map,
  NoContextError,
  sleep,
  workflow,
  type ActivityContext,
  type Flow,
} from "stentjs";
import { aborted, rejection, serving, until } from "../support/serving.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

const limit = { timeout: "10s" };

const starts = new Map<string, number>();
function start(key: string): number {
  const n = (starts.get(key) ?? 0) + 1;
  starts.set(key, n);
  return n;
}
const reasons = new Map<string, unknown>();

// ── time ──

const slow = activity(
  "activities.slow",
  { timeout: 50, retry: { maxAttempts: 2, initialDelay: 1 } },
  async (key: string) => {
    start(key);
    reasons.set(key, await aborted(context().signal));
    throw new Error("I heard it, and say something else");
  },
);
const endless = activity(
  "activities.endless",
  { timeout: 50, retry: { maxAttempts: 1 } },
  async (key: string) => {
    start(key);
    await new Promise(() => undefined);
  },
);
const total = activity(
  "activities.total",
  { totalTimeout: 120, retry: { maxAttempts: 100, initialDelay: 30, backoffFactor: 1, jitter: 0 } },
  async (key: string) => {
    start(key);
    throw new Error("again");
  },
);
const totalHangs = activity(
  "activities.totalHangs",
  { totalTimeout: 60, retry: { maxAttempts: 5 } },
  async (key: string) => {
    start(key);
    reasons.set(key, await aborted(context().signal));
  },
);
const silent = activity(
  "activities.silent",
  { heartbeatTimeout: 60, retry: { maxAttempts: 1 } },
  async (key: string) => {
    start(key);
    for (let i = 0; i < 4; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      context().heartbeat(i);
    }
    reasons.set(key, await aborted(context().signal));
  },
);
const times = { slow, endless, total, totalHangs, silent } as const;
const timed = workflow(
  "activities.timed",
  function* (which: keyof typeof times, key: string, queue?: string): Flow<unknown> {
    const fn = times[which];
    return yield* call(queue === undefined ? fn : fn.with({ queue }), key);
  },
);

for (const queue of [undefined, "q"]) {
  const where = queue === undefined ? "here" : "from the queue";
  for (const which of ["slow", "endless", "totalHangs", "silent"] as const) {
    test(`an attempt that takes too long (${which}, ${where}) is given up and told`, async (t) => {
      const stent = await serving(t);
      const key = `${which} ${where}`;
      const before = performance.now();
      const error = await rejection(stent.run(timed, [which, key, queue]));
      assert.ok(error instanceof ExpiryError, String(error.stack));
      assert.equal(error.code, "ATTEMPT_TIMED_OUT");
      assert.ok(performance.now() - before < 1_500);
      assert.equal(starts.get(key), which === "slow" ? 2 : 1);
      if (which !== "endless") {
        await until("it was told", () => reasons.has(key));
        assert.ok(reasons.get(key) instanceof ExpiryError);
      }
    });
  }
  test(`totalTimeout ends the attempts (${where})`, async (t) => {
    const stent = await serving(t);
    const key = `total ${where}`;
    const before = performance.now();
    const handle = await stent.dispatch(timed, ["total", key, queue]);
    const error = await rejection(handle.result(limit));
    const took = performance.now() - before;
    assert.ok(took < 600, `${took}`);
    const n = starts.get(key) ?? 0;
    assert.ok(n >= 2 && n <= 5, `${n} starts`);
    assert.ok(
      (error instanceof ExpiryError && error.code === "ATTEMPT_TIMED_OUT") ||
        error.message === "again",
    );
    assert.equal((await handle.state()).state, "failed");
  });
}

test("jobs know timeout, totalTimeout and heartbeatTimeout too", async (t) => {
  const stent = await serving(t);
  for (const which of ["slow", "endless", "totalHangs", "silent"] as const) {
    const error = await rejection(stent.run(times[which], [`job ${which}`]));
    assert.ok(error instanceof ExpiryError, which);
    assert.equal(error.code, "ATTEMPT_TIMED_OUT");
  }
  assert.equal(starts.get("job slow"), 2);
});

const itemHangs = workflow("activities.itemHangs", function* (): Flow<unknown> {
  const settled = yield* map(endless, ["item 1", "item 2"], { onError: "settle" });
  return settled.map((each) =>
    each.status === "rejected" ? (each.reason as ExpiryError).code : "?",
  );
});

test("items of a map time out by themselves", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(itemHangs, []), ["ATTEMPT_TIMED_OUT", "ATTEMPT_TIMED_OUT"]);
});

const beats = activity("activities.beats", { retry: { initialDelay: 1 } }, async (key: string) => {
  const { lastHeartbeat, heartbeat, attempt } = context();
  seen.set(`${key} ${attempt}`, lastHeartbeat);
  heartbeat({ at: attempt });
  if (attempt < 3) throw new Error("again");
  return attempt;
});
const seen = new Map<string, unknown>();
const beating = workflow(
  "activities.beating",
  function* (queue: string | undefined): Flow<unknown> {
    return yield* call(queue === undefined ? beats : beats.with({ queue }), queue ?? "here");
  },
);

test("the next attempt finds what the last one told in its heartbeat", async (t) => {
  const stent = await serving(t);
  await stent.run(beating, [undefined]);
  assert.equal(seen.get("here 1"), undefined);
  assert.deepEqual(seen.get("here 2"), { at: 1 });
  assert.deepEqual(seen.get("here 3"), { at: 2 });
});

// ── context ──

const tells = activity("activities.tells", { retry: { initialDelay: 1 } }, async (key: string) => {
  const { executionId, taskId, functionName, attempt, idempotencyKey, signal } = context();
  const told = contexts.get(key) ?? [];
  contexts.set(key, [
    ...told,
    { executionId, taskId, functionName, attempt, idempotencyKey, aborted: signal.aborted },
  ]);
  context().log.info("told", { key });
  if (attempt < 2) throw new Error("again");
});
const contexts = new Map<string, Partial<ActivityContext & { aborted: boolean }>[]>();
const telling = workflow("activities.telling", function* (key: string): Flow<void> {
  yield* all([call(tells, `${key} a`), call(tells.with({ queue: "x" }), `${key} b`)]);
  yield* map(tells, [`${key} c`]);
});

test("context tells who runs; the idempotency key is that of the step, over all attempts", async (t) => {
  const logger = new MemoryLogger();
  const stent = await serving(t, { stent: { logger } });
  const handle = await stent.dispatch(telling, ["one"]);
  await handle.result(limit);
  const keys = new Set<string>();
  for (const key of ["one a", "one b", "one c"]) {
    const [first, second] = contexts.get(key) ?? [];
    assert.ok(first !== undefined && second !== undefined, key);
    assert.equal(first.executionId, handle.id);
    assert.equal(first.functionName, "activities.tells");
    assert.deepEqual([first.attempt, second.attempt], [1, 2]);
    assert.equal(first.idempotencyKey, second.idempotencyKey);
    assert.equal(first.taskId, second.taskId);
    assert.equal(first.aborted, false);
    keys.add(first.idempotencyKey ?? "");
  }
  assert.equal(keys.size, 3);
  const line = logger.lines.find((each) => each.message === "told");
  assert.equal(new Map(Object.entries(line?.fields ?? {})).get("executionId"), handle.id);
  const other = await stent.dispatch(telling, ["two"]);
  await other.result(limit);
  assert.notEqual(
    contexts.get("two a")?.[0]?.idempotencyKey,
    contexts.get("one a")?.[0]?.idempotencyKey,
  );
});

test("another run of the same execution has another idempotency key", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(failsAfterTelling, ["runs"]);
  await handle.wait(limit);
  const before = contexts.get("runs")?.[0]?.idempotencyKey;
  contexts.delete("runs");
  await stent.retry(handle.id, { from: "start" });
  await handle.wait(limit);
  assert.notEqual(contexts.get("runs")?.[0]?.idempotencyKey, before);
});
const failsAfterTelling = workflow(
  "activities.failsAfterTelling",
  function* (key: string): Flow<void> {
    yield* call(tells, key);
    throw new Error("after");
  },
);

test("context outside an activity is a NoContextError, in a workflow too", async (t) => {
  assert.throws(() => context(), NoContextError);
  const stent = await serving(t);
  assert.equal(await stent.run(asks, []), "NoContextError");
});
const asks = workflow("activities.asks", function* (): Flow<string> {
  yield* sleep(1);
  try {
    context();
    return "none";
  } catch (error) {
    return (error as Error).name;
  }
});

const counts = activity(
  "activities.counts",
  { retry: { initialDelay: 1 } },
  async (queue: string) => {
    const { counters: own, state, progress, attempt } = context();
    own.add("n");
    own.add("half", 0.5);
    state.set("attempt", { attempt, queue });
    progress(`attempt ${attempt}`);
    if (attempt < 3) throw new Error("again");
  },
);
const counting = workflow(
  "activities.counting",
  function* (queue: string | undefined): Flow<unknown> {
    yield* counters.add("n", 10);
    yield* call(queue === undefined ? counts : counts.with({ queue }), queue ?? "here");
    return [yield* counters.get("n"), yield* counters.get("never")];
  },
);

test("counters, state and progress count once over all attempts, here and from the queue", async (t) => {
  const stent = await serving(t);
  for (const queue of [undefined, "far"]) {
    const handle = await stent.dispatch(counting, [queue]);
    assert.deepEqual(await handle.result(limit), [11, 0]);
    const ended = await handle.state();
    assert.deepEqual(ended.counters, { n: 11, half: 0.5 });
    assert.deepEqual(ended.customState, { attempt: { attempt: 3, queue: queue ?? "here" } });
    assert.deepEqual(
      ended.progress.filter((each) => each.step === "progress").map((each) => each.detail),
      ["attempt 3"],
    );
  }
});

// ── arguments and results are copies ──

const shared = { list: [1] };
const returnsShared = activity("activities.returnsShared", async () => shared);
const mutates = activity("activities.mutates", async (value: { list: number[] }) => {
  value.list.push(99);
  return value;
});
const copies = workflow("activities.copies", function* (): Flow<unknown> {
  const mine = { list: [1] };
  const theirs = yield* call(mutates, mine);
  const result = yield* call(returnsShared);
  const before = JSON.stringify(result);
  shared.list.push(2);
  yield* sleep(5);
  return { mine, theirs, before, after: JSON.stringify(result) };
});

test("an activity gets its own copy of its arguments, and its result is what it was when it was returned", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(copies, []), {
    mine: { list: [1] },
    theirs: { list: [1, 99] },
    before: `{"list":[1]}`,
    after: `{"list":[1]}`,
  });
});

test("an argument that is changed after dispatch is stored as it was", async (t) => {
  const stent = await serving(t, { serve: false });
  const value = { list: [1] };
  const dispatching = stent.dispatch(mutates, [value]);
  value.list.push(5);
  const handle = await dispatching;
  value.list.push(6);
  void stent.serve();
  assert.deepEqual(await handle.result(limit), { list: [1, 99] });
});

const changesAfterYield = workflow("activities.changesAfterYield", function* (): Flow<unknown> {
  const value = { list: [1] };
  const [result] = yield* all([call(mutates, value), later(value)]);
  return [result, value];
});
function* later(value: { list: number[] }): Flow<void> {
  value.list.push(7);
  yield* sleep(1);
}

test("what a sibling changes after the yield does not change the arguments", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(changesAfterYield, []), [{ list: [1, 99] }, { list: [1, 7] }]);
});

// ── what misbehaves ──

const throwsString = activity(
  "activities.throwsString",
  { retry: { maxAttempts: 1 } },
  async () => {
    // oxlint-disable-next-line typescript/only-throw-error -- users do
    throw "a string";
  },
);
const throwsNothing = activity(
  "activities.throwsNothing",
  { retry: { maxAttempts: 1 } },
  async () => {
    // oxlint-disable-next-line typescript/only-throw-error -- users do
    throw undefined;
  },
);
const throwsSync = activity("activities.throwsSync", { retry: { maxAttempts: 1 } }, () => {
  throw new RangeError("sync");
});
const misbehaving = { throwsString, throwsNothing, throwsSync } as const;
const misbehaves = workflow(
  "activities.misbehaves",
  function* (which: keyof typeof misbehaving): Flow<unknown> {
    try {
      return yield* call(misbehaving[which]);
    } catch (error) {
      return error instanceof Error
        ? `${error.name}: ${error.message}`
        : `thrown: ${String(error)}`;
    }
  },
);

test("an activity may throw anything, in any way", async (t) => {
  const stent = await serving(t);
  assert.match(String(await stent.run(misbehaves, ["throwsString"])), /a string/);
  assert.match(String(await stent.run(misbehaves, ["throwsNothing"])), /undefined/);
  assert.equal(await stent.run(misbehaves, ["throwsSync"]), "RangeError: sync");
  const error = await rejection(stent.run(throwsString, []));
  assert.match(error.message, /a string/);
});

// In a process of its own: the test runner listens too.
test("a rejection that an activity leaves behind ends nobody", async () => {
  const program = `
    import { activity, Stent } from "stentjs";
    const leaves = activity("leaves", async () => {
      void Promise.reject(new Error("left behind"));
      setTimeout(() => void Promise.reject(new Error("left behind later")), 5);
      return "fine";
    });
    const lines = [];
    const logger = { debug() {}, info() {}, warn() {}, error: (message) => lines.push(message) };
    const stent = await Stent.bootstrap({ backend: "sqlite::memory:", logger }, { serve: true });
    console.log(await stent.run(leaves, []));
    while (lines.length < 2) await new Promise((resolve) => setTimeout(resolve, 3));
    console.log(await stent.run(leaves, []), lines[0].includes('"leaves"'));
    while (lines.length < 4) await new Promise((resolve) => setTimeout(resolve, 3));
    await stent.close();
  `;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", program],
    { cwd: root, timeout: 20_000 },
  );
  assert.equal(stdout, "fine\nfine true\n", stderr);
});
const root = join(import.meta.dirname, "../..");
