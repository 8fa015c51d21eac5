import type { ScratchFiles } from "./scratch-files.ts";

/** How a workload is to be run; what is undefined is for the workload to decide. */
export interface Setting {
  readonly files: ScratchFiles;
  readonly n: number | undefined;
  readonly rounds: number | undefined;
  /** Finished executions that are in the file before it begins. */
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
  run(setting: Setting): AsyncIterable<Figures>;
}
