import type { Scratch } from "./scratch.ts";

/** How a workload is to be run; what is undefined is for the workload to decide. */
export interface Setting {
  readonly scratch: Scratch;
  readonly n: number | undefined;
  readonly rounds: number | undefined;
  /** Processes that serve; 0: the one that starts the work does. */
  readonly processes: number;
  /** What is in the database before it begins: finished executions, or what waits. */
  readonly preload: number | undefined;
  readonly scale: boolean;
  /** Activities at a time: the first is the one that counts, the others are shown beside it. */
  readonly concurrencies: readonly number[];
}

/** What a workload has measured. Rates are a second, times in milliseconds. */
export interface Figures {
  readonly n: number;
  /** What is counted: "workflows", "steps". */
  readonly unit: string;
  readonly concurrency: number;
  readonly rate?: number;
  readonly limit?: number;
  readonly p50?: number;
  readonly p99?: number;
  /** In words, what the figures above do not say. */
  readonly remarks?: readonly string[];
}

/** One workload: everything it measures, one after the other. */
export interface Workload {
  readonly summary: string;
  /** Default: every backend. */
  readonly only?: Scratch["backend"];
  run(setting: Setting): AsyncIterable<Figures>;
}
