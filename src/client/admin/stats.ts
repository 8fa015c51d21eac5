import { knownOptions, show } from "../../core/option.ts";
import type { ExecutionStatus } from "../../core/status.ts";
import type { Connection } from "../connection.ts";

/** Over what time rates are told. */
export interface StatsOptions {
  /** Default: an hour ago. */
  since?: Date;
}

/** How many executions there are, and how many end. */
export interface Stats {
  readonly byState: Readonly<Record<ExecutionStatus, number>>;
  readonly completedPerMinute: number;
  /** Timed-out ones among them. */
  readonly failedPerMinute: number;
  readonly deadLetters: number;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** Counts over everything. @throws TypeError for a wrong option */
export async function stats({ store }: Connection, options: StatsOptions = {}): Promise<Stats> {
  knownOptions("stats", options, ["since"]);
  const now = await store.now();
  const since = timeOf(options.since) ?? now - hourMs;
  const counts = await store.survey.counts(since);
  const minutes = (now - since) / minuteMs;
  const perMinute = (count: number): number => (minutes <= 0 ? 0 : count / minutes);
  return {
    byState: counts.byState,
    completedPerMinute: perMinute(counts.completedSince),
    failedPerMinute: perMinute(counts.failedSince),
    deadLetters: counts.deadLetters,
  };
}

function timeOf(since: Date | undefined): number | undefined {
  if (since === undefined) return undefined;
  const ms = since instanceof Date ? since.getTime() : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new TypeError(`since must be a valid Date, got ${show(since)}`);
}
