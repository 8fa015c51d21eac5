import type { Line } from "../crash/external-log.ts";

/** A process that was killed. */
export interface Kill {
  readonly pid: number;
  readonly at: number;
}

/** How long the work of killed processes stood still. */
export interface Recovery {
  /** In milliseconds, the shortest first: one for each execution that a killed process was running an attempt of. */
  readonly times: readonly number[];
  /** Of which nothing was heard any more: whoever waited for such an attempt did not wait any longer. */
  readonly unheard: number;
}

/** From each kill to the first that another process has told of an execution whose attempt ran in the killed one. */
export function recoveryOf(lines: readonly Line[], kills: readonly Kill[]): Recovery {
  const times: number[] = [];
  let unheard = 0;
  for (const kill of kills) {
    for (const execution of runningIn(lines, kill.pid)) {
      const next = lines.find(
        (line) => line.pid !== kill.pid && line.at >= kill.at && executionOf(line) === execution,
      );
      if (next === undefined) unheard += 1;
      else times.push(next.at - kill.at);
    }
  }
  return { times: times.toSorted((a, b) => a - b), unheard };
}

/** Executions with an attempt that has begun there, and of which nothing is known to be stored. */
function runningIn(lines: readonly Line[], pid: number): ReadonlySet<string> {
  const open = new Map<string, string>();
  for (const line of lines) {
    if (line.pid !== pid) continue;
    if (line.what === "start") open.set(line.key, line.execution);
    if (line.what === "completed" || line.what === "retried" || line.what === "gave-up")
      open.delete(line.key);
  }
  return new Set(open.values());
}

/** Which execution made progress; undefined for what is none. */
function executionOf(line: Line): string | undefined {
  switch (line.what) {
    case "start":
      return line.execution;
    case "completed":
    case "retried":
    case "gave-up":
      return line.key.split("/")[0];
    case "result":
      return line.id;
    default:
      return undefined;
  }
}

/** The smallest that is not below that share of all. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
