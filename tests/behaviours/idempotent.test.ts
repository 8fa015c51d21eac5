/** idempotent and cached: work that is run once for all who ask for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  activity,
  all,
  call,
  map,
  NonRetryableError,
  run,
  sleep,
  workflow,
  type Flow,
} from "stentjs";
import { databaseFile, Gate, rejection, serving, stentOn, until } from "../support/serving.ts";

const limit = { timeout: "30s" };
const ran: string[] = [];
function times(key: string): number {
  return ran.filter((one) => one === key).length;
}

const charge = activity(
  "idempotent.charge",
  { idempotent: true, idempotencyKey: (order: string) => order },
  async (order: string, cents: number) => {
    ran.push(order);
    await pause(5);
    return { order, cents };
  },
);
const chargeLater = activity(
  "idempotent.chargeLater",
  { idempotent: true, idempotencyKey: (order: string) => order },
  async (order: string) => order,
);
const pays = workflow("idempotent.pays", function* (order: string, cents: number): Flow<unknown> {
  return yield* call(charge, order, cents);
});

test("callers at the same time, in one workflow, in several and as jobs: one runs, all get its result", async (t) => {
  const stent = await serving(t, { serve: { maxConcurrency: 20 } });
  void stent.serve({ maxConcurrency: 20 });
  const twice = workflow("idempotent.twice", function* (order: string): Flow<unknown> {
    return yield* all([call(charge, order, 1), call(charge, order, 2)]);
  });
  const handles = [
    ...(await stent.dispatchMany(
      pays,
      Array.from({ length: 8 }, (_, n): [string, number] => ["o1", n]),
    )),
    ...(await stent.dispatchMany(
      charge,
      Array.from({ length: 8 }, (_, n): [string, number] => ["o1", n]),
    )),
    await stent.dispatch(twice, ["o1"]),
  ];
  const results = await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.equal(times("o1"), 1);
  const [first] = results;
  for (const result of results.slice(0, -1)) assert.deepEqual(result, first);
  assert.deepEqual(results.at(-1), [first, first]);
});

test("later ones hit, other keys and other functions with the key do not, and the progress tells", async (t) => {
  const stent = await serving(t);
  const first = await stent.run(charge, ["o2", 100]);
  assert.deepEqual(await stent.run(charge, ["o2", 999]), first);
  const later = await stent.dispatch(pays, ["o2", 5]);
  assert.deepEqual(await later.result(limit), first);
  assert.equal((await later.state()).progress.at(-1)?.status, "cache_hit");
  assert.equal(await stent.run(chargeLater, ["o2"]), "o2");
  await stent.run(charge, ["o3", 1]);
  assert.deepEqual([times("o2"), times("o3")], [1, 1]);
});

const falsy = activity("idempotent.falsy", { cached: true }, async (value: unknown, of: object) => {
  ran.push(`falsy ${JSON.stringify(value)} ${JSON.stringify(Object.keys(of).toSorted())}`);
  return value;
});

test("falsy results are hits, and the order of an object's keys makes no difference", async (t) => {
  const stent = await serving(t);
  for (const value of [0, "", false, null, undefined]) {
    assert.deepEqual(await stent.run(falsy, [value, { a: 1, b: 2 }]), value);
    assert.deepEqual(await stent.run(falsy, [value, { b: 2, a: 1 }]), value);
  }
  assert.equal(ran.filter((one) => one.startsWith("falsy")).length, 5);
});

const flaky = activity(
  "idempotent.flaky",
  { idempotent: true, retry: { maxAttempts: 2, initialDelay: 20 } },
  async (key: string) => {
    ran.push(`flaky ${key}`);
    await pause(5);
    if (times(`flaky ${key}`) <= 2) throw new Error("not yet");
    return `at ${times(`flaky ${key}`)}`;
  },
);

test("if the runner fails for good, one of those who wait runs", async (t) => {
  const stent = await serving(t);
  const handles = await stent.dispatchMany(flaky, [["f"], ["f"], ["f"]]);
  const results = await Promise.all(handles.map((handle) => handle.wait(limit)));
  assert.equal(results.filter(({ ok }) => !ok).length, 1, "the first has used up its attempts");
  assert.deepEqual(
    results.flatMap((one) => (one.ok ? [one.value] : [])),
    ["at 3", "at 3"],
  );
});

const gates = new Map<string, Gate<unknown>>();
function gate(key: string): Gate<unknown> {
  const known = gates.get(key) ?? new Gate<unknown>();
  gates.set(key, known);
  return known;
}
const held = activity("idempotent.held", { idempotent: true }, async (key: string) => {
  ran.push(`held ${key}`);
  return gate(key).passed;
});

test("if it is cancelled, too; and one that succeeds after all is kept for the others", async (t) => {
  const stent = await serving(t);
  const first = await stent.dispatch(held, ["h"]);
  await until("it runs", () => times("held h") === 1);
  const second = await stent.dispatch(held, ["h"]);
  const third = await stent.dispatch(held, ["h"]);
  await third.cancel();
  assert.equal((await third.wait(limit)).ok, false);
  await first.cancel();
  gate("h").open("late");
  assert.equal(await second.result(limit), "late");
});

const nightly = workflow(
  "idempotent.nightly",
  { idempotent: true, idempotencyKey: (day: string) => day },
  function* (day: string): Flow<string> {
    yield* sleep(10);
    yield* run("note", () => ran.push(`nightly ${day}`));
    return `done ${day}`;
  },
);
const asks = workflow("idempotent.asks", function* (day: string): Flow<unknown> {
  return [yield* call(nightly, day), yield* map(nightly, [day, `${day}'`])];
});

test("a workflow is run once as well: as root, child and item", async (t) => {
  const stent = await serving(t);
  const handles = [
    ...(await stent.dispatchMany(nightly, [["mon"], ["mon"]])),
    await stent.dispatch(asks, ["mon"]),
  ];
  const results = await Promise.all(handles.map((handle) => handle.result(limit)));
  assert.deepEqual(results, ["done mon", "done mon", ["done mon", ["done mon", "done mon'"]]]);
  assert.deepEqual([times("nightly mon"), times("nightly mon'")], [1, 1]);
});

const brief = activity("idempotent.brief", { cached: { ttl: 50 } }, async (key: string) => {
  ran.push(`brief ${key}`);
  return times(`brief ${key}`);
});

test("a result is kept for its ttl", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(brief, ["b"]), 1);
  await pause(80);
  assert.equal(await stent.run(brief, ["b"]), 2);
});

test("results outlive their execution, and the process", async (t) => {
  const file = databaseFile(t);
  const stent = await stentOn(t, file);
  const first = await stent.dispatch(charge, ["o9", 1]);
  await first.result(limit);
  await stent.cleanup({ olderThan: 0 });
  assert.equal((await rejection(first.state())) instanceof Error, true);
  await stent.close();
  const next = await stentOn(t, file);
  assert.deepEqual(await next.run(charge, ["o9", 2]), { order: "o9", cents: 1 });
  assert.equal(times("o9"), 1);
});

const deepest = workflow(
  "idempotent.deepest",
  { idempotent: true },
  function* (key: string): Flow<string> {
    try {
      return yield* call(deepestAgain, key);
    } catch (error) {
      return (error as Error).name;
    }
  },
);
const deepestAgain: typeof deepest = deepest;

test("one that calls itself under its own key fails that call with DeadlockError", async (t) => {
  const stent = await serving(t);
  assert.equal(await stent.run(deepest, ["d"]), "DeadlockError");
});

const failing = activity("idempotent.failing", { idempotent: true }, async () => {
  ran.push("failing");
  throw new NonRetryableError("for good");
});

test("failures are not kept", async (t) => {
  const stent = await serving(t);
  assert.ok((await rejection(stent.run(failing, []))) instanceof NonRetryableError);
  assert.ok((await rejection(stent.run(failing, []))) instanceof NonRetryableError);
  assert.equal(times("failing"), 2);
});

test("a new version runs anew, but not under a key of one's own", async (t) => {
  const stent = await serving(t);
  const versioned = async (n: number): Promise<number> => ran.push(`version ${n}`);
  const own = async (n: number): Promise<number> => ran.push(`own ${n}`);
  for (const version of ["1", "2"]) {
    const fn = activity("idempotent.versioned", { cached: true, version }, versioned);
    const keyed = activity(
      "idempotent.own",
      { cached: true, version, idempotencyKey: String },
      own,
    );
    await stent.run(fn, [7]);
    await stent.run(keyed, [7]);
  }
  assert.deepEqual([times("version 7"), times("own 7")], [2, 1]);
});
