/** hello: one-step workflows, all started at once. */
import { activity, call, workflow } from "../../src/index.ts";
import { allEnded, withEngine } from "../engine.ts";
import { median, rateOf, takeTurns } from "../measure.ts";
import { preloaded } from "../preload.ts";
import { RawLimit, risingId } from "../raw-limit.ts";
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
    for (const concurrency of setting.concurrencies) yield await measure(setting, concurrency);
  },
};

async function measure(
  { files, n = defaultN, rounds, preload }: Setting,
  concurrency: number,
): Promise<Figures> {
  if (preload === undefined) {
    const turns = await takeTurns(
      rounds,
      () => engine(files.fresh(), n, concurrency),
      () => raw(files.fresh(), n),
    );
    return { n, unit: "workflows", concurrency, ...turns };
  }
  const original = await preloaded(files.original(), preload);
  const empty: number[] = [];
  const turns = await takeTurns(
    rounds,
    async () => {
      empty.push(await engine(files.fresh(), n, concurrency));
      return engine(files.copyOf(original), n, concurrency);
    },
    () => raw(files.copyOf(original), n),
  );
  const share = ((turns.rate / median(empty)) * 100).toFixed(1);
  const remarks = [
    `in the file  ${preload.toLocaleString("en-US")} finished executions; on an empty one ${Math.round(median(empty)).toLocaleString("en-US")} workflows/s, of which this is ${share} %`,
  ];
  return { n, unit: "workflows", concurrency, ...turns, remarks };
}

function engine(path: string, n: number, concurrency: number): Promise<number> {
  const names = Array.from({ length: n }, (_, index): [number] => [index]);
  return withEngine(path, concurrency, (stent) =>
    rateOf(n, async () => allEnded(await stent.dispatchMany(greeting, names))),
  );
}

async function raw(path: string, n: number): Promise<number> {
  using limit = await RawLimit.open(path);
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
