/** A mistake that somebody might make in the code that is shipped, and who has to notice it. */
export interface PlantedBug {
  readonly name: string;
  /** What it comes to for a user. */
  readonly harm: string;
  readonly changes: readonly Change[];
  /** Each of them has to fail. */
  readonly caughtBy: readonly Catcher[];
}

/** A text that stands in a file once, and what is put there instead. */
export interface Change {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** Runs of the simulation from the first seed on, or one test of a file. */
export type Catcher =
  | { readonly seeds: number; readonly first?: number }
  | { readonly file: string; readonly test: string };

/** As a reader would call it. */
export function nameOf(catcher: Catcher): string {
  if ("seeds" in catcher) return "simulation";
  return catcher.file.replace(/^tests\//, "").replace(/\.test\.ts$/, "");
}
