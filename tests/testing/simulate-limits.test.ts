import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  all,
  allSettled,
  call,
  cancel,
  context,
  DeadlockError,
  dispatch,
  fork,
  join,
  map,
  now,
  NonRetryableError,
  race,
  signal,
  sleep,
  workflow,
  type Flow,
} from "stentjs";
import { mock, simulate } from "stentjs/testing";

const hour = 3_600_000;
const start = Date.UTC(2000, 0, 1);

describe("simulate with limits", () => {
  test("lets at most so many attempts run, those of one key apart", async () => {
    const running = new Map<string, number>();
    let most = 0;
    const mocks = [
      mock(render, async (customer) => {
        const count = (running.get(customer) ?? 0) + 1;
        running.set(customer, count);
        most = Math.max(most, count);
        await Promise.resolve();
        running.set(customer, (running.get(customer) ?? 0) - 1);
        return customer;
      }),
    ];
    const customers = ["a", "b", "a", "a", "b", "a"];
    const { outcome } = await simulate(rendering, [customers], { mocks });
    assert.deepEqual(outcome, { ok: true, value: customers });
    assert.equal(most, 2);
  });

  test("keeps the place of a workflow while it sleeps", async () => {
    const { outcome, elapsed } = await simulate(nightly, [["1h", "2h", "3h"]]);
    // Two at a time: the third begins when the first has ended.
    assert.deepEqual(outcome, { ok: true, value: [0, 0, hour] });
    assert.equal(elapsed, 4 * hour);
  });

  test("frees a place between two attempts", async () => {
    const log: string[] = [];
    const mocks = [
      mock(single, (name) => {
        log.push(`${name} ${context().attempt}`);
        if (name === "a" && context().attempt === 1) throw new Error("busy");
        return name;
      }),
    ];
    await simulate(singles, [], { mocks });
    assert.deepEqual(log, ["a 1", "b 1", "a 2"]);
  });

  test("gives the place of what is cancelled to the next", async () => {
    const { outcome, elapsed } = await simulate(impatient, []);
    assert.deepEqual(outcome, { ok: true, value: hour });
    assert.equal(elapsed, 2 * hour);
  });

  test("lets the more urgent in first, then what has waited longest", async () => {
    const { outcome } = await simulate(queueing, []);
    assert.deepEqual(outcome, {
      ok: true,
      value: { first: 0, second: 2 * hour, third: 3 * hour, urgent: hour },
    });
  });

  test("passes over what was cancelled while it waited", async () => {
    const { outcome } = await simulate(leaving, []);
    assert.deepEqual(outcome, { ok: true, value: [hour, hour] });
  });

  test("starts at most so often: a burst, then one after the other", async () => {
    const { elapsed } = await simulate(syncing, [["a", "b", "c", "d", "e"]]);
    // Two at once, then one every half a second.
    assert.equal(elapsed, 1_500);
  });

  test("fails what waits only for places of its own ancestors", async () => {
    const { outcome } = await simulate(nested, [2]);
    assert.ok(!outcome.ok && outcome.error instanceof DeadlockError);
    assert.match(outcome.error.message, /"limit nested" waits for a place .* hold: simulated$/);
  });

  test("says by what a workflow is held back that would wait for ever", async () => {
    await assert.rejects(
      simulate(circle, []),
      /waits for ever: .*\(held back by maxConcurrent of "limit held"\)/,
    );
  });

  test("comes to the same with crashes", async () => {
    const calm = await simulate(nightly, [["1h", "2h", "3h"]]);
    const shaken = await simulate(nightly, [["1h", "2h", "3h"]], { crash: 1 });
    assert.deepEqual(shaken.outcome, calm.outcome);
    assert.equal(shaken.elapsed, calm.elapsed);
  });
});

describe("simulate with shared results", () => {
  test("runs once for all who ask for it, at the same time and later", async () => {
    const charged: string[] = [];
    const mocks = [mock(charge, (id) => (charged.push(id), `paid ${id}`))];
    const { outcome, history } = await simulate(paying, [], { mocks });
    assert.deepEqual(outcome, {
      ok: true,
      value: [["paid a", "paid a", "paid b"], "paid a"],
    });
    assert.deepEqual(charged, ["a", "b"]);
    assert.equal(history.length, 4);
  });

  test("runs again when a result's time is over", async () => {
    let asked = 0;
    const mocks = [mock(rate, () => (asked += 1))];
    const { outcome } = await simulate(watching, [], { mocks });
    assert.deepEqual(outcome, { ok: true, value: [1, 1, 2] });
  });

  test("lets the next run where one has failed for good", async () => {
    let tried = 0;
    const mocks = [
      mock(charge, (id) => {
        tried += 1;
        if (tried === 1) throw new NonRetryableError("declined");
        return `paid ${id}`;
      }),
    ];
    const { outcome } = await simulate(bothPaying, [], { mocks });
    assert.deepEqual(outcome, { ok: true, value: ["rejected", "fulfilled", "fulfilled"] });
    assert.equal(tried, 2);
  });

  test("gives a child the result of another, whoever started it", async () => {
    const { outcome, elapsed } = await simulate(reporting, []);
    assert.deepEqual(outcome, { ok: true, value: [start, start, start] });
    assert.equal(elapsed, 2 * hour);
  });

  test("shares nothing with another simulation", async () => {
    let charged = 0;
    const mocks = [mock(charge, () => `${(charged += 1)}`)];
    await simulate(paying, [], { mocks });
    await simulate(paying, [], { mocks });
    assert.equal(charged, 4);
  });

  test("answers a thousand items from one run", async () => {
    const items = Array.from({ length: 1_000 }, () => "a");
    let charged = 0;
    const mocks = [mock(charge, () => `${(charged += 1)}`)];
    const { outcome } = await simulate(chargingAll, [items], { mocks });
    assert.deepEqual(outcome, { ok: true, value: 1_000 });
    assert.equal(charged, 1);
  });
});

const render = activity(
  "limit render",
  { maxConcurrent: { limit: 2, key: (customer: string) => customer } },
  async (customer: string): Promise<string> => customer,
);

const rendering = workflow("limit rendering", function* (customers: string[]) {
  return yield* map(render, customers);
});

const job = workflow("limit job", { maxConcurrent: 2 }, function* (duration: string): Flow<number> {
  const begun = Number(yield* now()) - start;
  yield* sleep(duration);
  return begun;
});

const nightly = workflow("limit nightly", function* (durations: string[]) {
  return yield* map(job, durations);
});

const single = activity(
  "limit single",
  { maxConcurrent: 1, retry: { maxAttempts: 2, jitter: 0 } },
  async (name: string): Promise<string> => name,
);

const singles = workflow("limit singles", function* () {
  return yield* all([call(single, "a"), call(single, "b")]);
});

const holding = workflow(
  "limit holding",
  { maxConcurrent: 1 },
  function* (duration: string): Flow<number> {
    const begun = Number(yield* now()) - start;
    yield* sleep(duration);
    return begun;
  },
);

const impatient = workflow("limit impatient", function* () {
  yield* race({ long: call(holding, "1d"), short: sleep("1h") });
  return yield* call(holding, "1h");
});

const queueing = workflow("limit queueing", function* () {
  return yield* all({
    first: call(holding, "1h"),
    second: call(holding, "1h"),
    third: call(holding, "1h"),
    urgent: call(holding.with({ priority: 5 }), "1h"),
  });
});

const leaving = workflow("limit leaving", function* () {
  const first = yield* fork(call(holding, "1h"));
  const second = yield* fork(call(holding, "1d"));
  const third = yield* fork(call(holding, "1h"));
  yield* sleep("1h");
  yield* cancel(second);
  yield* join(first);
  return [yield* join(third), hour];
});

const sync = activity(
  "limit sync",
  { rateLimit: { limit: 2, per: "1s" } },
  async (account: string): Promise<string> => account,
);

const syncing = workflow("limit syncing", function* (accounts: string[]) {
  yield* map(sync, accounts);
});

const nested = workflow(
  "limit nested",
  { maxConcurrent: 1 },
  function* (depth: number): Flow<number> {
    return depth === 0 ? 0 : yield* call(nested, depth - 1);
  },
);

const circle = workflow("limit circle", function* () {
  yield* dispatch(held, [true]);
  return yield* call(held, false);
});

const held = workflow("limit held", { maxConcurrent: 1 }, function* (waits: boolean) {
  if (waits) yield* signal("never");
});

const charge = activity(
  "limit charge",
  { idempotent: true },
  async (id: string): Promise<string> => `paid ${id}`,
);

const paying = workflow("limit paying", function* () {
  const paid = yield* all([call(charge, "a"), call(charge, "a"), call(charge, "b")]);
  return [paid, yield* call(charge, "a")];
});

const bothPaying = workflow("limit both paying", function* () {
  const paid = yield* allSettled([call(charge, "a"), call(charge, "a"), call(charge, "a")]);
  return paid.map(({ status }) => status);
});

const chargingAll = workflow("limit charging all", function* (ids: string[]) {
  return (yield* map(charge, ids, { concurrency: 3 })).length;
});

const rate = activity("limit rate", { cached: { ttl: "1h" } }, async (): Promise<number> => 0);

const watching = workflow("limit watching", function* () {
  const first = yield* call(rate);
  yield* sleep("59m");
  const second = yield* call(rate);
  yield* sleep("2m");
  return [first, second, yield* call(rate)];
});

const report = workflow("limit report", { cached: true }, function* (): Flow<number> {
  const begun = Number(yield* now());
  yield* sleep("2h");
  return begun;
});

const reporting = workflow("limit reporting", function* () {
  yield* dispatch(report, []);
  const both = yield* all([call(report), call(report)]);
  return [...both, yield* call(report)];
});
