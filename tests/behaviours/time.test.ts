import assert from "node:assert/strict";
import { test } from "node:test";
import {
  all,
  activity,
  call,
  InvalidDurationError,
  map,
  now,
  parseDuration,
  random,
  run,
  sleep,
  sleepUntil,
  uuid,
  workflow,
  type Flow,
} from "stentjs";
import { simulate } from "stentjs/testing";
import { databaseFile, rejection, serving, stentOn, until, patience } from "../support/serving.ts";

const limit = { timeout: "20s" };

const naps = workflow("time.naps", function* (ms: number): Flow<number> {
  const before = yield* now();
  yield* sleep(ms);
  const after = yield* now();
  return after.getTime() - before.getTime();
});
const until50 = workflow("time.until", function* (at: number, asDate: boolean): Flow<number> {
  yield* sleepUntil(asDate ? new Date(at) : at);
  return (yield* now()).getTime();
});

test("a sleep is not shorter than asked for, and less than 50 ms longer when idle", async (t) => {
  const stent = await serving(t);
  await stent.run(naps, [1]);
  const slept = await stent.run(naps, [200]);
  assert.ok(slept >= 200 && slept < 260, `${slept}`);
});

test("sleepUntil takes a date or a number; a time that has passed is over at once", async () => {
  const startAt = new Date("2030-01-01T00:00:00Z");
  const at = Number(startAt) + 80;
  for (const asDate of [true, false]) {
    const { outcome } = await simulate(until50, [at, asDate], { startAt });
    assert.deepEqual(outcome, { ok: true, value: at });
  }
  assert.equal((await simulate(until50, [5, false], { startAt })).elapsed, 0);
  assert.equal((await simulate(naps, [0], { startAt })).elapsed, 0);
});

test("a sleep waits only its remainder after a restart", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file);
  const before = performance.now();
  const handle = await first.dispatch(naps, [600]);
  await until("it sleeps", async () =>
    (await handle.state()).waitingFor.some(({ kind }) => kind === "sleep"),
  );
  await first.close();
  const second = await stentOn(t, file);
  const slept = (await second.waitFor(handle.id, limit)).unwrap() as number;
  assert.ok(slept >= 600);
  assert.ok(performance.now() - before < 1_100, `${performance.now() - before}`);
});

test("a sleeper wakes on a worker whatever the tags of the one that began it", async (t) => {
  const file = databaseFile(t);
  const first = await stentOn(t, file, { serve: { tags: ["gpu"] } });
  const handle = await first.dispatch(naps, [100]);
  await until("it sleeps", async () =>
    (await handle.state()).waitingFor.some(({ kind }) => kind === "sleep"),
  );
  await first.close();
  const second = await stentOn(t, file, { serve: { tags: ["cpu"] } });
  await second.waitFor(handle.id, limit);
});

test("a sleeping workflow holds no slot", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 1 } });
  const sleepers = await stent.dispatchMany(
    naps,
    Array.from({ length: 20 }, () => [150] as [number]),
  );
  const before = performance.now();
  await Promise.all(sleepers.map((handle) => handle.result(limit)));
  assert.ok(performance.now() - before < 1_000, `${performance.now() - before}`);
});

test("2,000 sleepers that are due at once all go on within five seconds", async (t) => {
  const stent = await serving(t);
  const at = Date.now() + 1_500;
  const handles = await stent.dispatchMany(
    until50,
    Array.from({ length: 2_000 }, () => [at, false] as [number, boolean]),
  );
  const ends = await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.ok(ends.every((end) => end >= at));
  assert.ok(Math.max(...ends) - at < 5_000 * patience, `${Math.max(...ends) - at}`);
});

const sleepsTogether = workflow("time.together", function* (): Flow<void> {
  yield* all([sleep(100), sleep(100), sleep(50)]);
});

test("parallel sleeps run at the same time", async () => {
  assert.equal((await simulate(sleepsTogether, [])).elapsed, 100);
});

let closures = 0;
const touch = activity("time.touch", async () => undefined);
const facts = workflow("time.facts", function* (): Flow<unknown> {
  const before = [
    yield* now(),
    yield* random(),
    yield* uuid(),
    yield* run("closure", () => (closures += 1)),
  ];
  yield* sleep(20);
  yield* call(touch);
  const after = [yield* now(), yield* random(), yield* uuid()];
  yield* sleep(20);
  return { before, after };
});

test("now, random, uuid and run are the same in every replay", async (t) => {
  const stent = await serving(t, { serve: { maxCachedWorkflows: 0 } });
  closures = 0;
  const { before, after } = (await stent.run(facts, [])) as { before: unknown[]; after: unknown[] };
  assert.equal(closures, 1);
  assert.ok(before[0] instanceof Date);
  assert.equal(before[3], 1);
  assert.notEqual(before[2], after[2]);
  assert.match(String(before[2]), /^[\da-f]{8}-[\da-f]{4}-/);
  assert.ok(typeof before[1] === "number" && before[1] >= 0 && before[1] < 1);
});

test("bad durations are InvalidDurationErrors that name the text", async (t) => {
  for (const bad of [
    "",
    " 1s",
    "1s ",
    "-1s",
    "1 s",
    "1x",
    "s",
    "1s1",
    "1..5s",
    "1e3s",
    "Infinity",
    "NaN",
    "1,5s",
    "x".repeat(100),
    "101000w",
  ]) {
    assert.throws(() => parseDuration(bad), InvalidDurationError, bad);
    assert.throws(() => sleep(bad), InvalidDurationError, bad);
  }
  for (const bad of [
    NaN,
    Infinity,
    -1,
    4e15,
    undefined,
    null,
    true,
    {},
    [],
    { hours: -1 },
    { hour: 1 },
  ] as never[]) {
    assert.throws(() => parseDuration(bad), InvalidDurationError, JSON.stringify(bad));
  }
  assert.equal(parseDuration("1h30m0.5s"), 5_400_500);
  const stent = await serving(t);
  await assert.rejects(stent.dispatch(naps, [1], { delay: "soon" }), InvalidDurationError);
  await assert.rejects(stent.dispatch(naps, [1], { maxDuration: "-1s" }), InvalidDurationError);
  const error = await rejection(stent.waitFor("x", { timeout: "later" }));
  assert.ok(error instanceof InvalidDurationError);
  assert.match(error.message, /later/);
});

const badSleep = workflow("time.badSleep", function* (): Flow<string> {
  try {
    yield* sleep("soon");
  } catch (error) {
    return (error as Error).name;
  }
  return "none";
});

test("a bad duration inside a workflow is thrown at its line and can be caught", async () => {
  const { outcome } = await simulate(badSleep, []);
  assert.deepEqual(outcome, { ok: true, value: "InvalidDurationError" });
});

const each = activity("time.each", async (n: number) => n);
const hot = workflow("time.hot", function* (): Flow<number> {
  let sum = 0;
  for (let i = 0; i < 300; i += 1) sum += yield* call(each, i);
  const many = yield* map(each, [1, 2, 3]);
  return sum + many.length;
});

test("a long chain of steps runs quickly, whether it is replayed or not", async (t) => {
  const stent = await serving(t);
  const before = performance.now();
  assert.equal(await stent.run(hot, []), 44_853);
  assert.ok(performance.now() - before < 5_000);
});

const endless = workflow("time.endless", function* (): Flow<void> {
  for (;;) yield* random();
});

test("a loop of effects that never waits is cut off with an error, and harms nobody else", async (t) => {
  const stent = await serving(t);
  const handle = await stent.dispatch(endless, []);
  const error = await rejection(handle.result(limit));
  assert.equal(error.name, "TurnLimitError");
  assert.equal((await handle.state()).state, "failed");
  assert.ok((await stent.run(naps, [1])) >= 1);
});
