/** Longer from one to the next, up to a second, and never the same for two processes. */
export function pause(tries: number): Promise<void> {
  const ms = Math.min(1_000, 5 * 2 ** tries) * (0.5 + Math.random());
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
