/** cleanup: how fast old executions are deleted, and how long others wait for it meanwhile. */
import { activity, call, workflow, Stent, type MetricsRecorder } from "../../src/index.ts";
import { percentile } from "../measure.ts";
import type { Workload } from "../setting.ts";

const defaultN = 500;
const defaultPreload = 1_000_000;
/** Not counted: until the code is compiled. */
const warmUp = 200;

const greet = activity("bench.cleanup-greet", async (name: number) => `hello ${name}`);
const greeting = workflow("bench.cleanup", function* (name: number) {
  return yield* call(greet, name);
});

export const cleanup: Workload = {
  summary: "1,000,000 old executions are deleted, while others run one by one",
  async *run({ scratch, n = defaultN, preload = defaultPreload }) {
    await scratch.preload(preload);
    const address = await scratch.preloaded();
    const transactions: number[] = [];
    const metrics = { ...deaf, batchCommitted: timesInto(transactions) };
    await using stent = await Stent.bootstrap({ backend: address, metrics }, { serve: true });
    await oneByOne(stent, warmUp, never);
    const alone = await oneByOne(stent, n, never);
    let over = false;
    transactions.length = 0;
    const cleaning = cleaned(stent).finally(() => (over = true));
    const beside = await oneByOne(stent, Infinity, () => over);
    const { executions, ms } = await cleaning;
    yield latencies(alone, "beside       nothing");
    yield latencies(beside, `beside       ${preload.toLocaleString("en-US")} that are deleted`);
    const longest = Math.max(...transactions).toFixed(1);
    yield {
      ...latencies(transactions, `transactions the longest took ${longest} ms`),
      n: executions,
      unit: "executions deleted",
      rate: executions / (ms / 1_000),
    };
  },
};

async function cleaned(
  stent: Stent,
): Promise<{ readonly executions: number; readonly ms: number }> {
  const startedAt = performance.now();
  // What runs beside it ended later than that.
  const { executions } = await stent.cleanup({ olderThan: "1m" });
  return { executions, ms: performance.now() - startedAt };
}

async function oneByOne(stent: Stent, most: number, over: () => boolean): Promise<number[]> {
  const taken: number[] = [];
  for (let index = 0; index < most && !over(); index += 1) {
    const startedAt = performance.now();
    await stent.run(greeting, [index]);
    taken.push(performance.now() - startedAt);
  }
  return taken;
}

function latencies(times: readonly number[], remark: string) {
  const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)];
  return { n: times.length, unit: "workflows", concurrency: 1, p50, p99, remarks: [remark] };
}

function timesInto(times: number[]): NonNullable<MetricsRecorder["batchCommitted"]> {
  return ({ durationMs }) => void times.push(durationMs);
}

const nothing = (): undefined => undefined;
const never = (): boolean => false;
const deaf: MetricsRecorder = {
  taskClaimed: nothing,
  taskCompleted: nothing,
  taskFailed: nothing,
  deadLettered: nothing,
  leaseRenewed: nothing,
};
