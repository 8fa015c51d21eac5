/** A shorter sequence that fails too. Knows what sequences of commits are made of, which shrinking does not: that takes ten times as many runs. */
import type { Operation, Step } from "./operations.ts";

/** Leaves out what it can: commits, many at once at first; then operations, then effects of turns. Ends at the time that is given. */
export async function shorter(
  steps: readonly Step[],
  fails: (steps: readonly Step[]) => Promise<boolean>,
  until: number,
): Promise<readonly Step[]> {
  const still = async (some: readonly Step[]): Promise<boolean> =>
    performance.now() < until && (await fails(some));
  let best = await without(steps, still);
  for (let at = 0; at < best.length; at += 1) {
    const put = (operations: readonly Operation[]): readonly Step[] =>
      best.map((step, place) => (place === at ? { ...step, operations } : step));
    const operations = await without(best[at]?.operations ?? [], (some) => still(put(some)));
    best = put(operations);
    for (const [place, operation] of operations.entries()) {
      if (operation.kind !== "turn") continue;
      const reaching = (yields: typeof operation.yields): readonly Step[] =>
        put(operations.with(place, { ...operation, yields }));
      best = reaching(await without(operation.yields, (some) => still(reaching(some))));
    }
  }
  return best;
}

/** Without those of a list that are not needed: halves at first, single ones at last. */
async function without<T>(
  all: readonly T[],
  still: (some: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let best = all;
  for (let size = Math.ceil(all.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let from = best.length - size; from > -size; from -= size) {
      const some = best.toSpliced(Math.max(0, from), size + Math.min(0, from));
      if (some.length < best.length && (await still(some))) best = some;
    }
  }
  return best;
}
