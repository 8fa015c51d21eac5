import { ownNow } from "./borrowed-globals.ts";
import { faultKinds } from "./faults.ts";
import { within, type Node, type Program } from "./nodes.ts";
import type { RunPlan } from "./scene.ts";
import { simulate, type RunReport } from "./simulation.ts";

/** A plan with something left out runs in another order: it is tried with so many seeds before it counts as sound. */
const seedsTried = 6;

/** The shortest run that was found to fail as this one does, by leaving out one thing after the other. */
export async function shrunk(failed: RunReport, limitMs: number): Promise<RunReport> {
  const giveUpAt = ownNow() + limitMs;
  let best = failed;
  for (let found = true; found;) {
    found = false;
    for (const candidate of shorterPlans(best.plan)) {
      if (ownNow() > giveUpAt) return best;
      const report = await failingAs(best, candidate);
      if (report === undefined) continue;
      best = report;
      found = true;
      break;
    }
  }
  return best;
}

async function failingAs(known: RunReport, plan: RunPlan): Promise<RunReport | undefined> {
  for (let index = 0; index < seedsTried; index += 1) {
    const report = await simulate({ ...plan, seed: plan.seed + index * seedStride });
    if (report.failures.length > 0 && kindOf(report) === kindOf(known)) return report;
  }
  return undefined;
}

const seedStride = 1_000_003;

/** What is wrong, without whose it is. */
function kindOf({ failures }: RunReport): string {
  return (failures[0] ?? "").slice(0, 8);
}

function* shorterPlans(plan: RunPlan): Generator<RunPlan> {
  const { programs, disturbedSteps } = plan;
  for (let index = 0; index < programs.length; index += 1)
    yield { ...plan, programs: programs.toSpliced(index, 1) };
  for (const kind of faultKinds)
    if (plan.faults.has(kind)) yield { ...plan, faults: plan.faults.without(kind) };
  for (const [index, program] of programs.entries())
    for (const shorter of shorterPrograms(program))
      yield { ...plan, programs: programs.with(index, shorter) };
  if (disturbedSteps > 50) yield { ...plan, disturbedSteps: Math.floor(disturbedSteps * 0.7) };
  if (plan.every > 1) yield { ...plan, every: 1 };
}

function* shorterPrograms(program: Program): Generator<Program> {
  if (program.kind !== "program") return;
  if (program.ending.how !== "returns") yield { ...program, ending: { how: "returns" } };
  if (program.delay > 0) yield { ...program, delay: 0 };
  for (const nodes of shorterLists(program.nodes)) yield { ...program, nodes };
}

/** One node less, or what a node consists of in its place. */
function* shorterLists(nodes: readonly Node[]): Generator<readonly Node[]> {
  for (const [index, node] of nodes.entries()) {
    yield nodes.toSpliced(index, 1);
    for (const inner of within(node))
      if (node.do !== "child") yield nodes.toSpliced(index, 1, ...inner);
  }
}
