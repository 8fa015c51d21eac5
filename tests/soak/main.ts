/** `npm run soak -- --backend postgres --seconds 120 --seed 7`. Ends with 1, and names the seed, if anything is wrong. */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import type { Ending } from "../crash/processes.ts";
import { percentile } from "./recovery.ts";
import { soak, type SoakReport } from "./soak.ts";

const { values } = parseArgs({
  options: {
    backend: { type: "string", default: "sqlite" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(randomInt(1, 2 ** 31)) },
    workers: { type: "string", default: "4" },
  },
});
const { backend } = values;
if (backend !== "sqlite" && backend !== "postgres")
  throw new RangeError(`--backend is sqlite or postgres, not ${backend}`);
const [seconds, seed, workers] = [values.seconds, values.seed, values.workers].map((value) => {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new RangeError(`${value} is no number from 1 on`);
  return number;
}) as [number, number, number];
const plan = { backend, seconds, seed, workers } as const;
const endings: (() => unknown)[] = [];
const ending: Ending = { after: (fn) => endings.unshift(fn) };

print(`soak of ${seconds} s on ${backend} with ${workers} worker processes, seed ${seed}`);
try {
  tell(await soak(ending, plan));
} catch (error) {
  process.exitCode = 1;
  print(error instanceof Error ? (error.stack ?? error.message) : String(error));
  print(
    `FAILED: npm run soak -- --backend ${backend} --seconds ${seconds} --seed ${seed} --workers ${workers}`,
  );
} finally {
  for (const end of endings) await end();
}

function tell({ executions, attempts, samples, faults, recovery }: SoakReport): void {
  for (const [name, count] of [...faults].toSorted(([a], [b]) => a.localeCompare(b)))
    print(`${String(count).padStart(6)} × ${name}`);
  print(
    `${executions} executions have ended as they should, by ${attempts} attempts of activities`,
  );
  print(`${samples} looks at the database beside the work, and one at its end: nothing is wrong`);
  const { times, unheard } = recovery;
  const at = (share: number): string => `${(percentile(times, share) / 1_000).toFixed(2)} s`;
  print(
    `from a kill to the next progress of ${times.length} executions that ran there: p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}; of ${unheard} nothing was to be heard any more`,
  );
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
