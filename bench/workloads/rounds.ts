/** rounds: one workflow that begins anew 100,000 times by continueAsNew; whether a late round costs what an early one does, and what is left. */
import { statSync } from "node:fs";
import Database from "better-sqlite3";
import { activity, call, continueAsNew, counters, workflow } from "../../src/index.ts";
import { withEngine } from "../engine.ts";
import { median, rateOf, takeTurns } from "../measure.ts";
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
interface Shown {
  readonly early: number;
  readonly late: number;
  readonly grownMb: number;
  readonly rows: number;
  readonly fileMb: number;
}

export const rounds: Workload = {
  summary: "one workflow that continues as new 100,000 times",
  async *run({ files, n: asked = defaultN, rounds: turns, concurrencies: [concurrency = 1] }) {
    const n = Math.ceil(asked / 10) * 10;
    const shown: Shown[] = [];
    const rates = await takeTurns(
      turns ?? defaultRounds,
      async () => {
        const path = files.fresh();
        tenth = n / 10;
        marks = [];
        const rate = await withEngine(path, concurrency, (stent) =>
          rateOf(n, () => stent.run(loop, [1, n])),
        );
        marks.push(mark());
        shown.push(shownOf(path));
        return rate;
      },
      // A round as one commit: its entry is completed, and the next one's is there.
      () => rawSteps(files.fresh(), n, () => "1"),
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
        `left behind  ${middle("rows")} rows, a file of ${middle("fileMb").toFixed(1)} MB`,
      ],
    };
  },
};

function shownOf(path: string): Shown {
  const cost = (of: number): number =>
    ((marks[of + 1]?.ms ?? NaN) - (marks[of]?.ms ?? NaN)) / tenth;
  const database = new Database(path, { readonly: true });
  const rows = database
    .prepare(
      "select (select count(*) from stent_executions) + (select count(*) from stent_journal) + (select count(*) from stent_counters) + (select count(*) from stent_left_runs)",
    )
    .pluck()
    .get() as number;
  database.close();
  return {
    early: cost(0),
    late: cost(9),
    grownMb: (marks.at(-1)?.memoryMb ?? NaN) - (marks[1]?.memoryMb ?? NaN),
    rows,
    fileMb: statSync(path).size / 1_048_576,
  };
}
