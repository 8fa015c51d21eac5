import { setTimeout as pause } from "node:timers/promises";
import type { Duration } from "../core/duration.ts";
import { durationOption, knownOptions } from "../core/option.ts";
import { removeEnded, trimAll } from "../store/cleaning.ts";
import type { Connection } from "./connection.ts";

/** What is cleaned up. */
export interface CleanupOptions {
  /** How long ago an execution has to have ended. Default "7d". */
  olderThan?: Duration;
}

const defaultAge = "7d";

/** @throws TypeError or InvalidDurationError naming the option. */
export function resolveCleanupOptions(options: CleanupOptions = {}): {
  readonly olderThanMs: number;
} {
  knownOptions("cleanup", options, ["olderThan"]);
  return { olderThanMs: durationOption("olderThan", options.olderThan ?? defaultAge) };
}

/** Deletes executions that ended longer ago than that, with all that belongs to them, in short transactions. */
export async function cleanup(
  { store, committer }: Connection,
  { olderThanMs }: { readonly olderThanMs: number },
): Promise<{ executions: number }> {
  const cleaner = { store, committer, rest: (ms: number): Promise<void> => pause(ms) };
  // By the clock of another process it may have ended a moment from now.
  const before = olderThanMs === 0 ? Number.MAX_SAFE_INTEGER : (await store.now()) - olderThanMs;
  const executions = await removeEnded(cleaner, before);
  await trimAll(cleaner);
  return { executions };
}
