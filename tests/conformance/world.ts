import type { Transition } from "../../src/store/store.ts";
import type { Paired, PairedRows } from "./paired-rows.ts";

export type Keys = readonly [number, number];
export type PairedTransition = readonly [Transition, Transition];
/** An execution as it was when a session took it. */
export type Holding = Paired<"stent_executions">;
/** A task as it was when a session took it. */
export type TaskHolding = Paired<"stent_tasks">;

/** What operations may refer to. */
export interface World {
  readonly rows: PairedRows;
  readonly now: number;
  /** What was ever held: what is held still first. */
  readonly held: readonly Holding[];
  readonly tasks: readonly TaskHolding[];
  /** The sessions by their places. */
  readonly sessions: readonly Keys[];
  /** Another number at each call: for ids that nobody has. */
  readonly fresh: () => number;
}
