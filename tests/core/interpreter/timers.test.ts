import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { activity, workflow } from "../../../src/core/define.ts";
import { all, race } from "../../../src/core/effects/branch.ts";
import { call } from "../../../src/core/effects/call.ts";
import type { Flow } from "../../../src/core/effects/effect.ts";
import { signal } from "../../../src/core/effects/signal.ts";
import { sleep, sleepUntil } from "../../../src/core/effects/time.ts";
import { ExpiryError } from "../../../src/core/errors.ts";
import { Timers, type Timer } from "../../../src/core/interpreter/timers.ts";
import { Drive } from "./drive.ts";

describe("what ends by itself", () => {
  test("is a timer, a signal's timeout, and the totalTimeout of an activity", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* all([
          sleep("10s"),
          sleepUntil(new Date(4_000)),
          signal("paid", { timeout: "20s" }),
          call(limited),
          call(limited.with({ totalTimeout: "7s" })),
          call(child),
          signal("unlimited"),
        ]);
      },
      [],
      { now: () => 1_000 },
    );
    assert.deepEqual(
      drive.turn.scheduled.map(({ path, dueAt }) => [path, dueAt]),
      [
        ["1.0", 11_000],
        ["1.1", 4_000],
        ["1.2", 21_000],
        ["1.3", 31_000],
        ["1.4", 8_000],
        ["1.5", undefined],
        ["1.6", undefined],
      ],
    );
    assert.equal(drive.turn.wakeAt, 4_000);
  });

  test("is given as deliveries in the order in which it was due, each once", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* all([sleep(30), sleep(10), sleep(20), sleep(10), sleep(99)]);
      },
      [],
      { now: () => 0 },
    );
    assert.deepEqual(drive.coroutine.due(9), []);
    const due = drive.coroutine.due(30);
    assert.deepEqual(
      due.map((delivery) => delivery.kind === "outcome" && delivery.path),
      ["1.1", "1.3", "1.2", "1.0"],
    );
    assert.deepEqual(drive.coroutine.due(30), []);
    drive.deliver(...due);
    assert.equal(drive.turn.wakeAt, 99);
  });

  test("is due on time after a crash, however long that took", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        yield* sleep("1h");
        return "awake";
      },
      [],
      { now: () => 0 },
    );
    drive.crash();
    assert.equal(drive.coroutine.advance([], drive.facts).wakeAt, 3_600_000);
    drive.deliver(...drive.coroutine.due(9e15));
    assert.equal(drive.result, "awake");
  });

  test("throws WAIT_EXPIRED at a signal, and its path waits for no message any more", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* all(
          [signal("paid", { timeout: 5 }), signal("paid"), signal("other")].slice(0, 2),
        );
      },
      [],
      { now: () => 0 },
    );
    assert.deepEqual([...(drive.coroutine.signalWaits.get("paid") ?? [])], ["1.0", "1.1"]);
    drive.deliver(...drive.coroutine.due(5));
    const { error } = drive.failure;
    assert.ok(error instanceof ExpiryError);
    assert.equal(error.code, "WAIT_EXPIRED");
    assert.match(error.message, /no signal "paid" came within its timeout of 5 ms/);
    assert.equal(drive.coroutine.signalWaits.size, 0);
  });

  test("throws ATTEMPT_TIMED_OUT at a call, and what works on it is stopped", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* call(limited);
      },
      [],
      { now: () => 0 },
    );
    const turn = drive.deliver(...drive.coroutine.due(30_000));
    assert.deepEqual(turn.cancelled, ["1"]);
    const { error, failedBy } = drive.failure;
    assert.ok(error instanceof ExpiryError);
    assert.deepEqual([error.code, failedBy], ["ATTEMPT_TIMED_OUT", 1]);
  });

  test("is forgotten once it is answered otherwise, or closed", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        yield* race({ paid: signal("paid"), late: sleep(10) });
        yield* signal("next");
        return 1;
      },
      [],
      { now: () => 0 },
    );
    drive.value("1.0");
    assert.equal(drive.turn.wakeAt, undefined);
    assert.deepEqual(drive.coroutine.due(100), []);
  });

  test("of an attempt that is awaited while the execution is closed does not end the wait", () => {
    const drive = new Drive(
      function* (): Flow<unknown> {
        return yield* call(limited);
      },
      [],
      { now: () => 0 },
    );
    drive.cancel(["1"]);
    assert.equal(drive.turn.wakeAt, undefined);
    assert.deepEqual(drive.coroutine.due(1e9), []);
  });
});

describe("a heap of timers", () => {
  test("gives what a sorted array gives, whatever is added, dropped and taken in between", () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          act: fc.constant("add" as const),
          at: fc.integer({ min: 0, max: 50 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ act: fc.constant("drop" as const), at: fc.nat() }) },
      {
        weight: 1,
        arbitrary: fc.record({
          act: fc.constant("take" as const),
          at: fc.integer({ min: 0, max: 50 }),
        }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const heap = new Timers<Timer>();
        let model: Timer[] = [];
        const wanted = (timer: Timer): boolean => model.includes(timer);
        for (const [order, { act, at }] of steps.entries()) {
          if (act === "add") {
            const timer = { dueAt: at, order };
            model.push(timer);
            heap.add(timer);
          } else if (act === "drop" && model.length > 0) {
            const dropped = model[at % model.length];
            model = model.filter((timer) => timer !== dropped);
            heap.noteUnwanted(wanted);
          } else if (act === "take") {
            const expected = sorted(model).filter((timer) => timer.dueAt <= at);
            const taken: Timer[] = [];
            for (
              let timer = heap.takeDue(at, wanted);
              timer !== undefined;
              timer = heap.takeDue(at, wanted)
            )
              taken.push(timer);
            assert.deepEqual(taken, expected);
            model = model.filter((timer) => timer.dueAt > at);
          }
          assert.deepEqual(heap.peek(wanted), sorted(model)[0]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("does not keep what is answered long before it is due", () => {
    const heap = new Timers<Timer>();
    const live = new Set<Timer>();
    const wanted = (timer: Timer): boolean => live.has(timer);
    for (let order = 0; order < 10_000; order += 1) {
      const timer = { dueAt: 1e9 + order, order };
      heap.add(timer);
      live.add(timer);
      if (order % 10 === 0) continue;
      live.delete(timer);
      heap.noteUnwanted(wanted);
    }
    assert.ok(heap.size < 2_100, `${heap.size} of 1,000 are kept`);
  });
});

const limited = activity("limited", { totalTimeout: "30s" }, async () => 1);
const child = workflow("child", { maxDuration: "5s" }, function* () {
  return 1;
});

function sorted(timers: readonly Timer[]): Timer[] {
  return timers.toSorted((a, b) => a.dueAt - b.dueAt || a.order - b.order);
}
