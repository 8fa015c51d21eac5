import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  call,
  CancelledError,
  context,
  counters,
  ExpiryError,
  FunctionRegistry,
  map,
  progress,
  race,
  random,
  remote,
  run,
  sendSignal,
  SerializationError,
  signal,
  sleep,
  state,
  workflow,
  type Flow,
  type Stent,
} from "stentjs";
import {
  aborted,
  databaseFile,
  Gate,
  rejection,
  serving,
  stentOn,
  until,
  patience,
} from "../support/serving.ts";

const limit = { timeout: "15s" };

const starts = new Map<string, number>();
function start(key: string): number {
  const n = (starts.get(key) ?? 0) + 1;
  starts.set(key, n);
  return n;
}
const told = new Map<string, unknown>();
const echo = activity("corners.echo", async (value: unknown) => value);
const listens = activity("corners.listens", async (key: string) => {
  start(key);
  const reason = await aborted(context().signal);
  told.set(key, reason);
  throw reason;
});
const waits = workflow("corners.waits", function* (): Flow<unknown> {
  return yield* signal("go");
});
const failsSlowly = activity(
  "corners.failsSlowly",
  { retry: { initialDelay: "1h", maxDelay: "1h" } },
  async (key: string) => {
    start(key);
    throw new Error("once");
  },
);

// ── maxDuration ──

test("maxDuration ends a job that waits for its next attempt", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(failsSlowly, ["expires"], { maxDuration: 200 });
  const before = performance.now();
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError);
  assert.ok(performance.now() - before < 2_500);
  assert.equal((await handle.state()).state, "timed_out");
});

test("a job that waits for its next attempt is cancelled at once", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(failsSlowly, ["cancelled"]);
  await until("it waits", async () =>
    (await handle.state()).waitingFor.some((reason) => reason.until !== undefined),
  );
  await handle.cancel("no more");
  assert.equal((await handle.state()).state, "cancelled");
});

const retriesForEver = workflow(
  "corners.retriesForEver",
  { retry: { maxAttempts: 1_000, initialDelay: 20, backoffFactor: 1 }, maxDuration: 200 },
  function* (key: string): Flow<void> {
    start(key);
    yield* sleep(5);
    throw new Error("again");
  },
);

test("maxDuration counts over all runs of a workflow that is retried, and is not retried itself", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(retriesForEver, ["runs"]);
  const before = performance.now();
  const error = await rejection(handle.result(limit));
  assert.ok(error instanceof ExpiryError, String(error.stack));
  assert.ok(performance.now() - before < 2_500);
  assert.equal((await handle.state()).state, "timed_out");
  assert.ok((starts.get("runs") ?? 0) > 2);
});

test("a cancel is not retried by the workflow's policy", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(retriedWaits, []);
  await until("it waits", async () => (await handle.state()).waitingFor.length > 0);
  await handle.cancel();
  assert.ok((await rejection(handle.result(limit))) instanceof CancelledError);
  assert.equal((await handle.state()).retries, 0);
});
const retriedWaits = workflow(
  "corners.retriedWaits",
  { retry: { maxAttempts: 5, initialDelay: 1 } },
  function* (): Flow<unknown> {
    return yield* signal("go");
  },
);

test("maxDuration counts from the scheduled start of a delayed execution", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(waits, [], { delay: 300, maxDuration: 200 });
  await until("it has started", async () => (await handle.state()).state === "running");
  await handle.signal("go", 1);
  assert.equal(await handle.result(limit), 1);
});

const childTimesOut = workflow("corners.childTimesOut", function* (): Flow<unknown> {
  try {
    return yield* call(waits.with({ maxDuration: 60 }));
  } catch (error) {
    return error instanceof ExpiryError ? error.code : String(error);
  }
});

test("a child that passes its own maxDuration throws EXECUTION_TIMED_OUT in its parent", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(childTimesOut, []);
  assert.equal(await handle.result(limit), "EXECUTION_TIMED_OUT");
  assert.deepEqual(
    (await stent.listExecutions({ parent: handle.id })).items.map((each) => each.state),
    ["timed_out"],
  );
});

test("an activity hears EXECUTION_TIMED_OUT, here and from the queue", async (t) => {
  const stent = await serving(t);
  for (const queue of [undefined, "far"]) {
    const key = `deadline ${queue ?? "here"}`;
    const handle = await stent.dispatch(timesOut, [key, queue]);
    await rejection(handle.result(limit));
    await until("it was told", () => told.has(key));
    const reason = told.get(key);
    assert.ok(reason instanceof ExpiryError, String(reason));
    assert.equal(reason.code, "EXECUTION_TIMED_OUT");
  }
});
const timesOut = workflow(
  "corners.timesOut",
  { maxDuration: 100 },
  function* (key: string, queue: string | undefined): Flow<unknown> {
    return yield* call(queue === undefined ? listens : listens.with({ queue }), key);
  },
);

// ── losers ──

const losers = workflow("corners.losers", function* (key: string): Flow<unknown> {
  const { winner } = yield* race({
    child: call(childListens, `${key} child`),
    map: map(listens, [`${key} 1`, `${key} 2`, `${key} 3`]),
    queued: call(listens.with({ queue: "nobody" }), `${key} queued`),
    signal: signal("go"),
  });
  return winner;
});
const childListens = workflow("corners.childListens", function* (key: string): Flow<unknown> {
  return yield* call(listens, key);
});

test("children, maps and queued tasks that lose a race are ended", async (t) => {
  const stent = await serving(t, { serve: { queues: ["default"], maxConcurrency: 3 } });
  const handle = await stent.dispatch(losers, ["loses"]);
  await until(
    "three run",
    () => [...starts.keys()].filter((key) => key.startsWith("loses")).length === 3,
  );
  await handle.signal("go", 1);
  assert.equal(await handle.result(limit), "signal");
  const [child] = (await stent.listExecutions({ parent: handle.id })).items;
  await until(
    "the child is cancelled",
    async () => (await stent.stateOf(child?.id ?? "")).state === "cancelled",
  );
  assert.equal(await stent.run(echo, ["there is room"]), "there is room");
  assert.equal((await stent.listTasks()).items.length, 0);
  const begun = [...starts.keys()].filter((key) => key.startsWith("loses"));
  assert.equal(begun.length, 3);
  assert.ok(
    begun.every((key) => told.get(key) instanceof CancelledError),
    String(begun.map((key) => told.get(key))),
  );
});

const oneOfThree = workflow("corners.oneOfThree", function* (key: string): Flow<unknown> {
  return yield* all([call(childListens, `${key} child`), failsWhenBegun(key)]);
});
function* failsWhenBegun(key: string): Flow<void> {
  yield* call(whenBegun, `${key} child`);
  throw new RangeError("one failed");
}
const whenBegun = activity("corners.whenBegun", async (key: string) => {
  await until(`${key} has begun`, () => starts.has(key));
});

test("a sibling's failure cancels children", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(oneOfThree, ["family"]);
  assert.ok((await rejection(handle.result(limit))) instanceof RangeError);
  const [child] = (await stent.listExecutions({ parent: handle.id })).items;
  await until(
    "the child is cancelled",
    async () => (await stent.stateOf(child?.id ?? "")).state === "cancelled",
  );
  assert.ok(told.get("family child") instanceof CancelledError);
});

// ── what is told beside results ──

const tells = workflow("corners.tells", function* (what: string): Flow<unknown> {
  try {
    if (what === "progress") yield* progress("x".repeat(5_000));
    if (what === "no text") yield* progress({ a: 1 } as never);
    if (what === "NaN") yield* counters.add("n", NaN);
    if (what === "text") yield* counters.add("n", "1" as never);
    if (what === "no name") yield* counters.add(undefined as never);
    if (what === "payload") yield* sendSignal("x", "m", () => 1);
    if (what === "big payload") yield* sendSignal("x", "m", "x".repeat(5_000));
    yield* sleep(1);
    return "fine";
  } catch (error) {
    return (error as Error).name;
  }
});

test("wrong counters, progress and payloads are errors at the yield, never a stuck execution", async (t) => {
  const stent = await serving(t, { stent: { maxPayloadBytes: 2_000 } });
  for (const [what, name] of [
    ["progress", /fine/],
    ["no text", /fine|TypeError/],
    ["NaN", /RangeError/],
    ["text", /RangeError|TypeError/],
    ["no name", /TypeError/],
    ["payload", /SerializationError/],
    ["big payload", /SerializationError/],
  ] as const) {
    const handle = await stent.dispatch(tells, [what]);
    assert.match(
      String(
        await handle
          .result({ timeout: "3s" })
          .catch((error: unknown) => `${what}: ${String(error)}`),
      ),
      name,
      what,
    );
  }
});

const leaves = activity("corners.leaves", { retry: { initialDelay: 1 } }, async (what: string) => {
  start(`leaves ${what}`);
  if (what === "function") context().state.set("f", () => 1);
  if (what === "big") context().state.set("big", "x".repeat(5_000));
  if (what === "progress") context().progress("x".repeat(5_000));
  if (what === "many") for (let i = 0; i < 500; i += 1) context().progress(`step ${i}`);
  if (what === "NaN") context().counters.add("n", NaN);
  return "fine";
});
const leaving = workflow("corners.leaving", function* (what: string, how: string): Flow<unknown> {
  try {
    if (how === "map") return (yield* map(leaves, [what]))[0];
    return yield* call(how === "here" ? leaves : leaves.with({ queue: "far" }), what);
  } catch (error) {
    return (error as Error).name;
  }
});

test("what an activity leaves and cannot be stored fails it, with no effect on others", async (t) => {
  const stent = await serving(t, { stent: { maxPayloadBytes: 2_000 } });
  for (const how of ["here", "far", "map", "job"]) {
    for (const [what, name] of [
      ["function", /SerializationError/],
      ["big", /SerializationError/],
      ["progress", /fine/],
      ["many", /fine/],
      ["NaN", /RangeError/],
    ] as const) {
      const text =
        how === "job"
          ? await stent
              .dispatch(leaves, [what])
              .then((handle) =>
                handle.result({ timeout: "3s" }).catch((error: unknown) => (error as Error).name),
              )
          : await stent.run(leaving, [what, how]).catch((error: unknown) => (error as Error).name);
      assert.match(String(text), name, `${how} ${what}`);
    }
  }
});

// ── run closures ──

const gate = new Gate<unknown>();
const closures = workflow("corners.closures", function* (how: string): Flow<unknown> {
  try {
    switch (how) {
      case "throws":
        return yield* run("c", () => {
          throw new RangeError("sync");
        });
      case "rejects":
        return yield* run("c", () => Promise.reject(new RangeError("async")));
      case "unstorable":
        return yield* run("c", () => ({ f: () => 1 }));
      case "undefined":
        return yield* run("c", () => undefined);
      case "context":
        return yield* run("c", () => context().attempt);
      case "never":
        start("never");
        return yield* run("c", () => gate.passed);
      default:
        return "?";
    }
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
});

test("a run closure may throw, reject, or give what cannot be stored", async (t) => {
  const stent = await serving(t, { serve: { cancelGrace: 50 } });
  assert.equal(await stent.run(closures, ["throws"]), "RangeError: sync");
  assert.equal(await stent.run(closures, ["rejects"]), "RangeError: async");
  assert.match(String(await stent.run(closures, ["unstorable"])), /^SerializationError: .*f/);
  assert.equal(await stent.run(closures, ["undefined"]), undefined);
  assert.match(String(await stent.run(closures, ["context"])), /^NoContextError/);
  const handle = await stent.dispatch(closures, ["never"]);
  await until("it runs", () => starts.has("never"));
  await handle.cancel();
  assert.ok((await rejection(handle.result({ timeout: "3s" }))) instanceof CancelledError);
});

test("a run closure that was lost with its worker is run again", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { drainTimeout: 1 } });
  const handle = await first.dispatch(closureOnce, []);
  await until("it runs", () => starts.get("closure") === 1);
  await first.close();
  const second = await stentOn(t, file);
  assert.equal((await second.waitFor(handle.id, limit)).unwrap(), 2);
});
const closureOnce = workflow("corners.closureOnce", function* (): Flow<unknown> {
  return yield* run("c", async () => {
    const n = start("closure");
    if (n === 1) await gate.passed;
    return n;
  });
});

// ── runaway clean-up ──

const runaway = workflow("corners.runaway", function* (): Flow<void> {
  try {
    yield* sleep("1h");
  } finally {
    for (;;) yield* random();
  }
});
const stubborn = workflow("corners.stubborn", function* (): Flow<void> {
  for (let n = 0; ; n += 1) {
    try {
      yield* sleep(n === 0 ? "1h" : 0);
    } finally {
      yield* sleep(0);
      continue; // oxlint-disable-line no-unsafe-finally
    }
  }
});

test("clean-up that never ends is ended", async (t) => {
  // Rehearsing each of its two thousand turns takes too long.
  const stent = await serving(t, { stent: { dev: false } });
  for (const fn of [runaway, stubborn]) {
    const handle = await stent.dispatch(fn, []);
    await until("it sleeps", async () => (await handle.state()).waitingFor.length > 0);
    await handle.cancel();
    const ended = handle.result({ timeout: 10_000 * patience });
    assert.ok((await rejection(ended)) instanceof CancelledError, fn.functionName);
    assert.equal((await handle.state()).state, "cancelled");
  }
});

// ── versions and remotes ──

test("an execution goes on with the version that it started with", async (t) => {
  const file = databaseFile(t);
  const one = workflow("corners.versioned", { version: "1" }, function* (): Flow<unknown> {
    return `one ${String(yield* signal("go"))}`;
  });
  const first = await stentOn(t, file);
  const handle = await first.dispatch(one, []);
  await until("it waits", async () => (await handle.state()).waitingFor.length > 0);
  await first.close();
  const two = workflow("corners.versioned", { version: "2" }, function* (): Flow<unknown> {
    return `two ${String(yield* signal("go"))}`;
  });
  const second = await stentOn(t, file);
  await second.sendSignal(handle.id, "go", 1);
  assert.equal((await second.waitFor(handle.id, limit)).unwrap(), "one 1");
  const newer = await second.dispatch(two, []);
  await newer.signal("go", 2);
  assert.equal(await newer.result(limit), "two 2");
  assert.equal((await newer.state()).version, "2");
});

test("a remote function is dispatched and called by name", async (t) => {
  const file = databaseFile(t);
  const registry = new FunctionRegistry();
  registry.register(callsRemote);
  const client = await stentOn(t, file, { stent: { registry } });
  const handle = await client.dispatch(callsRemote, []);
  const job = await client.dispatch(remoteEcho, [5], { queue: "far" });
  await stentOn(t, file);
  assert.deepEqual(await handle.result(limit), [1, "remote child"]);
  assert.equal(await job.result(limit), 5);
});
const remoteEcho = remote<typeof echo>("corners.echo", { kind: "activity" });
const remoteChild = remote<typeof child>("corners.child");
const child = workflow("corners.child", function* (): Flow<string> {
  yield* sleep(1);
  return "remote child";
});
const callsRemote = workflow("corners.callsRemote", function* (): Flow<unknown> {
  return [yield* call(remoteEcho, 1), yield* call(remoteChild)];
});

// ── wrong arguments ──

test("wrong arguments of the client are TypeErrors that name them", async (t) => {
  const stent = await serving(t);
  for (const [ask, text] of [
    [() => stent.dispatch(undefined as never, []), /function|activity|workflow/i],
    [() => stent.dispatch((async () => 1) as never, []), /activity|workflow|registered/i],
    [() => stent.dispatch(echo, "x" as never), /arguments|array/i],
    [() => stent.dispatch(echo, undefined as never), /arguments|array/i],
    [() => stent.dispatch(echo, [1], { id: "" }), /\bid\b/],
    [() => stent.dispatch(echo, [1], { id: 5 as never }), /\bid\b/],
    [() => stent.dispatch(echo, [1], { priority: 1.5 }), /priority/],
    [() => stent.dispatch(echo, [1], { tags: "x" as never }), /tags/],
    [() => stent.dispatch(echo, [1], { ifExists: "maybe" as never }), /ifExists/],
    [() => stent.dispatch(echo, [1], { nonsense: 1 } as never), /nonsense/],
    [() => stent.sendSignal("x", 5 as never, 1), /name|signal/i],
    [() => stent.cancel("x", { reason: 5 as never }), /reason/],
    [() => stent.stateOf(5 as never), /id/],
  ] as const) {
    const error = await rejection(ask());
    assert.ok(
      error instanceof TypeError ||
        error instanceof RangeError ||
        error.name === "UnregisteredFunctionError" ||
        error.name === "ExecutionNotFoundError",
      `${ask.toString()}: ${String(error.stack)}`,
    );
    assert.match(error.message, text, ask.toString());
  }
});

// ── all together ──

const completed = new Map<string, number>();
const stressed = activity(
  "corners.stressed",
  { retry: { maxAttempts: 5, initialDelay: 1, maxDelay: 5 } },
  async (key: string) => {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    if (context().signal.aborted) throw new Error("told");
    if (context().attempt === 1 && key.endsWith("3")) throw new Error("flaky");
    context().counters.add("done");
    completed.set(key, (completed.get(key) ?? 0) + 1);
    return key;
  },
);
const stress = workflow("corners.stress", function* (n: number): Flow<unknown> {
  const got: unknown[] = [];
  for (let i = 0; i < 5; i += 1) {
    got.push(yield* call(stressed, `${n}/${i}`));
    got.push(
      ...(yield* all([
        call(stressed, `${n}/${i}/a`),
        call(stressed.with({ queue: "q" }), `${n}/${i}/b`),
      ])),
    );
    got.push(
      ...(yield* map(stressed, [`${n}/${i}/m1`, `${n}/${i}/m2`, `${n}/${i}/m3`], {
        concurrency: 2,
      })),
    );
    yield* sleep(3);
    yield* counters.add("rounds");
    yield* state.set("round", i);
  }
  got.push(yield* signal("end"));
  return got.length;
});

test(
  "workers come and go in the middle of everything, and nothing is lost, doubled or left behind",
  { timeout: 120_000 },
  async (t) => {
    const file = databaseFile(t);
    const client = await stentOn(t, file, { serve: false });
    const handles = await client.dispatchMany(
      stress,
      Array.from({ length: 12 }, (_, n) => [n] as [number]),
    );
    for (const handle of handles) await handle.signal("end", "x");
    let worker: Stent | undefined;
    for (let i = 0; i < 6; i += 1) {
      const next = await stentOn(t, file, {
        serve: { drainTimeout: i % 2 === 0 ? 1 : "5s", maxConcurrency: 4 },
      });
      await new Promise((resolve) => setTimeout(resolve, 60));
      await worker?.close();
      worker = next;
    }
    assert.deepEqual(
      await Promise.all(handles.map((handle) => handle.result({ timeout: "60s" }))),
      handles.map(() => 31),
    );
    for (const handle of handles) {
      const ended = await handle.state();
      assert.deepEqual(ended.counters, { done: 30, rounds: 5 });
      assert.deepEqual(ended.customState, { round: 4 });
    }
    assert.equal((await client.listTasks()).items.length, 0);
    assert.equal(completed.size, 12 * 30);
  },
);

test("an argument that is a SerializationError itself is ordinary data", async (t) => {
  const stent = await serving(t);
  const error = new SerializationError("mine");
  const back = await stent.run(echo, [error]);
  assert.ok(back instanceof SerializationError);
  assert.equal(back.message, "mine");
});
