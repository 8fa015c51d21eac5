import type { Duration } from "../core/duration.ts";
import { durationOption, knownOptions } from "../core/option.ts";
import type { Connection } from "./connection.ts";

/** What is cleaned up. */
export interface CleanupOptions {
  /** How long ago an execution has to have ended. Default "7d". */
  olderThan?: Duration;
}

const defaultAge = "7d";
/** Trees of executions that are deleted in one transaction. */
const batchSize = 50;

/** @throws TypeError or InvalidDurationError naming the option. */
export function resolveCleanupOptions(options: CleanupOptions = {}): {
  readonly olderThanMs: number;
} {
  knownOptions("cleanup", options, ["olderThan"]);
  return { olderThanMs: durationOption("olderThan", options.olderThan ?? defaultAge) };
}

/** Deletes executions that ended longer ago than that, with all that belongs to them, in bounded batches. */
export async function cleanup(
  { store, committer }: Connection,
  { olderThanMs }: { readonly olderThanMs: number },
): Promise<{ executions: number }> {
  const before = (await store.now()) - olderThanMs;
  let executions = 0;
  for (let after = 0; ;) {
    const keys = await store.finishedBefore(before, after, batchSize);
    const last = keys.at(-1);
    if (last === undefined) return { executions };
    const { removed } = await committer.submit("remove", { keys, limit: batchSize });
    executions += removed.length;
    after = last;
  }
}
