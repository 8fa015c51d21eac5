/** chain: one workflow, its steps in sequence. Each step waits for the disk. */
import { withEngine } from "../engine.ts";
import { rateOf, takeTurns } from "../measure.ts";
import { RawLimit, risingId } from "../raw-limit.ts";
import type { Workload } from "../setting.ts";
import { steps } from "./steps.ts";

const defaultN = 1_000;

export const chain: Workload = {
  summary: "one workflow, 1,000 steps in sequence",
  async *run({ files, n = defaultN, rounds, concurrencies: [concurrency = 1] }) {
    const turns = await takeTurns(
      rounds,
      () =>
        withEngine(files.fresh(), concurrency, (stent) => rateOf(n, () => stent.run(steps, [n]))),
      () => raw(files.fresh(), n),
    );
    yield { n, unit: "steps", concurrency, ...turns };
  },
};

/** A commit completes one step and begins the next. */
async function raw(path: string, n: number): Promise<number> {
  using limit = await RawLimit.open(path);
  const insertExecution = limit.insertExecution("workflow");
  const insertEntry = limit.insertEntry();
  const completeEntry = limit.completeEntry();
  let key = 0;
  limit.repeat(1, 1, () => {
    key = insertExecution(risingId(0));
    insertEntry(key, 0, "0");
  });
  return await rateOf(n, () =>
    limit.repeat(n, 1, (index) => {
      completeEntry(key, index);
      insertEntry(key, index + 1, String(index + 1));
    }),
  );
}
