import type { RawLimit } from "./raw-limit.ts";

/** What stands in a database when everything has ended. */
export interface LeftBehind {
  readonly rows: number;
  readonly mb: number;
}

/** The databases of a run, called by the address that Stent takes: made for it, and removed with it. */
export interface Scratch extends AsyncDisposable {
  readonly backend: "sqlite" | "postgres";
  /** One that is empty. What was there before is gone. */
  fresh(): Promise<string>;
  /** Makes one that holds so many finished one-step workflows, to be copied. */
  preload(executions: number): Promise<void>;
  /** A copy of it. What was there before is gone. */
  preloaded(): Promise<string>;
  /** The bare driver on one of them. */
  openRaw(address: string): Promise<RawLimit>;
  leftBehind(address: string): Promise<LeftBehind>;
  /** The time that the database's own processes have had on a processor so far, in milliseconds; undefined if it has none, or they are out of sight. */
  cpuMs(): number | undefined;
}

/** Counts the rows that one execution may leave behind. */
export const countLeftBehind = `select
  (select count(*) from stent_executions) + (select count(*) from stent_journal)
  + (select count(*) from stent_counters) + (select count(*) from stent_left_runs) as rows`;
