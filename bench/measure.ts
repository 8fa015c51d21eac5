/** Measuring: turns that are taken, the figure in the middle, and the clock. */

const defaultRounds = 5;

/** Engine and raw limit take turns; the median of each counts. Both give how many a second. */
export async function takeTurns(
  rounds: number | undefined,
  engine: () => Promise<number>,
  raw: () => Promise<number>,
): Promise<{ readonly rate: number; readonly limit: number }> {
  const rates: number[] = [];
  const limits: number[] = [];
  for (let round = 0; round < (rounds ?? defaultRounds); round += 1) {
    rates.push(await engine());
    limits.push(await raw());
  }
  return { rate: median(rates), limit: median(limits) };
}

/** How many a second, if `act` does that many. */
export async function rateOf(many: number, act: () => Promise<unknown> | void): Promise<number> {
  const startedAt = performance.now();
  await act();
  return (many * 1_000) / (performance.now() - startedAt);
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The smallest value that is not below that share of all. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
