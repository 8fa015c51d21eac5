import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, test } from "node:test";
import { CancelledError, DrainError, ExpiryError } from "../../src/core/errors.ts";
import { context, type ActivityContext } from "../../src/worker/context.ts";
import type { AttemptOutcome } from "../../src/worker/perform.ts";
import { attemptRequest, startAttempt, type StartedAttempt } from "../support/attempts.ts";
import { ManualClock, settled } from "../support/manual-clock.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

const declined = new Error("declined");

describe("an attempt", () => {
  test("gives the function its arguments and hands over its value", async () => {
    const attempt = startAttempt(attemptRequest({ run: (...args) => args, args: [1, "b"] }));
    assert.deepEqual(await attempt.done, { ok: true, value: [1, "b"], records: undefined });
  });

  test("tells when it began", () => {
    const clock = new ManualClock(5_000);
    assert.equal(startAttempt(attemptRequest({ clock })).startedAt, 5_000);
  });

  const values: Record<string, readonly [run: () => unknown, value: unknown]> = {
    "a value": [() => 1, 1],
    nothing: [() => undefined, undefined],
    "a promise": [() => Promise.resolve(2), 2],
    "a promise of a promise": [async () => [await Promise.resolve(3)], [3]],
    "a foreign thenable": [() => thenable((resolve) => resolve(4)), 4],
    "a thenable that answers twice": [
      () => thenable((resolve, reject) => (resolve(5), reject(6))),
      5,
    ],
  };
  for (const [what, [run, value]] of Object.entries(values)) {
    test(`succeeds with ${what}`, async () => {
      assert.deepEqual(await startAttempt(attemptRequest({ run })).done, {
        ok: true,
        value,
        records: undefined,
      });
    });
  }

  const failures: Record<string, readonly [run: () => unknown, error: unknown]> = {
    "an error thrown at once": [() => raise(declined), declined],
    "an error thrown later": [() => settled().then(() => raise(declined)), declined],
    text: [async () => raise("declined"), "declined"],
    nothing: [() => raise(undefined), undefined],
    "nothing, rejected": [() => Promise.reject(), undefined],
    "a thenable that fails": [() => thenable((_resolve, reject) => reject(declined)), declined],
    "a thenable that throws": [() => thenable(() => raise(declined)), declined],
    "a thenable that throws when it is looked at": [
      () => new Proxy({}, { get: () => raise(declined) }),
      declined,
    ],
    "a promise whose class throws": [
      () => Object.defineProperty(Promise.resolve(), "constructor", { get: () => raise(declined) }),
      declined,
    ],
  };
  for (const [what, [run, error]] of Object.entries(failures)) {
    test(`fails with ${what}`, async () => {
      assert.deepEqual(await startAttempt(attemptRequest({ run })).done, {
        ok: false,
        error,
        gaveUp: false,
      });
    });
  }

  test("asks for no timer when it has no timeouts", () => {
    const clock = new ManualClock();
    startAttempt(attemptRequest({ clock, run: () => new Promise(() => undefined) }));
    assert.equal(clock.pending, 0);
  });
});

describe("a timeout", () => {
  test("fails the attempt at once, though its function never settles", async () => {
    const { attempt, clock, ctx } = stuck({ timeoutMs: 1_000 });
    await clock.advanceAsync(999);
    assert.equal(ctx.signal.aborted, false);
    clock.advance(1);
    const outcome = await attempt.done;
    assert.ok(!outcome.ok && outcome.gaveUp);
    assertExpired(outcome.error, /attempt 2 of activity "charge".*timeout of 1000 ms/);
    assert.equal(ctx.signal.reason, outcome.error);
    assert.equal(attempt.aborted, outcome.error);
  });

  test("leaves no timer behind when the function settles before it", async () => {
    for (const run of [() => 1, () => raise(declined), settled]) {
      const clock = new ManualClock();
      const attempt = startAttempt(
        attemptRequest({ clock, run, timeoutMs: 1_000, heartbeatTimeoutMs: 500 }),
      );
      await attempt.done;
      assert.equal(clock.pending, 0);
      clock.advance(2_000);
      assert.equal(attempt.aborted, undefined);
    }
  });

  test("leaves no timer behind when it fires", () => {
    const { clock } = stuck({ timeoutMs: 1_000, heartbeatTimeoutMs: 2_000 });
    clock.advance(1_000);
    assert.equal(clock.pending, 0);
  });

  const lateAnswers: Record<
    string,
    (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void
  > = {
    "succeeds late": (resolve) => resolve("too late"),
    "fails late": (_resolve, reject) => reject(declined), // unhandled, it would fail this test
  };
  for (const [what, answer] of Object.entries(lateAnswers)) {
    test(`stands when the function ${what}`, async () => {
      const { attempt, clock, resolve, reject } = stuck({ timeoutMs: 1_000 });
      clock.advance(1_000);
      answer(resolve, reject);
      await settled();
      const outcome = await attempt.done;
      assert.ok(!outcome.ok);
      assertExpired(outcome.error, /timeout/);
    });
  }

  test("lets the function that runs on ask for its signal, not for a context after its end", async () => {
    const { clock, ctx, resolve, inside } = stuck({ timeoutMs: 1_000 });
    clock.advance(1_000);
    assert.equal(
      inside(() => context()),
      ctx,
    );
    resolve(undefined);
    await settled();
    assert.throws(() => inside(() => context()), /left running when it ended/);
  });

  test("of 0 fails what does not end at once", async () => {
    const { attempt, clock } = stuck({ timeoutMs: 0 });
    clock.advance(0);
    assert.equal((await attempt.done).ok, false);
  });
});

describe("a heartbeat timeout", () => {
  test("fails an attempt that is silent from its start", async () => {
    const { attempt, clock } = stuck({ heartbeatTimeoutMs: 500 });
    clock.advance(500);
    const outcome = await attempt.done;
    assert.ok(!outcome.ok && outcome.gaveUp);
    assertExpired(outcome.error, /no heartbeat for 500 ms/);
  });

  test("counts from the last heartbeat", async () => {
    const { attempt, clock, ctx } = stuck({ heartbeatTimeoutMs: 500 });
    for (let beats = 0; beats < 5; beats += 1) {
      await clock.advanceAsync(499);
      ctx.heartbeat();
    }
    await clock.advanceAsync(499);
    assert.equal(attempt.aborted, undefined);
    clock.advance(1);
    assert.equal((await attempt.done).ok, false);
  });

  test("does not lengthen the attempt's own timeout", async () => {
    const { attempt, clock, ctx } = stuck({ timeoutMs: 600, heartbeatTimeoutMs: 500 });
    clock.advance(400);
    ctx.heartbeat();
    clock.advance(200);
    const outcome = await attempt.done;
    assert.ok(!outcome.ok);
    assertExpired(outcome.error, /timeout of 600 ms/);
  });
});

describe("a heartbeat", () => {
  test("hands its details to the worker, and those of the former attempt to the function", async () => {
    const details: unknown[] = [];
    const attempt = startAttempt(
      attemptRequest({
        lastHeartbeat: { page: 6 },
        onHeartbeat: (detail) => details.push(detail),
        run: () => {
          context().heartbeat({ page: 7 });
          context().heartbeat();
          return context().lastHeartbeat;
        },
      }),
    );
    const outcome = await attempt.done;
    assert.ok(outcome.ok);
    assert.deepEqual(outcome.value, { page: 6 });
    assert.deepEqual(details, [{ page: 7 }, undefined]);
  });

  test("does no harm when it cannot be noted", async () => {
    const logger = new MemoryLogger();
    const attempt = startAttempt(
      attemptRequest({
        logger,
        onHeartbeat: () => raise(declined),
        run: () => context().heartbeat(),
      }),
    );
    assert.equal((await attempt.done).ok, true);
    assert.deepEqual(
      logger.lines.map(({ level }) => level),
      ["error"],
    );
  });

  test("is dropped after the end, without an error and without a timer", async () => {
    const details: unknown[] = [];
    const clock = new ManualClock();
    const attempt = startAttempt(
      attemptRequest({
        clock,
        heartbeatTimeoutMs: 500,
        onHeartbeat: (detail) => details.push(detail),
        run: () => context(),
      }),
    );
    const outcome = await attempt.done;
    assert.ok(outcome.ok);
    (outcome.value as ActivityContext).heartbeat("late");
    assert.deepEqual(details, []);
    assert.equal(clock.pending, 0);
  });

  test("is dropped after the attempt was given up", async () => {
    const details: unknown[] = [];
    const { attempt, clock, ctx } = stuck({
      heartbeatTimeoutMs: 500,
      onHeartbeat: (detail) => details.push(detail),
    });
    clock.advance(500);
    await attempt.done;
    ctx.heartbeat("late");
    assert.deepEqual(details, []);
    assert.equal(clock.pending, 0);
  });
});

describe("abort", () => {
  test("fires the signal with its reason, and waits for the function", async () => {
    const { attempt, ctx, resolve } = stuck();
    const reason = new CancelledError("customer request");
    const progress = watch(attempt);
    attempt.abort(reason);
    await settled();
    assert.equal(ctx.signal.reason, reason);
    assert.equal(attempt.aborted, reason);
    assert.equal(progress.outcome, undefined);
    ctx.counters.add("charges");
    resolve("charged all the same");
    assert.deepEqual(await attempt.done, {
      ok: true,
      value: "charged all the same",
      records: { counters: { charges: 1 } },
    });
  });

  test("has one reason: the first", () => {
    const { attempt, ctx } = stuck();
    const reason = new CancelledError();
    attempt.abort(reason);
    attempt.abort(new DrainError());
    assert.equal(attempt.aborted, reason);
    assert.equal(ctx.signal.reason, reason);
  });

  test("leaves the timeout to end a function that does not listen", async () => {
    const { attempt, clock } = stuck({ timeoutMs: 1_000 });
    const reason = new CancelledError();
    attempt.abort(reason);
    clock.advance(1_000);
    const outcome = await attempt.done;
    assert.ok(!outcome.ok && outcome.gaveUp);
    assertExpired(outcome.error, /timeout/);
    assert.equal(attempt.aborted, reason);
  });

  test("of an attempt that has ended changes nothing", async () => {
    const attempt = startAttempt(attemptRequest({ run: () => 1 }));
    await attempt.done;
    attempt.abort(new CancelledError());
    attempt.abandon(new CancelledError());
    assert.deepEqual(await attempt.done, { ok: true, value: 1, records: undefined });
  });
});

describe("abandon", () => {
  test("fails the attempt at once and fires the signal, both with its reason", async () => {
    const { attempt, clock, ctx, reject } = stuck({ timeoutMs: 1_000, heartbeatTimeoutMs: 500 });
    const reason = new DrainError();
    attempt.abandon(reason);
    assert.deepEqual(await attempt.done, { ok: false, error: reason, gaveUp: true });
    assert.equal(ctx.signal.reason, reason);
    assert.equal(clock.pending, 0);
    reject(declined); // unhandled, it would fail this test
    await settled();
  });

  test("keeps the reason of an abort before it", async () => {
    const { attempt } = stuck();
    const reason = new CancelledError();
    attempt.abort(reason);
    attempt.abandon(new DrainError());
    assert.deepEqual(await attempt.done, { ok: false, error: reason, gaveUp: true });
  });
});

interface Stuck {
  readonly attempt: StartedAttempt;
  readonly clock: ManualClock;
  readonly ctx: ActivityContext;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Calls it as code of the activity. */
  readonly inside: <T>(fn: () => T) => T;
}

/** An attempt whose function settles when the test says so. */
function stuck(parts: Parameters<typeof attemptRequest>[0] = {}): Stuck {
  const clock = new ManualClock();
  const seen: Partial<Omit<Stuck, "attempt" | "clock">>[] = [];
  const attempt = startAttempt(
    attemptRequest({
      clock,
      run: () =>
        new Promise((resolve, reject) => {
          const inside = AsyncLocalStorage.snapshot();
          seen.push({ ctx: context(), resolve, reject, inside: (fn) => inside(fn) });
        }),
      ...parts,
    }),
  );
  return { attempt, clock, ...(seen[0] as Omit<Stuck, "attempt" | "clock">) };
}

function watch(attempt: StartedAttempt): { outcome: AttemptOutcome | undefined } {
  const progress: { outcome: AttemptOutcome | undefined } = { outcome: undefined };
  void (async () => {
    progress.outcome = await attempt.done;
  })();
  return progress;
}

function assertExpired(error: unknown, message: RegExp): void {
  assert.ok(error instanceof ExpiryError);
  assert.equal(error.code, "ATTEMPT_TIMED_OUT");
  assert.match(error.message, message);
}

function thenable(
  then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => void,
): unknown {
  // oxlint-disable-next-line unicorn/no-thenable -- users return them
  return { then };
}

function raise(error: unknown): never {
  throw error;
}
