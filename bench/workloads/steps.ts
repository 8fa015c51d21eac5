import { activity, call, workflow } from "../../src/index.ts";

const step = activity("bench.step", async (index: number) => index);

/** So many calls, one after the other. */
export const steps = workflow("bench.steps", function* (many: number) {
  for (let index = 0; index < many; index += 1) yield* call(step, index);
});
