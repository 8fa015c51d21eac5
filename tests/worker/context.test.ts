import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CancelledError, NoContextError } from "../../src/core/errors.ts";
import { context, runningScopes, type ActivityContext } from "../../src/worker/context.ts";
import type { AttemptOutcome } from "../../src/worker/perform.ts";
import { attemptRequest, startAttempt } from "../support/attempts.ts";
import { settled } from "../support/manual-clock.ts";
import { MemoryLogger } from "../support/memory-logger.ts";

describe("context()", () => {
  test("tells an activity about its attempt", async () => {
    const told = await valueOf(async () => {
      const { executionId, taskId, functionName, attempt, idempotencyKey, lastHeartbeat } =
        context();
      return { executionId, taskId, functionName, attempt, idempotencyKey, lastHeartbeat };
    });
    assert.deepEqual(told, {
      executionId: "e-1",
      taskId: "t-1",
      functionName: "charge",
      attempt: 2,
      idempotencyKey: "k-1",
      lastHeartbeat: undefined,
    });
  });

  test("is the same wherever the activity has got to", async () => {
    const contexts = await valueOf(async () => {
      const first = context();
      await settled();
      const inTimer = await new Promise((resolve) => {
        setTimeout(() => resolve(context()), 1);
      });
      return [first, context(), inTimer].map((one) => one === first);
    });
    assert.deepEqual(contexts, [true, true, true]);
  });

  test("tells attempts that run at once apart", async () => {
    const seen = await Promise.all(
      ["a", "b", "c"].map(async (taskId) => {
        const attempt = startAttempt(
          attemptRequest({
            taskId,
            run: async () => {
              await settled();
              return context().taskId;
            },
          }),
        );
        const outcome = await attempt.done;
        return outcome.ok && outcome.value;
      }),
    );
    assert.deepEqual(seen, ["a", "b", "c"]);
  });

  test("is refused outside of activities", () => {
    assert.throws(() => context(), isNoContext(/only inside an activity/));
  });

  test("is refused to those who start an attempt, then and when it has ended", async () => {
    const attempt = startAttempt(attemptRequest({ run: settled }));
    assert.throws(() => context(), NoContextError);
    await attempt.done;
    assert.throws(() => context(), NoContextError);
  });

  test("is refused to what an activity leaves running, naming it", async () => {
    let left: Promise<unknown> = Promise.resolve();
    await valueOf(async () => {
      left = settled().then(() => context());
    });
    await assert.rejects(
      left,
      isNoContext(/attempt 2 of activity "charge" \(execution e-1\).*await/),
    );
  });

  test("hands out parts that can be taken out of it", async () => {
    const outcome = await outcomeOf(async () => {
      const { heartbeat, progress, counters, state, log } = context();
      const { add } = counters;
      const { set } = state;
      heartbeat();
      progress("half");
      add("mails");
      set("cursor", 7);
      log.info("hello");
    });
    assert.deepEqual(outcome, {
      ok: true,
      value: undefined,
      records: { counters: { mails: 1 }, state: { cursor: 7 }, progress: ["half"] },
    });
  });
});

describe("what an activity records", () => {
  test("is handed over with its value", async () => {
    const outcome = await outcomeOf(async () => {
      context().counters.add("mails");
      context().counters.add("mails", 2);
      context().counters.add("bytes", -0.5);
      await settled();
      context().state.set("cursor", { page: 1 });
      context().state.set("cursor", { page: 2 });
      context().state.set("done", undefined);
      context().progress("half");
      context().progress("whole");
      return "sent";
    });
    assert.deepEqual(outcome, {
      ok: true,
      value: "sent",
      records: {
        counters: { mails: 3, bytes: -0.5 },
        state: { cursor: { page: 2 }, done: undefined },
        progress: ["half", "whole"],
      },
    });
  });

  test("is absent when there is nothing", async () => {
    assert.deepEqual(await outcomeOf(() => context().attempt), {
      ok: true,
      value: 2,
      records: undefined,
    });
  });

  test("is dropped when it fails", async () => {
    const error = new Error("declined");
    const outcome = await outcomeOf(() => {
      context().counters.add("mails");
      throw error;
    });
    assert.deepEqual(outcome, { ok: false, error, gaveUp: false });
  });

  test("may have any name", async () => {
    const outcome = await outcomeOf(() => {
      context().counters.add("__proto__", 2);
      context().state.set("constructor", 3);
    });
    assert.ok(outcome.ok);
    assert.deepEqual(Object.entries(outcome.records?.counters ?? {}), [["__proto__", 2]]);
    assert.deepEqual(Object.entries(outcome.records?.state ?? {}), [["constructor", 3]]);
  });

  test("keeps the newest 1,000 lines of progress", async () => {
    const outcome = await outcomeOf(() => {
      for (let line = 1; line <= 1_200; line += 1) context().progress(`${line}`);
    });
    assert.ok(outcome.ok);
    const progress = outcome.records?.progress ?? [];
    assert.deepEqual([progress.length, progress[0], progress.at(-1)], [1_000, "201", "1200"]);
  });

  const wrong: Record<string, readonly [record: (ctx: ActivityContext) => void, error: RegExp]> = {
    "a counter without a name": [(ctx) => ctx.counters.add(""), /non-empty string/],
    "state without a name": [(ctx) => ctx.state.set("", 1), /non-empty string/],
    "no number": [(ctx) => ctx.counters.add("a", "1" as never), /finite number, got 1/],
    "an infinite number": [(ctx) => ctx.counters.add("a", Infinity), /finite number, got Infinity/],
  };
  for (const [what, [record, error]] of Object.entries(wrong)) {
    test(`is refused: ${what}`, async () => {
      const outcome = await outcomeOf(() => record(context()));
      assert.ok(!outcome.ok && outcome.error instanceof Error);
      assert.match(outcome.error.message, error);
    });
  }

  const records: Record<string, (ctx: ActivityContext) => void> = {
    "counters.add()": (ctx) => ctx.counters.add("mails"),
    "state.set()": (ctx) => ctx.state.set("cursor", 1),
    "progress()": (ctx) => ctx.progress("half"),
  };
  for (const [what, record] of Object.entries(records)) {
    test(`is refused after its end: ${what}`, async () => {
      const ctx = await valueOf(() => context());
      assert.throws(() => record(ctx), isNoContext(/was called after the end of attempt 2/));
    });

    test(`is refused after it was given up: ${what}`, async () => {
      let ctx: ActivityContext | undefined;
      const attempt = startAttempt(
        attemptRequest({
          run: () => {
            ctx = context();
            return new Promise(() => undefined);
          },
        }),
      );
      attempt.abandon(new CancelledError("customer request"));
      await attempt.done;
      assert.throws(() => ctx && record(ctx), isNoContext(/given up \(customer request\)/));
    });
  }
});

describe("the signal of an attempt", () => {
  test("is one, and has not fired", async () => {
    const seen = await valueOf(() => [
      context().signal === context().signal,
      context().signal.aborted,
    ]);
    assert.deepEqual(seen, [true, false]);
  });

  test("has fired for those who ask late", async () => {
    const reason = new CancelledError();
    const attempt = startAttempt(
      attemptRequest({
        run: async () => {
          await settled();
          return [context().signal.aborted, context().signal.reason];
        },
      }),
    );
    attempt.abort(reason);
    const outcome = await attempt.done;
    assert.ok(outcome.ok);
    assert.deepEqual(outcome.value, [true, reason]);
  });

  test("calls its listeners inside the attempt", async () => {
    const attempt = startAttempt(
      attemptRequest({
        run: () =>
          new Promise((resolve) => {
            context().signal.addEventListener("abort", () => resolve(context().taskId));
          }),
      }),
    );
    attempt.abort(new CancelledError());
    const outcome = await attempt.done;
    assert.ok(outcome.ok);
    assert.equal(outcome.value, "t-1");
  });
});

describe("the logger of an attempt", () => {
  test("names the attempt in every line", async () => {
    const logger = new MemoryLogger();
    await startAttempt(
      attemptRequest({ logger, run: () => context().log.info("charging", { amount: 5 }) }),
    ).done;
    assert.deepEqual(logger.lines, [
      {
        level: "info",
        message: "charging",
        fields: {
          executionId: "e-1",
          taskId: "t-1",
          functionName: "charge",
          attempt: 2,
          amount: 5,
        },
      },
    ]);
  });

  test("still works after the end", async () => {
    const logger = new MemoryLogger();
    const attempt = startAttempt(attemptRequest({ logger, run: () => context() }));
    const outcome = await attempt.done;
    assert.ok(outcome.ok);
    (outcome.value as ActivityContext).log.warn("late");
    assert.equal(logger.lines.length, 1);
  });
});

test("attempts are known as running until they end or are given up", async () => {
  const attempts = ["ends", "is given up"].map((taskId) =>
    startAttempt(
      attemptRequest({
        taskId,
        run: () => (taskId === "ends" ? settled() : new Promise(() => undefined)),
      }),
    ),
  );
  assert.deepEqual(running(), ["ends", "is given up"]);
  await attempts[0]?.done;
  assert.deepEqual(running(), ["is given up"]);
  attempts[1]?.abandon(new CancelledError());
  assert.deepEqual(running(), []);

  function running(): string[] {
    return [...runningScopes()]
      .map(({ taskId }) => taskId)
      .filter((id) => id.includes(" ") || id === "ends");
  }
});

function outcomeOf(run: () => unknown): Promise<AttemptOutcome> {
  return startAttempt(attemptRequest({ run })).done;
}

async function valueOf<T>(run: () => T): Promise<Awaited<T>> {
  const outcome = await outcomeOf(run);
  if (!outcome.ok) throw outcome.error as Error;
  return outcome.value as Awaited<T>;
}

function isNoContext(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof NoContextError && message.test(error.message);
}
