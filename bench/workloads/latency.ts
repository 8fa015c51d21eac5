/** latency: from the call of `run` to its result, one one-step workflow at a time, with nothing else to do. */
import { activity, call, workflow, type Stent } from "../../src/index.ts";
import { withEngine, withProcesses } from "../engine.ts";
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
  async *run({ scratch, n = defaultN, processes, concurrencies: [concurrency = 1] }) {
    const address = await scratch.fresh();
    const act = (stent: Stent): Promise<number[]> => oneByOne(stent, n);
    const times =
      processes > 0
        ? await withProcesses(processes, address, concurrency, act)
        : await withEngine(address, concurrency, act);
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
    const remarks = processes > 0 ? [`processes    ${processes}, none of them this one`] : [];
    yield { n, unit: "workflows", concurrency, p50, p99, remarks };
  },
};

async function oneByOne(stent: Stent, n: number): Promise<number[]> {
  const taken: number[] = [];
  for (let index = 0; index < warmUp + n; index += 1) {
    const startedAt = performance.now();
    await stent.run(greeting, [index]);
    taken.push(performance.now() - startedAt);
  }
  return taken.slice(warmUp);
}
