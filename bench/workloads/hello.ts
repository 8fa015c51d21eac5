/** hello: one-step workflows, all started at once. */
import { activity, call, workflow, type Stent } from "../../src/index.ts";
import { allEnded, withEngine, withProcesses } from "../engine.ts";
import { cpuShares } from "../cpu-shares.ts";
import { median, rateOf, takeTurns } from "../measure.ts";
import { risingId } from "../raw-limit.ts";
import type { Scratch } from "../scratch.ts";
import type { Figures, Setting, Workload } from "../setting.ts";

const defaultN = 20_000;
const aTransaction = 100;

const greet = activity("bench.greet", async (name: number) => `hello ${name}`);
const greeting = workflow("bench.hello", function* (name: number) {
  return yield* call(greet, name);
});

export const hello: Workload = {
  summary: "one-step workflows, all started at once",
  async *run(setting) {
    for (const concurrency of setting.concurrencies) {
      if (setting.processes > 0) yield await measureProcesses(setting, concurrency);
      else if (setting.preload === undefined) yield await measure(setting, concurrency);
      else yield await measurePreloaded(setting, concurrency, setting.preload);
    }
  },
};

async function measure(
  { scratch, n = defaultN, rounds }: Setting,
  concurrency: number,
): Promise<Figures> {
  const turns = await takeTurns(
    rounds,
    async () => engine(await scratch.fresh(), n, concurrency),
    async () => raw(scratch, await scratch.fresh(), n),
  );
  return { n, unit: "workflows", concurrency, ...turns };
}

async function measurePreloaded(
  { scratch, n = defaultN, rounds }: Setting,
  concurrency: number,
  preload: number,
): Promise<Figures> {
  await scratch.preload(preload);
  const empty: number[] = [];
  const turns = await takeTurns(
    rounds,
    async () => {
      empty.push(await engine(await scratch.fresh(), n, concurrency));
      return engine(await scratch.preloaded(), n, concurrency);
    },
    async () => raw(scratch, await scratch.preloaded(), n),
  );
  const share = ((turns.rate / median(empty)) * 100).toFixed(1);
  const remarks = [
    `preloaded    ${preload.toLocaleString("en-US")} finished executions; on an empty database ${Math.round(median(empty)).toLocaleString("en-US")} workflows/s, of which this is ${share} %`,
  ];
  return { n, unit: "workflows", concurrency, ...turns, remarks };
}

async function measureProcesses(
  { scratch, n = defaultN, rounds, processes }: Setting,
  concurrency: number,
): Promise<Figures> {
  const shares: string[] = [];
  const turns = await takeTurns(
    rounds,
    async () =>
      withProcesses(processes, await scratch.fresh(), concurrency, async (stent, workers) => {
        const share = cpuShares({
          database: () => scratch.cpuMs(),
          workers: () => workers.cpuMs(),
        });
        const rate = await startAll(stent, n);
        shares.push(share());
        return rate;
      }),
    async () => raw(scratch, await scratch.fresh(), n),
  );
  const remarks = [`processes    ${processes}; ${shares.at(-1) ?? ""}`];
  return { n, unit: "workflows", concurrency, ...turns, remarks };
}

function engine(address: string, n: number, concurrency: number): Promise<number> {
  return withEngine(address, concurrency, (stent) => startAll(stent, n));
}

function startAll(stent: Stent, n: number): Promise<number> {
  const names = Array.from({ length: n }, (_, index): [number] => [index]);
  return rateOf(n, async () => allEnded(await stent.dispatchMany(greeting, names)));
}

async function raw(scratch: Scratch, address: string, n: number): Promise<number> {
  await using limit = await scratch.openRaw(address);
  const insertExecution = limit.insertExecution("workflow");
  const insertEntry = limit.insertEntry();
  const completeEntry = limit.completeEntry();
  const endExecution = limit.endExecution();
  return await rateOf(n, () =>
    limit.repeat(n, aTransaction, (index) => {
      const key = insertExecution(risingId(index));
      insertEntry(key, 0, "0");
      completeEntry(key, 0);
      endExecution(key);
    }),
  );
}
