/** chains: many workflows at once, 50 steps in sequence each. */
import { allEnded, withEngine } from "../engine.ts";
import { rateOf, takeTurns } from "../measure.ts";
import { risingId } from "../raw-limit.ts";
import type { Scratch } from "../scratch.ts";
import type { Workload } from "../setting.ts";
import { steps } from "./steps.ts";

const defaultN = 100;
const stepsEach = 50;
const aTransaction = 100;

export const chains: Workload = {
  summary: "100 workflows at once, 50 steps in sequence each",
  async *run({ scratch, n = defaultN, rounds, concurrencies }) {
    for (const concurrency of concurrencies) {
      const turns = await takeTurns(
        rounds,
        async () => engine(await scratch.fresh(), n, concurrency),
        () => raw(scratch, n),
      );
      yield { n: n * stepsEach, unit: "steps", concurrency, ...turns };
    }
  },
};

function engine(address: string, workflows: number, concurrency: number): Promise<number> {
  const sizes = Array.from({ length: workflows }, (): [number] => [stepsEach]);
  return withEngine(address, concurrency, (stent) =>
    rateOf(workflows * stepsEach, async () => allEnded(await stent.dispatchMany(steps, sizes))),
  );
}

/** The workflows go on in turn, as they do when all of them run at once. */
async function raw(scratch: Scratch, workflows: number): Promise<number> {
  await using limit = await scratch.openRaw(await scratch.fresh());
  const insertExecution = limit.insertExecution("workflow");
  const insertEntry = limit.insertEntry();
  const completeEntry = limit.completeEntry();
  await limit.repeat(workflows, workflows, (index) =>
    insertEntry(insertExecution(risingId(index)), 0, "0"),
  );
  const many = workflows * stepsEach;
  return await rateOf(many, () =>
    limit.repeat(many, aTransaction, (index) => {
      const key = (index % workflows) + 1;
      const step = Math.floor(index / workflows);
      completeEntry(key, step);
      insertEntry(key, step + 1, String(step + 1));
    }),
  );
}
