/** resume: a worker process is killed after so many steps; how long the next one takes to run the next step. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { extname, join } from "node:path";
import { Stent } from "../../src/index.ts";
import { median, percentile } from "../measure.ts";
import type { Setting, Workload } from "../setting.ts";
import { endless, type Stopped } from "./endless-steps.ts";

const defaultSteps = [1_000, 10_000];
const defaultTries = 20;
const concurrency = 10;

export const resume: Workload = {
  summary: "kill -9 after 1,000 and 10,000 steps, and the time to the next step",
  async *run(setting) {
    for (const n of setting.n === undefined ? defaultSteps : [setting.n]) {
      const tries = await resumptions(setting, n);
      const fromReady = tries.map(({ readyAt, firstStepAt }) => Math.max(0, firstStepAt - readyAt));
      const fromStart = tries.map(({ startedAt, firstStepAt }) => firstStepAt - startedAt);
      yield {
        n,
        unit: "steps before the kill",
        concurrency,
        p50: percentile(fromReady, 0.5),
        p99: percentile(fromReady, 0.99),
        remarks: [
          `tries        ${tries.length}; from the start of the process ${median(fromStart).toFixed(0)} ms`,
        ],
      };
    }
  },
};

async function resumptions(
  { scratch, rounds = defaultTries }: Setting,
  steps: number,
): Promise<Stopped[]> {
  const address = await scratch.fresh();
  await using client = await Stent.open(address);
  await client.dispatch(endless, []);
  await runAndKill(address, steps);
  const tries: Stopped[] = [];
  while (tries.length < rounds) tries.push(await runAndKill(address, 1));
  return tries;
}

/** A process that runs so many steps, and is killed in the middle of the next. */
async function runAndKill(address: string, steps: number): Promise<Stopped> {
  const program = join(import.meta.dirname, `resume-process${extname(import.meta.filename)}`);
  const worker = fork(program, [address, String(steps), String(concurrency)]);
  const gone = once(worker, "exit");
  const [stopped] = (await Promise.race([once(worker, "message"), gone.then(diedUnasked)])) as [
    Stopped,
  ];
  worker.kill("SIGKILL");
  await gone;
  return stopped;
}

function diedUnasked(): never {
  throw new Error("the worker process ended before it had run its steps; its error stands above");
}
