/** fanout: one workflow that maps an activity over many items. */
import { activity, map, workflow } from "../../src/index.ts";
import { withEngine } from "../engine.ts";
import { rateOf, takeTurns } from "../measure.ts";
import type { Scratch } from "../scratch.ts";
import type { Figures, Setting, Workload } from "../setting.ts";

const defaultN = 10_000;
const scales = [1_000, 10_000, 100_000];
const aTransaction = 100;

const double = activity("bench.double", async (item: number) => item * 2);
const doubleAll = workflow("bench.fanout", function* (items: number) {
  const doubled = yield* map(
    double,
    Array.from({ length: items }, (_, index) => index),
  );
  return doubled.length;
});

export const fanout: Workload = {
  summary: "one workflow that maps an activity over N items",
  async *run(setting) {
    const { n = defaultN } = setting;
    let first: number | undefined;
    for (const items of setting.scale ? scales : [n]) {
      const figures = await measure(setting, items);
      const cost = 1_000_000 / (figures.rate ?? NaN);
      first ??= cost;
      const times = setting.scale ? `, ${(cost / first).toFixed(2)} × that at the smallest` : "";
      yield { ...figures, remarks: [`an item      ${cost.toFixed(1)} µs${times}`] };
    }
  },
};

async function measure(setting: Setting, n: number): Promise<Figures> {
  const { scratch, rounds, concurrencies } = setting;
  const [concurrency = 1] = concurrencies;
  const turns = await takeTurns(
    rounds,
    async () =>
      withEngine(await scratch.fresh(), concurrency, (stent) =>
        rateOf(n, () => stent.run(doubleAll, [n])),
      ),
    () => raw(scratch, n),
  );
  return { n, unit: "items", concurrency, ...turns };
}

async function raw(scratch: Scratch, n: number): Promise<number> {
  await using limit = await scratch.openRaw(await scratch.fresh());
  const insertItem = limit.insertItem();
  const completeItem = limit.completeItem();
  return await rateOf(n, () =>
    limit.repeat(n, aTransaction, (index) => {
      insertItem(index);
      completeItem(index);
    }),
  );
}
