import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  call,
  context,
  continueAsNew,
  counters,
  ExpiryError,
  fork,
  FunctionRegistry,
  map,
  signal,
  state,
  ValidationError,
  workflow,
  type Flow,
  type StandardSchema,
} from "stentjs";
import { binding } from "../support/binding-serializer.ts";
import {
  databaseFile,
  rejection,
  serving,
  stentOn,
  until,
  sqliteOnly,
} from "../support/serving.ts";

const limit = { timeout: "10s" };

const keys: string[] = [];
const keep = activity("continue.keep", async (n: number) => {
  keys.push(context().idempotencyKey);
  return n;
});
const sum = workflow("continue.sum", function* (n: number, until: number): Flow<unknown> {
  yield* call(keep, n);
  yield* counters.add("sum", n);
  yield* state.set(`n${n % 2}`, n);
  if (n < until) yield* continueAsNew(n + 1, until);
  return [n, yield* counters.get("sum"), yield* state.get("n0"), yield* state.get("n1")];
});

test("the next run has a fresh journal under the same id; counters and state go on, and no two runs share a key", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(sum, [1, 5]);
  assert.deepEqual(await handle.result(limit), [5, 15, 4, 5]);
  assert.equal(new Set(keys).size, 5);
  const entries: unknown[] = [];
  for await (const { run, path, effect } of stent.history(handle.id))
    entries.push([run, path, effect.name]);
  assert.deepEqual(entries.slice(0, 2), [
    [5, "1", "continue.keep"],
    [5, "2", "sum"],
  ]);
  assert.equal((await handle.state()).counters["sum"], 15);
});

const collector = workflow("continue.collector", function* (got: readonly string[]): Flow<
  readonly string[]
> {
  const next = [...got, yield* signal<string>("word")];
  if (next.length === 6) return next;
  return yield* continueAsNew(next);
});

test("messages that no run has read stay, in their order, and a resend of a read one is still known", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(collector, [[]]);
  for (const word of ["a", "b", "c"]) {
    await stent.sendSignal(handle.id, "word", word, { dedupeKey: word });
    await stent.sendSignal(handle.id, "word", word, { dedupeKey: word });
  }
  await until("three were read", async () => (await historyRun(stent, handle.id)) === 4);
  for (const word of ["a", "b", "c", "d", "e", "f"])
    await stent.sendSignal(handle.id, "word", word, { dedupeKey: word });
  assert.deepEqual(await handle.result(limit), ["a", "b", "c", "d", "e", "f"]);
});

const failing = workflow("continue.failing", function* (round: number): Flow<unknown> {
  yield* counters.add("n");
  if (round < 3) yield* continueAsNew(round + 1);
  yield* counters.add("n", 100);
  yield* state.set("late", true);
  const broken = yield* call(isBroken);
  if (broken) throw new Error("broken");
  return [round, yield* counters.get("n"), yield* state.get("late")];
});
let mended = false;
const isBroken = activity("continue.isBroken", async () => !mended);

test("a retry from the start begins with the last input, and what counters and state were then", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(failing, [1]);
  assert.equal((await handle.wait(limit)).error?.message, "broken");
  assert.equal((await handle.state()).counters["n"], 103);
  mended = true;
  await stent.retry(handle.id, { from: "start" });
  assert.deepEqual(await handle.result(limit), [3, 103, true]);
});

test("a retry by the workflow's own policy does so too, and counts its attempts anew", async (t) => {
  const seen: unknown[] = [];
  const policy = workflow(
    "continue.policy",
    { retry: { maxAttempts: 2, initialDelay: 1 } },
    function* (round: number): Flow<unknown> {
      yield* counters.add("n");
      seen.push([round, yield* counters.get("n")]);
      if (round === 1 && seen.length === 1) throw new Error("first attempt of the first run");
      if (round === 1) yield* continueAsNew(2);
      if (seen.length === 3) throw new Error("first attempt of the second run");
      return "done";
    },
  );
  // Its own code counts its attempts, which a rehearsal would count as well.
  const stent = await serving(t, { stent: { dev: false } });
  assert.equal(await (await stent.dispatch(policy, [1])).result(limit), "done");
  assert.deepEqual(seen, [
    [1, 1],
    [1, 1],
    [2, 2],
    [2, 2],
  ]);
});

test("each run starts the version registered last", async (t) => {
  const file = databaseFile(t);
  const old = new FunctionRegistry();
  const first = workflow("continue.upgraded", { version: "1" }, function* (): Flow<string> {
    yield* signal("go");
    return yield* continueAsNew();
  });
  old.register(first);
  const former = await stentOn(t, file, { stent: { registry: old }, serve: { drainTimeout: 1 } });
  const { id } = await former.dispatch(first, []);
  await until("it waits", async () => (await former.stateOf(id)).waitingFor.length > 0);
  await former.close();
  const both = new FunctionRegistry();
  both.register(first);
  both.register(
    workflow("continue.upgraded", { version: "2" }, function* (): Flow<string> {
      return "new code";
    }),
  );
  const stent = await stentOn(t, file, { stent: { registry: both } });
  assert.equal((await stent.stateOf(id)).version, "1");
  await stent.sendSignal(id, "go", undefined);
  assert.equal((await stent.waitFor(id, limit)).unwrap(), "new code");
  assert.equal((await stent.stateOf(id)).version, "2");
});

const numbers: StandardSchema<[number]> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) =>
      typeof (value as unknown[])[0] === "number"
        ? { value }
        : { issues: [{ message: "expected a number", path: [0] }] },
  },
};

test("arguments are validated where it continues, and what is refused can be caught", async (t) => {
  const careful = workflow(
    "continue.careful",
    { input: numbers },
    function* (n: number): Flow<string> {
      if (n === 2) return "second run";
      try {
        return yield* continueAsNew("two");
      } catch (error) {
        if (!(error instanceof ValidationError)) throw error;
        return yield* continueAsNew(2);
      }
    },
  );
  const stent = await serving(t);
  assert.equal(await stent.run(careful, [1]), "second run");
});

test("maxDuration holds over all runs", async (t) => {
  const endless = workflow("continue.endless", function* (): Flow<void> {
    yield* call(keep, 0);
    yield* continueAsNew();
  });
  const stent = await serving(t);
  const handle = await stent.dispatch(endless, [], { maxDuration: 300 });
  assert.ok((await handle.wait(limit)).error instanceof ExpiryError);
});

test("a cancel is met by a loop that never waits", async (t) => {
  const restless = workflow("continue.restless", function* (): Flow<void> {
    yield* counters.add("rounds");
    yield* continueAsNew();
  });
  const stent = await serving(t);
  const handle = await stent.dispatch(restless, []);
  await until("it goes round", async () => ((await handle.state()).counters["rounds"] ?? 0) > 5);
  await handle.cancel();
  await handle.wait(limit);
  assert.equal((await handle.state()).state, "cancelled");
});

test("a worker that drains gives back a loop that never waits, and another goes on with it", async (t) => {
  const file = databaseFile(t);
  const restless = workflow("continue.handedOver", function* (round: number): Flow<number> {
    if (stop) return round;
    yield* counters.add("rounds");
    return yield* continueAsNew(round + 1);
  });
  let stop = false;
  const first = await stentOn(t, file);
  const { id } = await first.dispatch(restless, [1]);
  await until("it goes round", async () => ((await first.stateOf(id)).counters["rounds"] ?? 0) > 5);
  await first.close();
  const second = await stentOn(t, file);
  stop = true;
  assert.ok(Number((await second.waitFor(id, limit)).unwrap()) > 5);
});

test(
  "forks end first; a parent is told of the last run's end; long runs leave nothing behind",
  sqliteOnly,
  async (t) => {
    const child = workflow("continue.child", function* (round: number): Flow<number> {
      const task = yield* fork(call(keep, round));
      yield* map(
        keep,
        Array.from({ length: 600 }, (_, n) => n),
      );
      assert.ok(task.id);
      if (round === 3) return round;
      return yield* continueAsNew(round + 1);
    });
    const parent = workflow("continue.parent", function* (): Flow<number> {
      return yield* call(child, 1);
    });
    const file = databaseFile(t);
    const stent = await stentOn(t, file);
    assert.equal(await stent.run(parent, []), 3);
    const { default: Database } = await import("better-sqlite3");
    const database = new Database(file, { readonly: true });
    t.after(() => database.close());
    const left = database.prepare(
      "select (select count(*) from stent_items where run < 3) + (select count(*) from stent_left_runs) as left",
    );
    await until(
      "what earlier runs left is removed",
      () => (left.get() as { left: number }).left === 0,
    );
  },
);

async function historyRun(stent: Awaited<ReturnType<typeof serving>>, id: string): Promise<number> {
  for await (const { run } of stent.history(id)) return run;
  return 0;
}

test("continueAsNew outside of the body is refused with what to write instead", async (t) => {
  const wrong = workflow("continue.wrong", function* (): Flow<void> {
    yield* fork(continueAsNew());
  });
  const stent = await serving(t);
  assert.match(
    String(await rejection(stent.run(wrong, []))),
    /yield it in the body of the workflow itself/,
  );
});

const leaving = workflow("continue.leaving", function* (round: number): Flow<unknown> {
  if (round === 2) return 1n; // which that serializer refuses
  try {
    yield* continueAsNew(round + 1);
  } finally {
    yield* signal("go");
  }
  return "never";
});

test("history shows with what a run is left, also where values are bound to their places, and no entry for a refused result", async (t) => {
  const stent = await serving(t, { stent: { serializer: binding } });
  const handle = await stent.dispatch(leaving, [1]);
  await until("it waits", async () => (await handle.state()).waitingFor.length > 0);
  const seen = async (): Promise<unknown[]> => {
    const entries: unknown[] = [];
    for await (const { run, path, effect } of stent.history(handle.id))
      entries.push([run, path, effect.kind, effect.args]);
    return entries;
  };
  assert.deepEqual(await seen(), [
    [1, "1", "continueAsNew", [2]],
    [1, "2", "signal", undefined],
  ]);
  await handle.signal("go", null);
  assert.match((await rejection(handle.result(limit))).message, /BigInt/);
  assert.deepEqual(await seen(), []);
});
