import type { Backend } from "./stage.ts";

const shapes = [
  "sequence", "branches", "composed", "mapped", "parent", "collector", "receiver", "sender", "booked", "sleeper",
  "rounds", "undone", "atMostOnce", "cancellable", "failing", "runsAgain", "mended", "flaky", "once",
]; // prettier-ignore

/** Ids of a load with `size` executions of every shape that can be there. */
export function planOf(size: number, backend: Backend): string[] {
  const able = shapes.filter((shape) => backend === "sqlite" || shape !== "booked");
  return able.flatMap((shape) => Array.from({ length: size }, (_, n) => `${shape}-${n}`));
}
