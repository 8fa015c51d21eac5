import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  all,
  call,
  compensate,
  continueAsNew,
  counters,
  ExpiryError,
  map,
  race,
  run,
  signal,
  sleep,
  transaction,
  within,
  workflow,
  type Flow,
} from "stentjs";
import { explore, mock, mockClosure, type ExploreOptions } from "stentjs/testing";

describe("explore", () => {
  test("proves of an order: on every path, what was reserved is released or charged", async () => {
    const { paths, truncated } = await explore(order, ["book"], {
      check: nothingIsLeftReserved,
      signals: [{ name: "approval", payload: { cents: 1_200 } }],
    });
    assert.ok(paths > 10, `${paths} paths`);
    assert.equal(truncated, false);
  });

  test("finds the order broken where compensate is left out, and shows the shortest path", async () => {
    await assert.rejects(
      explore(forgetful, ["book"], { check: nothingIsLeftReserved }),
      (error) => {
        assert.ok(error instanceof Error);
        assert.match(error.message, /workflow "explored forgetful order" fails/);
        assert.match(error.message, /hold-book is left reserved/);
        assert.match(error.message, /^not the normal answers:$/m);
        // After the reservation, nothing shorter than an end while it waits for approval.
        assert.match(error.message, /^2 signal\(approval\): (cancel|fail)$/m);
        assert.match(error.message, /^1 {2}call explored reserve\('book'\) → 'hold-book'$/m);
        assert.ok(error.cause instanceof Error && error.cause.message.endsWith("is left reserved"));
        return true;
      },
    );
  });

  test("takes every combination of answers once", async () => {
    assert.deepEqual(await endsOf(two, ["ok"]), ["1 2"]);
    assert.deepEqual(await endsOf(two, ["ok", "fail"]), [
      "1 2",
      "explored first fails, as explore has chosen",
      "explored second fails, as explore has chosen",
    ]);
    const ends = await endsOf(two, ["ok", "fail", "cancel"]);
    // A cancel meets an attempt that then ends with nothing, or has done its work all the same.
    assert.deepEqual(ends.toSorted(), [
      "1 2",
      "Execution cancelled",
      "Execution cancelled",
      "Execution cancelled",
      "Execution cancelled",
      "explored first fails, as explore has chosen",
      "explored second fails, as explore has chosen",
    ]);
  });

  test("lets every branch of a race win, and a deadline strike at any time", async () => {
    assert.deepEqual(await endsOf(racing, ["ok"]), ["approved yes", "late"]);
    assert.deepEqual(await endsOf(hurried, ["ok"]), ["1 2", "WAIT_EXPIRED", "WAIT_EXPIRED"]);
  });

  test("fails maps, closures, transactions and timeouts where they can fail", async () => {
    const mocks = [mockClosure("post", () => "posted")];
    const kinds = new Set<string>();
    await explore(failable, [], {
      mocks,
      answers: ["ok", "fail"],
      check: ({ history }) => {
        for (const { effect, outcome } of history)
          if (outcome?.ok === false) kinds.add(effect.name ?? effect.kind);
      },
    });
    assert.deepEqual([...kinds].toSorted(), ["approval", "explored first", "look", "post"]);
  });

  test("gives signals their payloads, in order", async () => {
    const seen: unknown[] = [];
    await explore(listening, [], {
      answers: ["ok"],
      signals: [
        { name: "word", payload: new Date(1) },
        { name: "word", payload: "b" },
      ],
      check: ({ outcome }) => seen.push(outcome.ok && outcome.value),
    });
    assert.deepEqual(seen, [[new Date(1), "b", undefined]]);
  });

  test("tells what was called on each path, children included", async () => {
    const seen: unknown[] = [];
    await explore(parent, [], {
      answers: ["ok", "fail"],
      mocks: [mock(second, () => 20)],
      check: ({ calls }) => seen.push(calls.map(({ name, ok }) => `${name} ${ok}`)),
    });
    assert.deepEqual(seen, [
      ["explored first true", "explored second true", "explored two true"],
      ["explored two false"],
    ]);
  });

  test("says so when it has not taken every path", async () => {
    const limited = await explore(two, [], { check: () => undefined, maxPaths: 3 });
    assert.deepEqual([limited.paths, limited.truncated], [3, true]);
    const endless = await explore(unending, [], { check: () => undefined, answers: ["ok"] });
    assert.deepEqual([endless.paths, endless.truncated], [1, true]);
  });

  test("goes on over continueAsNew", async () => {
    assert.deepEqual(await endsOf(monthly, ["ok"]), ["3"]);
  });

  test("shares within a path what is run once, and nothing with the next path", async () => {
    const charged: number[] = [];
    const mocks = [mock(once, () => charged.push(1))];
    const { paths } = await explore(paying, [], {
      answers: ["ok", "fail"],
      mocks,
      check: ({ calls }) => {
        const paid = calls.filter(({ name, ok }) => name === "explored once" && ok).length;
        assert.equal(charged.splice(0).length, Math.min(paid, 1));
      },
    });
    assert.equal(paths, 4);
  });

  test("draws what followed what", async () => {
    const { graph } = await explore(racing, [], { answers: ["ok"], check: () => undefined });
    assert.equal(
      graph,
      [
        "flowchart TD",
        "  n0([start])",
        '  n1["1.0 signal(answer)"]',
        '  n2["1.1 sleep"]',
        "  n3([completed])",
        "  n0 --> n1",
        "  n0 --> n2",
        "  n1 -->|ok| n3",
        "  n2 -->|ok| n3",
        "",
      ].join("\n"),
    );
  });

  test("refuses options that are none", async () => {
    await assert.rejects(explore(two, [], {} as never), /explore needs a check/);
    const options = { check: () => undefined, answers: ["maybe"] as never };
    await assert.rejects(explore(two, [], options), /answers are "ok", "fail" and "cancel"/);
    for (const answers of ["ok", []])
      await assert.rejects(
        explore(two, [], { check: () => undefined, answers: answers as never }),
        /answers must be a list of some/,
      );
  });

  test("waits for a check that is async", async () => {
    const check = async ({ outcome }: Path): Promise<void> => {
      await Promise.resolve();
      if (!outcome.ok) throw new Error("it failed");
    };
    await assert.rejects(explore(two, [], { check }), /fails \(number 2 of 7, .*: it failed/);
  });
});

type Path = Parameters<ExploreOptions<unknown>["check"]>[0];

function nothingIsLeftReserved({ calls }: Path): void {
  for (const { name, args, ok } of calls) {
    if (name !== "explored reserve" || !ok) continue;
    const hold = `hold-${String(args[0])}`;
    const settled = calls.some(
      (other) =>
        other.args[0] === hold &&
        (other.name === "explored release" || (other.name === "explored charge" && other.ok)),
    );
    assert.ok(settled, `${hold} is left reserved`);
  }
}

async function endsOf(
  explored: Parameters<typeof explore<[], unknown>>[0],
  answers: ExploreOptions<unknown>["answers"] & object,
): Promise<string[]> {
  const ends: string[] = [];
  await explore(explored, [], {
    answers,
    check: ({ outcome }) => ends.push(outcome.ok ? String(outcome.value) : outcome.error.message),
  });
  return ends;
}

const reserve = activity("explored reserve", async (sku: string) => `hold-${sku}`);
const charge = activity(
  "explored charge",
  async (hold: string, cents: number) => `${hold} ${cents}`,
);
const release = activity("explored release", async (_hold: string) => undefined);
const first = activity("explored first", async () => 1);
const second = activity("explored second", async () => 2);

const order = workflow("explored order", function* (sku: string) {
  const hold = yield* call(reserve, sku);
  yield* compensate(() => call(release, hold));
  const { cents } = (yield* signal<{ cents: number }>("approval", { timeout: "2d" })) ?? {};
  return yield* call(charge, hold, cents ?? 0);
});

const forgetful = workflow("explored forgetful order", function* (sku: string) {
  const hold = yield* call(reserve, sku);
  yield* signal("approval", { timeout: "2d" });
  return yield* call(charge, hold, 1);
});

const two = workflow("explored two", function* (): Flow<string> {
  return `${yield* call(first)} ${yield* call(second)}`;
});

const racing = workflow("explored racing", function* (): Flow<string> {
  const { winner } = yield* race({ approved: signal("answer"), late: sleep("1d") });
  return winner === "late" ? "late" : "approved yes";
});

const hurried = workflow("explored hurried", function* (): Flow<string> {
  try {
    return yield* within("1h", two());
  } catch (error) {
    return error instanceof ExpiryError ? error.code : "another error";
  }
});

const failable = workflow("explored failable", function* () {
  yield* map(first, [], { onError: "settle" } as never);
  return yield* all([
    attempt(starmapped()),
    attempt(run("look", () => 1)),
    attempt(transaction("post", () => 2)),
    attempt(signal("approval", { timeout: "1h" })),
  ]);
});

function* starmapped(): Flow<unknown> {
  return yield* map(first as never, ["a"]);
}

function* attempt(effect: Flow<unknown> | ReturnType<typeof signal>): Flow<unknown> {
  try {
    return yield* effect;
  } catch {
    return "failed";
  }
}

const listening = workflow("explored listening", function* () {
  return [yield* signal("word"), yield* signal("word"), yield* signal("word")];
});

const parent = workflow("explored parent", function* () {
  return yield* call(two);
});

const unending = workflow("explored unending", function* () {
  for (;;) yield* sleep("1d");
});

const once = activity("explored once", { idempotent: true }, async (): Promise<number> => 1);

const paying = workflow("explored paying", function* () {
  return yield* all([attempt(paid()), attempt(paid())]);
});

function* paid(): Flow<unknown> {
  return yield* call(once);
}

const monthly = workflow("explored monthly", function* (): Flow<number> {
  yield* sleep("30d");
  yield* counters.add("months");
  if ((yield* counters.get("months")) < 3) return yield* continueAsNew();
  return yield* counters.get("months");
});
