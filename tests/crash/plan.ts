const shapes = [
  "sequence", "branches", "composed", "mapped", "parent", "collector", "receiver", "sender", "booked", "sleeper",
  "rounds", "undone", "atMostOnce", "cancellable", "failing", "runsAgain", "mended", "flaky", "once",
  "limited", "shared",
]; // prettier-ignore

/** Ids of a load with `size` executions of every shape. */
export function planOf(size: number): string[] {
  return shapes.flatMap((shape) => Array.from({ length: size }, (_, n) => `${shape}-${n}`));
}
