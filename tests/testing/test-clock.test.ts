import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  call,
  ExpiryError,
  now,
  postgres,
  signal,
  sleep,
  workflow,
  type Backend,
  type Flow,
} from "stentjs";
import { mock, testClock, testStent } from "stentjs/testing";
import { freshSchema } from "../support/postgres.ts";
import type { Ending } from "../support/ending.ts";

const day = 86_400_000;

const backends: Record<string, (t: Ending) => Promise<{ backend: Backend } | object>> = {
  SQLite: async () => ({}),
  PostgreSQL: async (t) => {
    const { url, schema } = await freshSchema(t);
    return { backend: postgres(url, { schema, poolSize: 2 }) };
  },
};

for (const [name, backendFor] of Object.entries(backends)) {
  describe(`a test clock on ${name}`, () => {
    test("lets a year of sleeps pass in no time, each to the millisecond", async (t) => {
      const clock = testClock({ startAt: new Date("2030-01-01T00:00:00Z") });
      const stent = await testStent(t, { clock, ...(await backendFor(t)) });
      const { id } = await stent.dispatch(yearly, []);
      await clock.untilEnded(stent, id);
      const result = await stent.resultOf<number[]>(id);
      assert.deepEqual(result.unwrap(), [0, 91 * day, 182 * day, 273 * day, 364 * day]);
      assert.equal(clock.now(), Date.UTC(2030, 0, 1) + 364 * day);
    });

    test("lets retries come at their times", async (t) => {
      const clock = testClock();
      const startedAt = clock.now();
      const attempts: number[] = [];
      const busy = mock(ask, () => {
        attempts.push(clock.now() - startedAt);
        if (attempts.length < 3) throw new Error("busy");
        return "there";
      });
      const stent = await testStent(t, { clock, mocks: [busy], ...(await backendFor(t)) });
      const { id } = await stent.dispatch(asking, []);
      await clock.untilEnded(stent, id);
      assert.equal((await stent.resultOf(id)).unwrap(), "there");
      assert.deepEqual(attempts, [0, 60_000, 180_000]);
    });

    test("lets a workflow's own retry come, and a start that was put off", async (t) => {
      const clock = testClock();
      const startedAt = clock.now();
      const stent = await testStent(t, { clock, ...(await backendFor(t)) });
      const { id } = await stent.dispatch(stubborn, [], { delay: "1h" });
      await clock.untilEnded(stent, id);
      assert.equal((await stent.stateOf(id)).state, "failed");
      assert.equal(clock.now() - startedAt, 3_600_000 + 60_000);
    });

    test("lets a child's timeout pass, and goes no further", async (t) => {
      const clock = testClock();
      const startedAt = clock.now();
      const stent = await testStent(t, { clock, ...(await backendFor(t)) });
      const { id } = await stent.dispatch(parent, []);
      await clock.untilEnded(stent, id);
      assert.equal((await stent.resultOf(id)).unwrap(), "WAIT_EXPIRED");
      assert.equal(clock.now() - startedAt, 2 * day);
    });

    test("jumps when it is told to", async (t) => {
      const clock = testClock();
      const stent = await testStent(t, { clock, ...(await backendFor(t)) });
      const handle = await stent.dispatch(yearly, [], { delay: "3d" });
      clock.advance("2d");
      assert.equal((await stent.stateOf(handle.id)).state, "pending");
      clock.advance("1d");
      await clock.untilEnded(stent, handle.id);
      assert.deepEqual((await handle.result()).length, 5);
    });
  });
}

describe("a test clock", () => {
  test("lets come by itself what is due when it is asked for, as any clock does", async () => {
    const clock = testClock();
    await new Promise<void>((resolve) => {
      clock.schedule(0, resolve);
    });
    let isCalled = false;
    const forget = clock.schedule(0, () => {
      isCalled = true;
    });
    forget();
    await new Promise<void>((resolve) => {
      clock.schedule(0, resolve);
    });
    assert.equal(isCalled, false);
  });

  test("says so where nobody takes up what is due: without a worker, or with one of another clock", async (t) => {
    const clock = testClock();
    for (const options of [{ clock, serve: false }, {}]) {
      const stent = await testStent(t, options);
      const { id } = await stent.dispatch(yearly, []);
      await assert.rejects(
        clock.untilEnded(stent, id, { patience: 200 }),
        /has done nothing for 200 ms: does a worker serve it, by this clock/,
      );
    }
  });

  test("refuses a start that is no date", () => {
    assert.throws(() => testClock({ startAt: "2030" as never }), /startAt must be a Date/);
    assert.throws(() => testClock({ startsAt: new Date(5) } as never), /startsAt/);
    assert.throws(() => testClock(new Date(5) as never), /testClock\(\{ startAt \}\)/);
  });

  test("says what an execution waits for that no time brings", async (t) => {
    const clock = testClock();
    const stent = await testStent(t, { clock });
    const { id } = await stent.dispatch(waiting, []);
    await assert.rejects(
      clock.untilEnded(stent, id),
      /waits for what time does not bring: signal "never sent"/,
    );
  });
});

const ask = activity("clock ask", async (): Promise<string> => "there");

const yearly = workflow("clock yearly", function* (): Flow<number[]> {
  const begun = Number(yield* now());
  const seen = [0];
  for (let quarter = 0; quarter < 4; quarter += 1) {
    yield* sleep("91d");
    seen.push(Number(yield* now()) - begun);
  }
  return seen;
});

const asking = workflow("clock asking", function* () {
  return yield* call(
    ask.with({ retry: { maxAttempts: 3, initialDelay: "1m", maxDelay: "1h", jitter: 0 } }),
  );
});

const stubborn = workflow(
  "clock stubborn",
  { retry: { maxAttempts: 2, initialDelay: "1m", jitter: 0 } },
  function* (): Flow<void> {
    throw new Error("never");
  },
);

const child = workflow("clock child", function* (): Flow<string> {
  try {
    return yield* signal<string>("never sent", { timeout: "2d" });
  } catch (error) {
    return error instanceof ExpiryError ? error.code : "another error";
  }
});

const parent = workflow("clock parent", function* (): Flow<string> {
  return yield* call(child);
});

const waiting = workflow("clock waiting", function* () {
  return yield* signal("never sent");
});
