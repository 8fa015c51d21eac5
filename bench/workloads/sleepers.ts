/** sleepers: workflows that sleep until the same instant; how long after it each one goes on. */
import { setTimeout as delay } from "node:timers/promises";
import { run, sleepUntil, workflow } from "../../src/index.ts";
import { withEngine } from "../engine.ts";
import { percentile } from "../measure.ts";
import type { Workload } from "../setting.ts";

const defaultN = 10_000;
/** Time to fall asleep before they are due: this, and so much for each. */
const settleMs = 3_000;
const settleEachMs = 0.5;
const giveUpMs = 60_000;

const lags: number[] = [];
const sleeper = workflow("bench.sleeper", function* (dueAt: number) {
  yield* sleepUntil(dueAt);
  yield* run("note", () => void lags.push(Date.now() - dueAt));
});

export const sleepers: Workload = {
  summary: "10,000 workflows that sleep until the same instant; the lag after it",
  async *run({ scratch, n = defaultN, concurrencies: [concurrency = 1] }) {
    lags.length = 0;
    await withEngine(await scratch.fresh(), concurrency, async (stent) => {
      const dueAt = Date.now() + settleMs + n * settleEachMs;
      const handles = await stent.dispatchMany(
        sleeper,
        Array.from({ length: n }, (): [number] => [dueAt]),
      );
      // They are taken in order.
      while ((await handles.at(-1)?.state())?.state === "pending") await delay(50);
      if (Date.now() >= dueAt)
        throw new Error("not all of them were asleep when they were due; try a smaller --n");
      // Waiting for each one's result would add to the memory that is measured.
      while (lags.length < n) {
        await delay(50);
        if (Date.now() > dueAt + giveUpMs)
          throw new Error(`only ${lags.length} of ${n} have woken up`);
      }
    });
    const [p50, p99] = [percentile(lags, 0.5), percentile(lags, 0.99)];
    yield { n, unit: "sleepers", concurrency, p50, p99 };
  },
};
