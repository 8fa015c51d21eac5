import assert from "node:assert/strict";
import { test } from "node:test";
import {
  activity,
  all,
  CancelledError,
  call,
  context,
  counters,
  map,
  progress,
  starmap,
  state,
  workflow,
  type Flow,
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

const limit = { timeout: "30s" };
const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const double = activity("map.double", async (n: number) => n * 2);
const doubles = workflow("map.doubles", function* (items: number[], concurrency?: number): Flow<
  number[]
> {
  return yield* map(double, items, concurrency === undefined ? {} : { concurrency });
});

test("results stand in the order of their items", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(doubles, [[5, 1, 9]]), [10, 2, 18]);
  assert.deepEqual(
    await stent.run(doubles, [numbers(57), 3]),
    numbers(57).map((n) => n * 2),
  );
});

test("nothing gives nothing", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(doubles, [[]]), []);
  assert.deepEqual(await stent.run(doubles, [[], 2]), []);
});

const joinText = activity("map.joinText", async (a: string, b: number) => `${a}${b}`);
const pairs = workflow("map.pairs", function* () {
  return yield* starmap(joinText, [
    ["a", 1],
    ["b", 2],
  ]);
});

test("starmap gives each item its own arguments", async (t) => {
  const stent = await serving(t);
  assert.deepEqual(await stent.run(pairs, []), ["a1", "b2"]);
});

test("5,000 items are nothing special", async (t) => {
  const stent = await serving(t);
  const before = performance.now();
  assert.deepEqual(
    await stent.run(doubles, [numbers(5_000)]),
    numbers(5_000).map((n) => n * 2),
  );
  assert.ok(performance.now() - before < 10_000 * patience, `${performance.now() - before}`);
});

let inFlight = 0;
let most = 0;
const counted = activity("map.counted", async (n: number) => {
  inFlight += 1;
  most = Math.max(most, inFlight);
  await new Promise((resolve) => setTimeout(resolve, n % 3));
  inFlight -= 1;
  return n;
});
const bounded = workflow("map.bounded", function* (n: number, concurrency: number): Flow<number> {
  const results = yield* map(counted, numbers(n), { concurrency });
  return results.length;
});

test("a bound on those in flight is held, in one worker and in several", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file);
  most = 0;
  assert.equal(await stent.run(bounded, [60, 4]), 60);
  assert.ok(most <= 4, `${most} in flight`);
  await stentOn(t, file);
  await stentOn(t, file);
  most = 0;
  assert.equal(await stent.run(bounded, [90, 5]), 90);
  assert.ok(most <= 5 && most > 1, `${most} in flight`);
});

test("a map never runs more than its workers have room for", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 3 } });
  most = 0;
  assert.equal(await stent.run(bounded, [30, 100]), 30);
  assert.ok(most <= 3, `${most} in flight`);
});

const starts = new Map<string, number>();
function start(key: string): number {
  const n = (starts.get(key) ?? 0) + 1;
  starts.set(key, n);
  return n;
}
const reasons: unknown[] = [];
const runsOrFails = activity(
  "map.runsOrFails",
  { retry: { maxAttempts: 1 } },
  async (key: string, n: number) => {
    start(`${key} ${n}`);
    if (n === 0) {
      await until("the others run", () => starts.has(`${key} 1`) && starts.has(`${key} 2`));
      throw new RangeError("the first");
    }
    reasons.push(await aborted(context().signal));
  },
);
const failFast = workflow("map.failFast", function* (key: string, n: number): Flow<unknown> {
  return yield* starmap(
    runsOrFails,
    numbers(n).map((i) => [key, i] as const),
  );
});

test("the first failure is thrown, what runs is aborted, the rest never starts", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 3 } });
  const error = await rejection(stent.run(failFast, ["fast", 20]));
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, "the first");
  await until("two were told", () => reasons.length === 2);
  assert.ok(reasons.every((reason) => reason instanceof CancelledError));
  await stent.run(doubles, [[1, 2, 3]]);
  assert.equal([...starts.keys()].filter((key) => key.startsWith("fast")).length, 3);
});

const odd = activity("map.odd", { retry: { maxAttempts: 1 } }, async (n: number) => {
  if (n % 2 === 1) throw new Error(`odd ${n}`);
  return n;
});
const settles = workflow("map.settles", function* (items: number[]): Flow<
  PromiseSettledResult<number>[]
> {
  return yield* map(odd, items, { onError: "settle" });
});
const tolerates = workflow(
  "map.tolerates",
  function* (
    items: number[],
    tolerate: number | `${number}%`,
  ): Flow<PromiseSettledResult<number>[]> {
    return yield* map(odd, items, { tolerate });
  },
);

test("settled results tell of every item", async (t) => {
  const stent = await serving(t);
  const settled = await stent.run(settles, [[0, 1, 2, 3]]);
  assert.deepEqual(
    settled.map((each) => each.status),
    ["fulfilled", "rejected", "fulfilled", "rejected"],
  );
  assert.ok(
    settled[1]?.status === "rejected" &&
      settled[1].reason instanceof Error &&
      settled[1].reason.message === "odd 1",
  );
  assert.deepEqual(await stent.run(settles, [[]]), []);
  assert.equal(
    (await stent.run(settles, [[1, 3, 5]])).filter((each) => each.status === "rejected").length,
    3,
  );
});

test("so many failures are borne, and no more", async (t) => {
  const stent = await serving(t);
  const settled = await stent.run(tolerates, [[0, 1, 2, 3], 2]);
  assert.equal(settled.filter((each) => each.status === "rejected").length, 2);
  await assert.rejects(stent.run(tolerates, [[0, 1, 2, 3], 1]), /odd/);
  assert.equal((await stent.run(tolerates, [[0, 1, 2, 3], "50%"])).length, 4);
  await assert.rejects(stent.run(tolerates, [[0, 1, 2, 3], "49%"]), /odd/);
  await assert.rejects(stent.run(tolerates, [[0, 1], 0]), /odd/);
});

const flaky = activity(
  "map.flaky",
  { retry: { maxAttempts: 3, initialDelay: 5 } },
  async (key: string, n: number) => {
    context().counters.add("starts");
    const attempt = start(`${key} ${n}`);
    if (n % 3 === 0 && attempt < 3) throw new Error(`not yet ${n}`);
    context().counters.add("ends");
    return context().attempt;
  },
);
const retries = workflow(
  "map.retries",
  function* (key: string, n: number, concurrency: number): Flow<number[]> {
    return yield* starmap(
      flaky,
      numbers(n).map((i) => [key, i] as const),
      { concurrency },
    );
  },
);

test("items have attempts of their own, and what they leave counts once", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(retries, ["flaky", 12, 4]);
  assert.deepEqual(
    await handle.result(limit),
    numbers(12).map((n) => (n % 3 === 0 ? 3 : 1)),
  );
  assert.deepEqual((await handle.state()).counters, { starts: 12, ends: 12 });
});

const alwaysFails = activity(
  "map.alwaysFails",
  { retry: { maxAttempts: 4, initialDelay: 1 } },
  async (key: string) => {
    throw new Error(`attempt ${start(key)}`);
  },
);
const fails = workflow("map.fails", function* (key: string, maxAttempts?: number): Flow<unknown> {
  return yield* map(
    maxAttempts === undefined ? alwaysFails : alwaysFails.with({ retry: { maxAttempts } }),
    [key],
  );
});

test("an item fails after its last attempt with the last error; the place of call may change how many", async (t) => {
  const stent = await serving(t);
  await assert.rejects(stent.run(fails, ["four"]), /attempt 4/);
  await assert.rejects(stent.run(fails, ["one", 1]), /attempt 1/);
  assert.equal(starts.get("one"), 1);
});

const records = activity("map.records", async (n: number) => {
  context().counters.add("sum", n);
  context().state.set(`item ${n}`, { n });
  context().progress(`did ${n}`);
});
const recording = workflow("map.recording", function* (): Flow<number> {
  yield* map(records, [1, 2, 3]);
  return yield* counters.get("sum");
});

test("counters, state and progress of items are there when the map is over", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(recording, []);
  assert.equal(await handle.result(limit), 6);
  const ended = await handle.state();
  assert.deepEqual(ended.counters, { sum: 6 });
  assert.deepEqual(ended.customState, {
    "item 1": { n: 1 },
    "item 2": { n: 2 },
    "item 3": { n: 3 },
  });
  assert.deepEqual(
    ended.progress
      .filter((each) => each.step === "progress")
      .map((each) => each.detail ?? "")
      .toSorted((a, b) => a.localeCompare(b)),
    ["did 1", "did 2", "did 3"],
  );
});

const gate = new Gate();
const stopsOnce = activity("map.stopsOnce", async (n: number) => {
  const starts = start(`recover ${n}`);
  if (n >= 4 && starts === 1) await gate.passed;
  return n;
});
const recovers = workflow("map.recovers", function* (): Flow<number[]> {
  return yield* map(stopsOnce, numbers(8));
});

test("recovery runs only the items that have not ended", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { maxConcurrency: 4, drainTimeout: 1 } });
  const handle = await first.dispatch(recovers, []);
  await until("four items are over and four run", () => starts.has("recover 7"));
  await first.close();
  gate.open();
  const second = await stentOn(t, file);
  assert.deepEqual((await second.waitFor(handle.id, limit)).unwrap(), numbers(8));
  for (const n of numbers(4)) assert.equal(starts.get(`recover ${n}`), 1, `item ${n}`);
  for (const n of [4, 5, 6, 7]) assert.equal(starts.get(`recover ${n}`), 2, `item ${n}`);
});

const twoMaps = workflow("map.twoMaps", function* (): Flow<unknown> {
  yield* progress("begins");
  yield* state.set("x", 1);
  return yield* all([
    map(double, [1, 2, 3]),
    map(double, numbers(20), { concurrency: 2 }),
    call(double, 4),
  ]);
});

test("maps run beside each other", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 2 } });
  assert.deepEqual(await stent.run(twoMaps, []), [[2, 4, 6], numbers(20).map((n) => n * 2), 8]);
});

const bad = workflow("map.bad", function* (which: string): Flow<string> {
  try {
    if (which === "unserialisable") yield* map(double, [1, (() => 2) as never]);
    if (which === "concurrency") yield* map(double, [1], { concurrency: 0 });
    if (which === "tolerate") yield* map(double, [1], { tolerate: "x%" as never });
    if (which === "function") yield* map((async () => 1) as never, [1]);
    return "nothing";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
});

test("wrong uses of map are errors at the yield that name what is wrong", async (t) => {
  const stent = await serving(t);
  assert.match(await stent.run(bad, ["unserialisable"]), /^SerializationError: .*items\[1\]/);
  assert.match(await stent.run(bad, ["concurrency"]), /^RangeError: .*concurrency/);
  assert.match(await stent.run(bad, ["tolerate"]), /^RangeError: .*tolerate/);
  assert.match(await stent.run(bad, ["function"]), /^TypeError/);
});

const badResult = activity("map.badResult", { retry: { initialDelay: 1 } }, async (n: number) => {
  start(`badResult ${n}`);
  return n === 1 ? { f: () => 1 } : n;
});
const badResults = workflow("map.badResults", function* (): Flow<unknown> {
  return yield* map(badResult, [0, 1, 2]);
});

test("an item's result that cannot be stored fails the map, with no second attempt", async (t) => {
  const stent = await serving(t);
  const error = await rejection(stent.run(badResults, []));
  assert.equal(error.name, "SerializationError");
  assert.equal(starts.get("badResult 1"), 1);
});
