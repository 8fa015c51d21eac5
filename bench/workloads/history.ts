/** history: one workflow of 50,000 steps, in sequence and in branches; whether a step late in it costs what an early one does; and its replay. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import { withEngine } from "../engine.ts";
import { median, rateOf, takeTurns } from "../measure.ts";
import { risingId } from "../raw-limit.ts";
import type { Scratch } from "../scratch.ts";
import type { Workload } from "../setting.ts";
import { branches, hooks, longHistory } from "./long-history.ts";

const defaultN = 50_000;
const defaultRounds = 1;

/** What one run shows beside its rate: milliseconds. */
interface Shown {
  readonly early: number;
  readonly late: number;
  readonly replay: number;
}

export const history: Workload = {
  summary: "one workflow, 50,000 steps in sequence and in 100 branches, and its replay",
  async *run({ scratch, n: asked = defaultN, rounds, concurrencies: [concurrency = 1] }) {
    const n = Math.ceil(asked / (branches * 10)) * branches * 10;
    for (const inBranches of [false, true]) {
      const shown: Shown[] = [];
      const turns = await takeTurns(
        rounds ?? defaultRounds,
        async () => {
          const address = await scratch.fresh();
          const { rate, ...rest } = await engine(address, n, inBranches, concurrency);
          shown.push({ ...rest, replay: await replay(address) });
          return rate;
        },
        () => raw(scratch, n, inBranches ? branches : 1),
      );
      const [early, late, replayed] = (["early", "late", "replay"] as const).map((figure) =>
        median(shown.map((each) => each[figure])),
      ) as [number, number, number];
      yield {
        n,
        unit: inBranches ? `steps in ${branches} branches` : "steps in sequence",
        concurrency,
        ...turns,
        p50: replayed,
        remarks: [
          `a step       ${(early * 1_000).toFixed(0)} µs in the first tenth, ${(late * 1_000).toFixed(0)} µs in the last: ${(late / early).toFixed(2)} ×`,
          `replay       ${replayed.toFixed(0)} ms in a fresh process, from its start as a worker to the end`,
        ],
      };
    }
  },
};

const id = "history";

async function engine(
  address: string,
  n: number,
  inBranches: boolean,
  concurrency: number,
): Promise<{ rate: number; early: number; late: number }> {
  const tenth = n / 10;
  const at: number[] = [];
  let count = 0;
  hooks.step = () => {
    if (count % tenth === 0) at.push(performance.now());
    count += 1;
  };
  const rate = await withEngine(address, concurrency, (stent) =>
    rateOf(n, async () => {
      const allDone = new Promise<void>((resolve) => {
        hooks.done = resolve;
      });
      await stent.dispatch(longHistory, [n, inBranches], { id });
      await allDone;
    }),
  );
  at.push(performance.now());
  const cost = (of: number): number => ((at[of + 1] ?? NaN) - (at[of] ?? NaN)) / tenth;
  return { rate, early: cost(0), late: cost(9) };
}

/** How long a fresh process takes until the workflow has come to the effect behind all its steps. */
async function replay(address: string): Promise<number> {
  const program = join(import.meta.dirname, `history-process${extname(import.meta.filename)}`);
  const worker = fork(program, [address, id]);
  const gone = once(worker, "exit").then(() => {
    throw new Error("the worker process ended before its execution had; its error stands above");
  });
  const [ms] = (await Promise.race([once(worker, "message"), gone])) as [number];
  await gone.catch(() => undefined);
  return ms;
}

/** A commit completes one step of each branch and begins the next. */
async function raw(scratch: Scratch, n: number, aTransaction: number): Promise<number> {
  await using limit = await scratch.openRaw(await scratch.fresh());
  const insertExecution = limit.insertExecution("workflow");
  const insertEntry = limit.insertEntry();
  const completeEntry = limit.completeEntry();
  let key = 0;
  await limit.repeat(aTransaction, aTransaction, (index) => {
    if (index === 0) key = insertExecution(risingId(0));
    insertEntry(key, index, `1.${index}.0`);
  });
  return await rateOf(n, () =>
    limit.repeat(n, aTransaction, (index) => {
      const next = index + aTransaction;
      completeEntry(key, index);
      insertEntry(key, next, `1.${index % aTransaction}.${Math.floor(next / aTransaction)}`);
    }),
  );
}
