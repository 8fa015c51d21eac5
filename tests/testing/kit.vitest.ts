import { existsSync } from "node:fs";
import { activity, call, signal, sleep, workflow, type Flow, type Stent } from "stentjs";
import { explore, mock, replay, simulate, step, testClock, testStent } from "stentjs/testing";
import { afterAll, describe, expect, test } from "vitest";

const reserve = activity("vitest reserve", async (sku: string): Promise<string> => `hold-${sku}`);

const order = workflow("vitest order", function* (sku: string): Flow<string> {
  const hold = yield* call(reserve, sku);
  yield* sleep("1d");
  return `${hold} ${yield* signal<string>("approval")}`;
});

const signals = [{ at: "2d", name: "approval", payload: "yes" }];

test("effects deep-equal each other", () => {
  expect(order("book").next().value).toEqual(call(reserve, "book"));
  step(order, "book").expect(call(reserve, "book")).resolve("hold").expect(sleep("1d"));
  expect(() => step(order, "book").expect(call(reserve, "boat"))).toThrow(
    /kit\.vitest\.ts:\d+:\d+/,
  );
});

test("a workflow is simulated, explored and replayed", async () => {
  const { outcome, history } = await simulate(order, ["book"], { signals, crash: 1 });
  expect(outcome).toEqual({ ok: true, value: "hold-book yes" });
  expect(replay(order, ["book"], history)).toEqual({ ok: true });
  const { truncated } = await explore(order, ["book"], { signals, check: () => undefined });
  expect(truncated).toBe(false);
});

describe("testStent", () => {
  const ended: Stent[] = [];

  for (let index = 0; index < 4; index += 1) {
    test.concurrent(`serves on a database of its own (${index})`, async (t) => {
      const mocks = [mock(reserve, (sku) => `mocked ${sku} ${index}`)];
      const clock = testClock();
      const stent = await testStent(t, { mocks, clock });
      ended.push(stent);
      const handle = await stent.dispatch(order, ["book"], { id: "the same" });
      await handle.signal("approval", "yes");
      await clock.untilEnded(stent, handle.id);
      expect(await handle.result()).toBe(`mocked book ${index} yes`);
    });
  }

  afterAll(async () => {
    expect(ended.length).toBe(4);
    for (const stent of ended) await expect(stent.stateOf("the same")).rejects.toThrow(/closed/);
    expect(existsSync("stent.db")).toBe(false);
  });
});
