import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  all,
  allSettled,
  call,
  cancelled,
  CancelledError,
  compensate,
  context,
  continueAsNew,
  counters,
  dispatch,
  ExpiryError,
  fork,
  join,
  map,
  NonRetryableError,
  now,
  progress,
  race,
  random,
  remote,
  run,
  sendSignal,
  shield,
  signal,
  sleep,
  state,
  transaction,
  uuid,
  within,
  workflow,
  type Flow,
} from "stentjs";
import { mock, mockClosure, simulate } from "stentjs/testing";

const hour = 3_600_000;
const day = 24 * hour;

describe("simulate", () => {
  test("runs activities for real, and tells value, history and virtual time", async () => {
    const { outcome, history, elapsed } = await simulate(order, ["book"]);
    assert.deepEqual(outcome, { ok: true, value: "1200 for hold-book" });
    assert.equal(elapsed, day);
    assert.deepEqual(
      history.map(({ path, effect, outcome: came }) => [path, effect, came]),
      [
        [
          "1",
          { kind: "call", name: "sim reserve", args: ["book"] },
          { ok: true, value: "hold-book" },
        ],
        ["2", { kind: "sleep" }, { ok: true, value: undefined }],
        [
          "3",
          { kind: "call", name: "sim charge", args: ["hold-book", 1_200] },
          { ok: true, value: "1200 for hold-book" },
        ],
      ],
    );
    assert.deepEqual(
      history.map(({ scheduledAt }) => scheduledAt.toISOString()),
      ["2000-01-01T00:00:00.000Z", "2000-01-01T00:00:00.000Z", "2000-01-02T00:00:00.000Z"],
    );
  });

  test("puts stand-ins in the place of activities, by reference", async () => {
    const mocks = [mock(charge, async (hold) => `free ${hold}`)];
    const { outcome } = await simulate(order, ["book"], { mocks });
    assert.deepEqual(outcome, { ok: true, value: "free hold-book" });
  });

  test("sleeps ten years in no time", async () => {
    const { outcome, elapsed } = await simulate(sleeper, ["520w"]);
    assert.deepEqual(outcome, { ok: true, value: 520 * 7 * day });
    assert.equal(elapsed, 520 * 7 * day);
  });

  test("ends as failed with the error as it is stored", async () => {
    const mocks = [mock(reserve, () => Promise.reject(new NonRetryableError("sold out")))];
    const { outcome } = await simulate(order, ["book"], { mocks });
    assert.ok(!outcome.ok && outcome.error instanceof NonRetryableError);
    assert.equal(outcome.error.message, "sold out");
  });

  test("takes values through the serializer, as production does", async () => {
    const dates = [mock(reserve, () => new Date(5) as never)];
    const { history } = await simulate(order, ["book"], { mocks: dates });
    assert.deepEqual(history[0]?.outcome, { ok: true, value: new Date(5) });
    const functions = [mock(reserve, () => (() => 1) as never)];
    const { outcome } = await simulate(order, ["book"], { mocks: functions });
    assert.match(outcome.ok ? "" : outcome.error.message, /result is a function/);
  });

  test("retries after the delays of the policy", async () => {
    const attempts: number[] = [];
    const flaky = mock(reserve, () => {
      attempts.push(context().attempt);
      if (attempts.length < 3) throw new Error("busy");
      return "hold";
    });
    const { outcome, elapsed } = await simulate(steadily, ["book"], { mocks: [flaky] });
    assert.deepEqual(outcome, { ok: true, value: "hold" });
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.equal(elapsed, 10_000 + 30_000);
  });

  test("gives an attempt up that hangs past its timeout", async () => {
    const mocks = [mock(reserve, () => new Promise(() => undefined))];
    const { outcome, elapsed } = await simulate(hasty, ["book"], { mocks });
    assert.ok(!outcome.ok && outcome.error instanceof ExpiryError);
    assert.equal(outcome.error.code, "ATTEMPT_TIMED_OUT");
    assert.equal(elapsed, 5_000);
  });

  test("stands still while an activity waits for something real", async () => {
    const slow = mock(
      reserve,
      () =>
        new Promise((resolve) => {
          setTimeout(resolve, 20, "at last");
        }),
    );
    const { outcome, elapsed } = await simulate(hasty, ["book"], { mocks: [slow] });
    assert.deepEqual(outcome, { ok: true, value: "at last" });
    assert.equal(elapsed, 0);
  });

  test("delivers messages at their times, early ones to the wait that comes later", async () => {
    const signals = [
      { at: "1h", name: "approval", payload: "yes" },
      { at: 0, name: "note", payload: new Date(7) },
    ];
    const { outcome, elapsed } = await simulate(waiting, [], { signals });
    assert.deepEqual(outcome, { ok: true, value: ["yes", new Date(7)] });
    assert.equal(elapsed, hour);
  });

  test("lets a wait run into its timeout", async () => {
    const { outcome, elapsed } = await simulate(patient, []);
    assert.deepEqual(outcome, { ok: true, value: "WAIT_EXPIRED" });
    assert.equal(elapsed, 2 * day);
  });

  test("says what a workflow waits for that would wait for ever", async () => {
    await assert.rejects(
      simulate(waiting, []),
      /workflow "sim waiting" waits for ever: signal "approval" at path 1/,
    );
    const mocks = [mock(reserve, () => new Promise(() => undefined))];
    await assert.rejects(simulate(order, ["book"], { mocks }), /call "sim reserve" at path 1/);
  });

  test("cancels at its time: finally blocks run, catch blocks do not", async () => {
    const { outcome, elapsed, history } = await simulate(careful, [], { cancelAt: "3h" });
    assert.ok(!outcome.ok && outcome.error instanceof CancelledError);
    assert.equal(elapsed, 3 * hour);
    assert.deepEqual(
      history.map(({ effect }) => effect.name ?? effect.kind),
      ["sim reserve", "sleep", "sim release"],
    );
  });

  test("lets a cancel come too late for what has ended", async () => {
    const { outcome, elapsed } = await simulate(sleeper, ["1h"], { cancelAt: "2h" });
    assert.deepEqual(outcome, { ok: true, value: hour });
    assert.equal(elapsed, hour);
  });

  test("times out past its maxDuration", async () => {
    const { outcome, elapsed } = await simulate(brief, []);
    assert.ok(!outcome.ok && outcome.error instanceof ExpiryError);
    assert.equal(outcome.error.code, "EXECUTION_TIMED_OUT");
    assert.equal(elapsed, hour);
  });

  test("undoes what had succeeded, newest first", async () => {
    const mocks = [mock(charge, () => Promise.reject(new NonRetryableError("declined")))];
    const { outcome, history } = await simulate(undoing, ["book"], { mocks });
    assert.equal(outcome.ok, false);
    assert.deepEqual(
      history.map(({ path, effect }) => [path, effect.args]),
      [
        ["1", ["book"]],
        ["2", ["hold-book", 1]],
        ["undo.1", ["hold-book"]],
      ],
    );
  });

  test("runs branches, forks, deadlines and shields", async () => {
    const { outcome, elapsed } = await simulate(composite, []);
    assert.deepEqual(outcome, {
      ok: true,
      value: {
        both: ["hold-a", "hold-b"],
        settled: ["fulfilled", "rejected"],
        raced: { winner: "fast", value: undefined },
        late: "WAIT_EXPIRED",
        forked: "hold-c",
        shielded: "hold-d",
      },
    });
    assert.equal(elapsed, 1_000 + 2_000);
  });

  test("runs children with journals of their own, and cancels them with their parent", async () => {
    const { outcome, elapsed, history } = await simulate(parent, ["book"]);
    assert.deepEqual(outcome, { ok: true, value: "child: 1200 for hold-book" });
    assert.equal(elapsed, day);
    assert.deepEqual(
      history.map(({ effect }) => effect.name),
      ["sim order"],
    );
    const released: string[] = [];
    const mocks = [mock(release, (hold) => void released.push(hold))];
    const cancelledParent = await simulate(carefulParent, [], { cancelAt: "1h", mocks });
    assert.ok(!cancelledParent.outcome.ok);
    assert.deepEqual(released, ["hold-book"]);
  });

  test("puts a stand-in in the place of a child", async () => {
    const mocks = [mock(order, () => "mocked")];
    const { outcome, elapsed } = await simulate(parent, ["book"], { mocks });
    assert.deepEqual(outcome, { ok: true, value: "child: mocked" });
    assert.equal(elapsed, 0);
  });

  test("keeps the concurrency of a map, and the order of its items", async () => {
    let running = 0;
    let most = 0;
    const counted = mock(reserve, async (sku) => {
      most = Math.max(most, (running += 1));
      await Promise.resolve();
      running -= 1;
      return `hold-${sku}`;
    });
    const { outcome } = await simulate(mapping, [["a", "b", "c", "d", "e"]], { mocks: [counted] });
    assert.deepEqual(outcome, {
      ok: true,
      value: ["hold-a", "hold-b", "hold-c", "hold-d", "hold-e"],
    });
    assert.equal(most, 2);
  });

  test("fails a map by one failure too many, and settles what is tolerated", async () => {
    const failing = [
      mock(reserve, (sku) => {
        if (sku.startsWith("bad")) throw new NonRetryableError(`${sku} is sold out`);
        return `hold-${sku}`;
      }),
    ];
    const refused = await simulate(mapping, [["a", "bad 1", "b"]], { mocks: failing });
    assert.match(refused.outcome.ok ? "" : refused.outcome.error.message, /bad 1 is sold out/);
    const settled = await simulate(tolerant, [["a", "bad 1", "b"]], { mocks: failing });
    assert.deepEqual(settled.outcome, { ok: true, value: ["fulfilled", "rejected", "fulfilled"] });
    const refusedTwo = await simulate(tolerant, [["bad 1", "bad 2"]], { mocks: failing });
    assert.match(
      refusedTwo.outcome.ok ? "" : refusedTwo.outcome.error.message,
      /bad 2 is sold out/,
    );
  });

  test("maps over children, each in virtual time", async () => {
    const { outcome, elapsed } = await simulate(mappingChildren, [["1h", "3h"]]);
    assert.deepEqual(outcome, { ok: true, value: [hour, 3 * hour] });
    assert.equal(elapsed, 3 * hour);
  });

  test("goes on as new with counters, state and inbox", async () => {
    const signals = [1, 2, 3].map((payload) => ({ at: `${payload}h`, name: "month", payload }));
    const simulation = await simulate(monthly, [0], { signals });
    assert.deepEqual(simulation.outcome, { ok: true, value: 6 });
    assert.deepEqual(simulation.counters, { months: 3 });
    assert.deepEqual(simulation.state, { last: { month: 3 } });
    assert.deepEqual(
      simulation.history.map((entry) => [entry.run, entry.effect.name ?? entry.effect.kind]),
      [
        [1, "month"],
        [1, "continueAsNew"],
        [2, "month"],
        [2, "continueAsNew"],
        [3, "month"],
      ],
    );
  });

  test("tries a workflow again from the top under its own policy", async () => {
    let failures = 0;
    const mocks = [
      mock(reserve, () => {
        failures += 1;
        if (failures < 3 * 3) throw new Error("busy");
        return "hold";
      }),
    ];
    const { outcome, elapsed, counters: tallies } = await simulate(stubborn, [], { mocks });
    assert.deepEqual(outcome, { ok: true, value: "hold" });
    assert.equal(elapsed, 2 * 60_000 + 3 * 3_000);
    assert.deepEqual(tallies, { tries: 1 });
  });

  test("keeps what activities leave in counters and state", async () => {
    const mocks = [
      mock(reserve, () => {
        context().counters.add("held", 2);
        context().state.set("place", { shelf: 4 });
        return "hold";
      }),
    ];
    const simulation = await simulate(steadily, ["book"], { mocks });
    assert.deepEqual(simulation.counters, { held: 2 });
    assert.deepEqual(simulation.state, { place: { shelf: 4 } });
  });

  test("starts what is dispatched beside it, and passes messages between them", async () => {
    const { outcome } = await simulate(pinging, []);
    assert.deepEqual(outcome, { ok: true, value: ["simulated/1/1", "pong"] });
  });

  test("refuses a transaction that has no stand-in", async () => {
    await assert.rejects(simulate(posting, []), /transaction "post" needs a database/);
    const mocks = [mockClosure("post", () => 3)];
    assert.deepEqual((await simulate(posting, [], { mocks })).outcome, { ok: true, value: 3 });
  });

  test("gives the same chance for the same seed", async () => {
    const values = async (seed: number): Promise<unknown> =>
      (await simulate(dicing, [], { seed })).outcome;
    assert.deepEqual(await values(1), await values(1));
    assert.notDeepEqual(await values(1), await values(2));
  });

  test("begins at the time that is given", async () => {
    const startAt = new Date("2031-05-01T12:00:00Z");
    const { outcome } = await simulate(sleeper, ["1h"], { startAt });
    assert.equal(outcome.ok, true);
    const told = await simulate(telling, [], { startAt });
    assert.deepEqual(told.outcome, { ok: true, value: startAt });
  });

  test("refuses options that are none", async () => {
    await assert.rejects(simulate(order, ["book"], { crash: 2 }), /crash must be a probability/);
    await assert.rejects(simulate(order, ["book"], { sead: 2 } as never), /sead/);
    await assert.rejects(simulate(order, ["book"], { seed: 0.5 }), /seed must be a whole number/);
    const refused = async (options: object, message: RegExp): Promise<void> =>
      assert.rejects(simulate(order, ["book"], options), { message });
    for (const startAt of [5, "2030-01-01", new Date("no date")])
      await refused({ startAt }, /startAt must be a Date/);
    await refused({ mocks: { reserve: () => 1 } }, /mocks must be a list of stand-ins/);
    await refused({ mocks: [() => 1] }, /mocks must be a list of stand-ins/);
    await refused({ signals: { at: 1, name: "note" } }, /signals must be a list/);
    await refused({ signals: [{ name: "note", payload: 1 }] }, /at of a signal: .* duration/);
    await refused({ signals: [{ at: 1, nam: "note" }] }, /nam/);
  });

  test("refuses what is no workflow, and arguments that are no list", async () => {
    const refused = async (run: Promise<unknown>, message: RegExp): Promise<void> =>
      assert.rejects(run, { name: "TypeError", message });
    await refused(simulate(reserve as never, ["book"] as never), /is an activity: call it/);
    await refused(
      simulate((() => 1) as never, []),
      /takes an activity or a workflow, got the plain/,
    );
    await refused(simulate(order, "book" as never), /"sim order" as a list, .* got "book"/);
    await refused(simulate(sleeper, undefined as never), /\[\] for none, got undefined/);
    const elsewhere = remote<typeof order>("sim elsewhere", { kind: "workflow" });
    await refused(simulate(elsewhere, ["book"]), /"sim elsewhere" is elsewhere; simulate needs it/);
  });

  test("gives plain data, its history too: what prints or stores it has all of it", async () => {
    const simulation = await simulate(telling, []);
    assert.deepEqual(Object.keys(simulation), [
      "outcome",
      "history",
      "elapsed",
      "crashes",
      "counters",
      "state",
    ]);
    assert.equal(JSON.parse(JSON.stringify(simulation)).history.length, 1);
    assert.equal({ ...simulation }.history, simulation.history);
  });

  test("lets simulations run beside each other", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) => simulate(order, [`book ${index}`], { crash: 1 })),
    );
    assert.deepEqual(
      outcomes.map(({ outcome }) => outcome.ok && outcome.value),
      Array.from({ length: 50 }, (_, index) => `1200 for hold-book ${index}`),
    );
  });
});

const reserve = activity("sim reserve", async (sku: string): Promise<string> => `hold-${sku}`);
const charge = activity(
  "sim charge",
  async (hold: string, cents: number) => `${cents} for ${hold}`,
);
const release = activity("sim release", async (_hold: string): Promise<void> => undefined);

const order = workflow("sim order", function* (sku: string): Flow<string> {
  const hold = yield* call(reserve, sku);
  yield* sleep("1d");
  return yield* call(charge, hold, 1_200);
});

const sleeper = workflow("sim sleeper", function* (duration: string): Flow<number> {
  const begun = yield* now();
  yield* sleep(duration);
  return Number(yield* now()) - Number(begun);
});

const steadily = workflow("sim steadily", function* (sku: string) {
  const retry = { maxAttempts: 3, initialDelay: "10s", backoffFactor: 3, jitter: 0 };
  return yield* call(reserve.with({ retry }), sku);
});

const hasty = workflow("sim hasty", function* (sku: string) {
  return yield* call(reserve.with({ timeout: "5s", retry: { maxAttempts: 1 } }), sku);
});

const waiting = workflow("sim waiting", function* () {
  const approval = yield* signal("approval");
  return [approval, yield* signal("note")];
});

const patient = workflow("sim patient", function* () {
  try {
    return yield* signal("approval", { timeout: "2d" });
  } catch (error) {
    return error instanceof ExpiryError ? error.code : error;
  }
});

const careful = workflow("sim careful", function* () {
  const hold = yield* call(reserve, "book");
  try {
    yield* sleep("1d");
    return "done";
  } catch {
    return "caught";
  } finally {
    if ((yield* cancelled()) !== undefined) yield* call(release, hold);
  }
});

const brief = workflow("sim brief", { maxDuration: "1h" }, function* () {
  yield* sleep("1d");
});

const undoing = workflow("sim undoing", function* (sku: string) {
  const hold = yield* call(reserve, sku);
  yield* compensate(() => call(release, hold));
  return yield* call(charge, hold, 1);
});

const composite = workflow("sim composite", function* () {
  const both = yield* all([call(reserve, "a"), call(reserve, "b")]);
  const settled = yield* allSettled([sleep(0), failing()]);
  const raced = yield* race({ slow: sleep("1h"), fast: sleep("1s") });
  const forked = yield* fork(call(reserve, "c"));
  let late: unknown;
  try {
    yield* within("2s", sleep("1h"));
  } catch (error) {
    late = error instanceof ExpiryError ? error.code : error;
  }
  return {
    both,
    settled: settled.map(({ status }) => status),
    raced,
    late,
    forked: yield* join(forked),
    shielded: yield* shield(call(reserve, "d")),
  };
});

function* failing(): Flow<void> {
  yield* progress("about to fail");
  throw new Error("failed");
}

const parent = workflow("sim parent", function* (sku: string) {
  return `child: ${yield* call(order, sku)}`;
});

const carefulParent = workflow("sim careful parent", function* () {
  return yield* call(careful);
});

const mapping = workflow("sim mapping", function* (skus: string[]) {
  return yield* map(reserve, skus, { concurrency: 2 });
});

const tolerant = workflow("sim tolerant", function* (skus: string[]) {
  const results = yield* map(reserve, skus, { tolerate: 1 });
  return results.map(({ status }) => status);
});

const mappingChildren = workflow("sim mapping children", function* (durations: string[]) {
  return yield* map(sleeper, durations);
});

const monthly = workflow("sim monthly", function* (sum: number): Flow<number> {
  const month = yield* signal<number>("month");
  yield* counters.add("months");
  yield* state.set("last", { month });
  if (month < 3) return yield* continueAsNew(sum + month);
  return sum + month;
});

const stubborn = workflow(
  "sim stubborn",
  { retry: { maxAttempts: 3, initialDelay: "1m", jitter: 0 } },
  function* () {
    yield* counters.add("tries");
    return yield* call(reserve.with({ retry: { jitter: 0 } }), "book");
  },
);

const pinging = workflow("sim pinging", function* () {
  const id = yield* dispatch(ponging, ["simulated"]);
  return [id, yield* signal("answer")];
});

const ponging = workflow("sim ponging", function* (to: string) {
  yield* sleep("1h");
  yield* sendSignal(to, "answer", "pong");
});

const posting = workflow("sim posting", function* () {
  return yield* transaction("post", () => 1);
});

const dicing = workflow("sim dicing", function* () {
  return [yield* random(), yield* uuid(), yield* run("roll", () => 4)];
});

const telling = workflow("sim telling", function* () {
  return yield* now();
});
