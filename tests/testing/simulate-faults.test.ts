import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  all,
  call,
  compensate,
  context,
  continueAsNew,
  counters,
  fork,
  join,
  map,
  NonDeterminismError,
  now,
  race,
  random,
  run,
  signal,
  sleep,
  state,
  uuid,
  within,
  workflow,
  type Flow,
} from "stentjs";
import { mock, simulate } from "stentjs/testing";

describe("simulate with crashes", () => {
  test("comes to the same, wherever it crashes", async () => {
    const signals = [{ at: "3h", name: "approval", payload: { by: "ann" } }];
    const calm = await simulate(everything, ["book"], { signals, seed: 3 });
    assert.equal(calm.crashes, 0);
    const shaken = await simulate(everything, ["book"], { signals, seed: 3, crash: 1 });
    assert.ok(shaken.crashes > 10);
    assert.deepEqual(shaken.outcome, calm.outcome);
    assert.deepEqual(shaken.history, calm.history);
    assert.deepEqual(shaken.counters, calm.counters);
    assert.deepEqual(shaken.state, calm.state);
    assert.equal(shaken.elapsed, calm.elapsed);
  });

  test("crashes now and then, by the seed", async () => {
    const crashes = async (seed: number): Promise<number> =>
      (await simulate(steps, [40], { seed, crash: 0.5 })).crashes;
    const first = await crashes(1);
    assert.ok(first > 0 && first < 40);
    assert.equal(await crashes(1), first);
  });

  test("crashes children too, and runs no activity twice by that", async () => {
    const started: string[] = [];
    const mocks = [mock(reserve, (sku) => (started.push(sku), `hold-${sku}`))];
    const { outcome, crashes } = await simulate(parent, [], { crash: 1, mocks });
    assert.deepEqual(outcome, { ok: true, value: ["hold-a", "hold-b"] });
    assert.deepEqual(started, ["a", "b"]);
    assert.ok(crashes >= 3);
  });

  test("reports a result that hangs on where the crash fell, with the seed", async () => {
    assert.deepEqual((await simulate(remembering, [])).outcome, { ok: true, value: 5 });
    await assert.rejects(simulate(remembering, [], { crash: 1, seed: 7 }), (error) => {
      assert.ok(error instanceof NonDeterminismError);
      assert.match(error.message, /without a crash it returned 5; after one it returned undefined/);
      assert.match(error.message, /\(seed 7, crash 1\)$/);
      return true;
    });
  });

  test("reports a step that carries something else after a crash", async () => {
    await assert.rejects(simulate(counting, [false], { crash: 1 }), (error) => {
      assert.ok(error instanceof NonDeterminismError);
      assert.match(error.message, /without a crash it yielded call "fault reserve" at path 2/);
      assert.equal(error.path, "2");
      return true;
    });
  });

  test("compares what a step carried when it was yielded, not what became of it", async () => {
    const { outcome, crashes } = await simulate(collecting, [], { crash: 1 });
    assert.deepEqual(outcome, { ok: true, value: [1, 2, 3] });
    assert.ok(crashes >= 3);
    await assert.rejects(simulate(counting, [true], { crash: 1 }), (error) => {
      assert.ok(error instanceof NonDeterminismError);
      assert.match(error.message, /path 2 with .*"seen":1.* after one .*path 2 with .*"seen":0/);
      return true;
    });
  });

  test("gives each replay values of its own", async () => {
    const { outcome } = await simulate(changing, [], { crash: 1 });
    assert.deepEqual(outcome, { ok: true, value: ["a", "b"] });
  });

  test("reports a step that is another one after a crash, as production would", async () => {
    await assert.rejects(simulate(flipping(), [], { crash: 1 }), NonDeterminismError);
  });
});

describe("simulate with duplicates", () => {
  test("runs an activity twice, with one key, and gives the workflow one outcome", async () => {
    const keys: string[] = [];
    const twice = mock(reserve, (sku) => {
      keys.push(context().idempotencyKey);
      return `${sku} ${keys.length}`;
    });
    const { outcome } = await simulate(one, [], { duplicate: 1, mocks: [twice] });
    assert.deepEqual(outcome, { ok: true, value: "a 2" });
    assert.deepEqual(keys, ["simulated/1/1", "simulated/1/1"]);
  });

  test("starts what may be started once only once", async () => {
    let started = 0;
    const mocks = [mock(reserve, () => `${(started += 1)}`)];
    const { outcome } = await simulate(onceOnly, [], { duplicate: 1, mocks });
    assert.deepEqual(outcome, { ok: true, value: "1" });
  });

  test("doubles the items of a map too", async () => {
    const started: string[] = [];
    const mocks = [mock(reserve, (sku) => (started.push(sku), sku))];
    await simulate(parent, [], { duplicate: 1, mocks });
    assert.deepEqual(started.toSorted(), ["a", "a", "b", "b"]);
  });
});

const reserve = activity("fault reserve", async (sku: string): Promise<string> => `hold-${sku}`);

const keep = activity("fault keep", async (_value: unknown): Promise<void> => undefined);
const listing = activity("fault listing", async (): Promise<string[]> => ["a"]);

const everything = workflow("fault everything", function* (sku: string): Flow<unknown> {
  const begun = yield* now();
  const dice = [yield* random(), yield* uuid()];
  const hold = yield* call(reserve, sku);
  yield* compensate(() => call(reserve, "undo"));
  yield* counters.add("orders", 2);
  yield* state.set("hold", { hold });
  const raced = yield* race({ approval: signal<{ by: string }>("approval"), late: sleep("1d") });
  const task = yield* fork(branch("forked"));
  const both = yield* all([branch("left"), within("1h", branch("right"))]);
  const items = yield* map(reserve, ["x", "y", "z"], { concurrency: 2 });
  const rolled = yield* run("roll", () => 4);
  const child = yield* call(steps, 3);
  const known = [yield* counters.get("orders"), yield* state.get("hold")];
  if ((yield* counters.get("orders")) < 4) return yield* continueAsNew(`${sku} again`);
  return { begun, dice, raced, both, items, rolled, child, known, task: yield* join(task) };
});

function* branch(name: string): Flow<string> {
  yield* sleep("10m");
  return yield* call(reserve, name);
}

const steps = workflow("fault steps", function* (count: number) {
  const seen: string[] = [];
  for (let index = 0; index < count; index += 1) seen.push(yield* call(reserve, `${index}`));
  return seen.length;
});

const parent = workflow("fault parent", function* () {
  return yield* map(child, ["a", "b"]);
});

const child = workflow("fault child", function* (sku: string) {
  yield* sleep("1h");
  return yield* call(reserve, sku);
});

const remembering = workflow("fault remembering", function* () {
  let seen: number | undefined;
  yield* run("look", () => {
    seen = 5;
  });
  yield* sleep("1h");
  return seen;
});

const collecting = workflow("fault collecting", function* () {
  const seen: number[] = [];
  for (const number of [1, 2, 3]) {
    seen.push(number);
    yield* call(keep, seen);
  }
  return seen;
});

const changing = workflow("fault changing", function* () {
  const list = yield* call(listing);
  yield* sleep("1h");
  list.push("b");
  yield* sleep("1h");
  return list;
});

const counting = workflow("fault counting", function* (inAnObject: boolean) {
  let seen = 0;
  yield* run("look", () => {
    seen += 1;
  });
  if (inAnObject) yield* call(keep, { seen });
  return yield* call(reserve, `${seen}`);
});

function flipping(): typeof one {
  let begun = 0;
  return workflow(`fault flipping ${Math.random()}`, function* () {
    begun += 1;
    if (begun > 1) yield* sleep(1);
    return yield* call(reserve, "a");
  });
}

const one = workflow("fault one", function* (): Flow<string> {
  return yield* call(reserve, "a");
});

const onceOnly = workflow("fault once only", function* () {
  return yield* call(reserve.with({ retry: { maxAttempts: 1 } }), "a");
});
