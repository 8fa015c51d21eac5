import { activity, call, workflow } from "../../src/index.ts";

/** When a process did what, in milliseconds since 1970 with fractions. */
export interface Stopped {
  readonly startedAt: number;
  readonly readyAt: number;
  readonly firstStepAt: number;
}

/** What the next step does: each process decides for itself. */
export const nextStep = { run: async (_index: number): Promise<void> => undefined };

const step = activity("bench.endless-step", (index: number) => nextStep.run(index));

/** Steps without end. */
export const endless = workflow("bench.endless", function* () {
  for (let index = 0; ; index += 1) yield* call(step, index);
});
