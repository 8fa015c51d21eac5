/** chain: one workflow, its steps in sequence. Each step waits for the disk. */
import { withEngine } from "../engine.ts";
import { rateOf, takeTurns } from "../measure.ts";
import type { Workload } from "../setting.ts";
import { rawSteps } from "./raw-steps.ts";
import { steps } from "./steps.ts";

const defaultN = 1_000;

export const chain: Workload = {
  summary: "one workflow, 1,000 steps in sequence",
  async *run({ scratch, n = defaultN, rounds, concurrencies: [concurrency = 1] }) {
    const turns = await takeTurns(
      rounds,
      async () =>
        withEngine(await scratch.fresh(), concurrency, (stent) =>
          rateOf(n, () => stent.run(steps, [n])),
        ),
      () => rawSteps(scratch, n, String),
    );
    yield { n, unit: "steps", concurrency, ...turns };
  },
};
