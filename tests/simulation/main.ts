/**
 * `npm run simulate -- --seeds 500`: so many runs, from seed 1 or `--seed` on. A run that fails is shrunk, and what is left of it can be run again
 * with `--plan`. `--every`: the invariants are asked for after so many writes. `--trace`: all that happens is printed.
 */
import { parseArgs } from "node:util";
import { ownNow } from "./borrowed-globals.ts";
import { Faults, type FaultKind } from "./faults.ts";
import { rareEvents, RareEventCounts } from "./rare-events.ts";
import type { RunPlan } from "./scene.ts";
import { shrunk } from "./shrinking.ts";
import { planOf, simulate, type RunReport } from "./simulation.ts";

/** In fewer runs than that, what is rare may not have happened. */
const seedsForAllThatIsRare = 300;
const lastLines = 60;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    every: { type: "string", default: "5" },
    trace: { type: "boolean", default: false },
    "shrink-seconds": { type: "string", default: "60" },
    plan: { type: "string" },
  },
});

const rare = new RareEventCounts();
let failed = false;
if (values.plan === undefined) await runSeeds();
else await runPlan(values.plan);
process.exitCode = failed ? 1 : 0;

async function runSeeds(): Promise<void> {
  const first = Number(values.seed);
  const count = Number(values.seeds);
  const totals = { steps: 0, virtualMs: 0 };
  const beganAt = ownNow();
  for (let seed = first; seed < first + count; seed += 1) {
    const report = await simulate(planOf(seed, Number(values.every)), values.trace);
    rare.add(report.rare);
    totals.steps += report.steps;
    totals.virtualMs += report.virtualMs;
    if (values.trace) print(report.lines.join("\n"));
    if (report.failures.length === 0) continue;
    await tellOfFailure(seed, report);
    return;
  }
  const seconds = (ownNow() - beganAt) / 1_000;
  print(
    `${count} runs from seed ${first} on passed in ${seconds.toFixed(1)} s: ${totals.steps} operations, ${Math.round(totals.virtualMs / 60_000)} minutes of virtual time`,
  );
  tellOfRareEvents(count);
}

async function tellOfFailure(seed: number, report: RunReport): Promise<void> {
  failed = true;
  print(`seed ${seed} fails, with ${faultsOf(report)}:`);
  for (const failure of report.failures) print(`  ${failure}`);
  print("it is being shrunk …");
  const shortest = await shrunk(report, Number(values["shrink-seconds"]) * 1_000);
  const { plan } = shortest;
  const { lines, failures } = await simulate(plan, true);
  print(`the shortest that was found has ${faultsOf(shortest)}, and ${lines.length} lines:`);
  for (const line of lines.slice(-lastLines, -1)) print(`  ${line}`);
  print(`  ${failures.join("\n  ")}`);
  print(`again: npm run simulate -- --plan '${written(plan)}'`);
}

function faultsOf({ plan }: RunReport): string {
  return [...plan.faults.on].join(", ") || "no faults";
}

function tellOfRareEvents(count: number): void {
  for (const event of rareEvents) print(`${String(rare.of(event)).padStart(8)} × ${event}`);
  if (rare.missing.length === 0 || count < seedsForAllThatIsRare) return;
  failed = true;
  print(`never happened: ${rare.missing.join("; ")}`);
}

function written(plan: RunPlan): string {
  return JSON.stringify({ ...plan, faults: [...plan.faults.on] });
}

async function runPlan(text: string): Promise<void> {
  const read = JSON.parse(text) as Omit<RunPlan, "faults"> & { faults: readonly FaultKind[] };
  const report = await simulate({ ...read, faults: new Faults(read.faults) }, true);
  print(report.lines.join("\n"));
  for (const failure of report.failures) print(`FAILS: ${failure}`);
  failed = report.failures.length > 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
