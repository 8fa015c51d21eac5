/** rounds: one workflow that begins anew 100,000 times by continueAsNew; whether a late round costs what an early one does, and what is left. */
import { activity, call, continueAsNew, counters, workflow } from "../../src/index.ts";
import { withEngine } from "../engine.ts";
import { median, rateOf, takeTurns } from "../measure.ts";
import type { LeftBehind } from "../scratch.ts";
import type { Workload } from "../setting.ts";
import { rawSteps } from "./raw-steps.ts";

const defaultN = 100_000;
const defaultRounds = 1;

const step = activity("bench.round", async (round: number) => noteRound(round));
const loop = workflow("bench.rounds", function* (round: number, last: number) {
  yield* call(step, round);
  yield* counters.add("rounds");
  if (round < last) yield* continueAsNew(round + 1, last);
});

/** What stood at the beginning of each tenth, and at the end. */
interface Mark {
  readonly ms: number;
  readonly memoryMb: number;
}

let tenth = 1;
let marks: Mark[] = [];

function noteRound(round: number): void {
  if ((round - 1) % tenth === 0) marks.push(mark());
}

function mark(): Mark {
  return { ms: performance.now(), memoryMb: process.memoryUsage().rss / 1_048_576 };
}

/** What one run shows beside its rate. */
interface Shown extends LeftBehind {
  readonly early: number;
  readonly late: number;
  readonly grownMb: number;
}

export const rounds: Workload = {
  summary: "one workflow that continues as new 100,000 times",
  async *run({ scratch, n: asked = defaultN, rounds: turns, concurrencies: [concurrency = 1] }) {
    const n = Math.ceil(asked / 10) * 10;
    const shown: Shown[] = [];
    const rates = await takeTurns(
      turns ?? defaultRounds,
      async () => {
        const address = await scratch.fresh();
        tenth = n / 10;
        marks = [];
        const rate = await withEngine(address, concurrency, (stent) =>
          rateOf(n, () => stent.run(loop, [1, n])),
        );
        marks.push(mark());
        shown.push(shownOf(await scratch.leftBehind(address)));
        return rate;
      },
      // A round as one commit: its entry is completed, and the next one's is there.
      () => rawSteps(scratch, n, () => "1"),
    );
    const middle = (figure: keyof Shown): number => median(shown.map((each) => each[figure]));
    yield {
      n,
      unit: "rounds",
      concurrency,
      ...rates,
      remarks: [
        `a round      ${(middle("early") * 1_000).toFixed(0)} µs in the first tenth, ${(middle("late") * 1_000).toFixed(0)} µs in the last: ${(middle("late") / middle("early")).toFixed(2)} ×`,
        `memory       ${middle("grownMb").toFixed(0)} MB more at the end than after the first tenth`,
        `left behind  ${middle("rows")} rows, a database of ${middle("mb").toFixed(1)} MB`,
      ],
    };
  },
};

function shownOf(left: LeftBehind): Shown {
  const cost = (of: number): number =>
    ((marks[of + 1]?.ms ?? NaN) - (marks[of]?.ms ?? NaN)) / tenth;
  return {
    ...left,
    early: cost(0),
    late: cost(9),
    grownMb: (marks.at(-1)?.memoryMb ?? NaN) - (marks[1]?.memoryMb ?? NaN),
  };
}
