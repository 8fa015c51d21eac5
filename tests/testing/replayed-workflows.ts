/** Workflows for tests that run them in one process and replay them in another. */
import { activity, call, workflow, type Flow } from "stentjs";

const keep = activity("command keep", async (at: Date): Promise<Date> => at);

const child = workflow("command child", function* (at: Date): Flow<Date> {
  return yield* call(keep, new Date(at.getTime() + 1));
});

export const parent = workflow("command parent", function* (at: Date): Flow<Date> {
  return yield* call(child, at);
});
