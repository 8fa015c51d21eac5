/** jobs: plain activities, each an execution of its own, all started at once. */
import { activity } from "../../src/index.ts";
import { allEnded, withEngine } from "../engine.ts";
import { rateOf, takeTurns } from "../measure.ts";
import { risingId } from "../raw-limit.ts";
import type { Scratch } from "../scratch.ts";
import type { Workload } from "../setting.ts";

const defaultN = 10_000;
const aTransaction = 100;

const job = activity("bench.job", async (index: number) => index);

export const jobs: Workload = {
  summary: "plain activities, all started at once",
  async *run({ scratch, n = defaultN, rounds, concurrencies }) {
    for (const concurrency of concurrencies) {
      const turns = await takeTurns(
        rounds,
        async () => engine(await scratch.fresh(), n, concurrency),
        () => raw(scratch, n),
      );
      yield { n, unit: "jobs", concurrency, ...turns };
    }
  },
};

function engine(address: string, n: number, concurrency: number): Promise<number> {
  const numbers = Array.from({ length: n }, (_, index): [number] => [index]);
  return withEngine(address, concurrency, (stent) =>
    rateOf(n, async () => allEnded(await stent.dispatchMany(job, numbers))),
  );
}

async function raw(scratch: Scratch, n: number): Promise<number> {
  await using limit = await scratch.openRaw(await scratch.fresh());
  const insertExecution = limit.insertExecution("activity");
  const endExecution = limit.endExecution();
  return await rateOf(n, () =>
    limit.repeat(n, aTransaction, (index) => endExecution(insertExecution(risingId(index)))),
  );
}
