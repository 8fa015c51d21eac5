import type { Settled, Transition } from "../../src/store/store.ts";
import type { Surroundings } from "./surroundings.ts";

interface Answered {
  readonly settled: readonly Settled[];
}

/** I3: what a session that was dead before the commit has handed in is refused. `value`: what the commit answered. */
export function refusals(
  { world }: Surroundings,
  dead: ReadonlySet<number>,
  transitions: readonly Transition[],
  value: unknown,
): void {
  const { settled } = value as Answered;
  for (const [index, { kind, request }] of transitions.entries()) {
    const answered = settled[index];
    if (answered === undefined || !("answer" in answered)) continue;
    const { answer } = answered;
    if (kind === "turn" && wasNotReleased(answer)) {
      world.rare.happened("a parking was refused, since something had arrived");
    }
    const stale = "session" in request && dead.has(request.session);
    const refused = isRefusal(answer);
    if (refused && kind === "turn") world.rare.happened("a stale turn was refused");
    if (refused && kind === "task") world.rare.happened("a stale task outcome was refused");
    if (refused && kind === "claim") world.rare.happened("a stale claim was refused");
    if (stale && !refused && (kind === "turn" || kind === "task" || kind === "claim"))
      world.fail(`I3: session ${request.session} was dead, and its ${kind} was stored`);
  }
}

function isRefusal(answer: unknown): boolean {
  return (
    answer === "refused" ||
    (typeof answer === "object" && answer !== null && "kind" in answer && answer.kind === "refused")
  );
}

function wasNotReleased(answer: unknown): boolean {
  return typeof answer === "object" && answer !== null && "released" in answer && !answer.released;
}
