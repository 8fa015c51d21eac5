/** latency: from the call of `run` to its result, one one-step workflow at a time, with nothing else to do. */
import { activity, call, workflow } from "../../src/index.ts";
import { withEngine } from "../engine.ts";
import { percentile } from "../measure.ts";
import type { Workload } from "../setting.ts";

const defaultN = 1_000;
/** Not counted: until the code is compiled. */
const warmUp = 200;

const greet = activity("bench.greet-one", async (name: number) => `hello ${name}`);
const greeting = workflow("bench.latency", function* (name: number) {
  return yield* call(greet, name);
});

export const latency: Workload = {
  summary: "one one-step workflow at a time, p50 and p99",
  async *run({ files, n = defaultN, concurrencies: [concurrency = 1] }) {
    const times = await withEngine(files.fresh(), concurrency, async (stent) => {
      const taken: number[] = [];
      for (let index = 0; index < warmUp + n; index += 1) {
        const startedAt = performance.now();
        await stent.run(greeting, [index]);
        taken.push(performance.now() - startedAt);
      }
      return taken.slice(warmUp);
    });
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
    yield { n, unit: "workflows", concurrency, p50, p99 };
  },
};
