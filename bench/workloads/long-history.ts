import { activity, all, call, run, signal, workflow, type Flow } from "../../src/index.ts";

/** Many steps of one workflow, side by side in so many branches. */
export const branches = 100;

/** What is told of each step, in the order in which they begin, and of the end of the last. */
export const hooks = { step: (): void => undefined, done: (): void => undefined };

const step = activity("bench.history-step", async (index: number) => {
  hooks.step();
  return index;
});

function* steps(many: number): Flow<void> {
  for (let index = 0; index < many; index += 1) yield* call(step, index);
}

/** So many steps, one after the other or in branches; then it waits. */
export const longHistory = workflow(
  "bench.history",
  function* (many: number, inBranches: boolean): Flow<void> {
    if (inBranches) yield* all(Array.from({ length: branches }, () => steps(many / branches)));
    else yield* steps(many);
    yield* run("done", () => hooks.done());
    yield* signal("go");
  },
);
