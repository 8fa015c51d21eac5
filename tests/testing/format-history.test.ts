import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  activity,
  call,
  continueAsNew,
  map,
  sendSignal,
  sleep,
  workflow,
  type Flow,
} from "stentjs";
import { formatHistory, mock, simulate } from "stentjs/testing";

describe("formatHistory", () => {
  test("shows what a workflow wanted and what came back, a line an effect", async () => {
    const mocks = [
      mock(reserve, (sku) => {
        if (sku === "boat") throw new Error("sold out");
        return { hold: `hold-${sku}`, by: new Date(0) };
      }),
    ];
    const { history } = await simulate(order, [1], { mocks });
    assert.equal(
      formatHistory(history),
      [
        `1  call told reserve('book') → { by: 1970-01-01T00:00:00.000Z, hold: 'hold-book' }`,
        `2  map told reserve of 2: [ [ 'a' ], [ 'boat' ] ] → [ { status: 'fulfilled', value: { by: 1970-01-01T00:00:00.000Z, hold: 'hold-a' } }, { reason: [Error: sold out], status: 'rejected' } ]`,
        `3  sendSignal ready to somebody: 7 ✓`,
        `4  continueAsNew(2)`,
        `run 2`,
        `1  call told reserve('boat') ✗ Error: sold out`,
        `2  sleep ✓`,
        "",
      ].join("\n"),
    );
  });

  test("shows what has no outcome", async () => {
    const { history } = await simulate(order, [3], { cancelAt: "1h" });
    assert.equal(formatHistory(history), "1  sleep …\n");
  });

  test("shows nothing of nothing", () => {
    assert.equal(formatHistory([]), "");
  });

  test("says what it takes where it is given something else", async () => {
    const simulation = await simulate(order, [3], { cancelAt: "1h" });
    assert.throws(
      () => formatHistory(simulation as never),
      /formatHistory takes a list of history/,
    );
    assert.throws(
      () => formatHistory((async function* () {})() as never),
      /takes entries that are there: for await/,
    );
  });
});

const reserve = activity(
  "told reserve",
  { retry: { maxAttempts: 1 } },
  async (sku: string): Promise<object> => ({ sku }),
);

const order = workflow("told order", function* (run: number): Flow<unknown> {
  if (run === 1) {
    yield* call(reserve, "book");
    yield* map(reserve, ["a", "boat"], { onError: "settle" });
    yield* sendSignal("somebody", "ready", 7);
    return yield* continueAsNew(2);
  }
  try {
    if (run === 2) yield* call(reserve, "boat");
  } catch {
    // told by the history
  }
  yield* sleep("2h");
  return undefined;
});
