/** How pauses between attempts grow. */
export interface PausePolicy {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The pause after so many earlier ones: twice as long each time, less up to a half by `jitter`, a number from 0 to 1. */
export function pauseMs({ firstMs, maxMs }: PausePolicy, earlier: number, jitter: number): number {
  return Math.min(firstMs * 2 ** earlier, maxMs) * (0.5 + jitter / 2);
}
