import type { AnyEffect } from "../effects/any-effect.ts";
import type { CancelledError, ExpiryError } from "../errors.ts";
import type { Entry, EntryKind, Outcome, RecordKind } from "../journal.ts";

/** What the interpreter is given of the world, so that it owns neither time nor chance. */
export interface Facts {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 to 1. */
  random(): number;
  uuid(): string;
  /**
   * Turns what an effect carries (arguments, items, a payload, a state value) into what the journal keeps of it. What it throws is thrown
   * at the yield.
   */
  encode?(value: unknown, entry: { readonly kind: EntryKind; readonly path: string }): unknown;
  /** Gives back what `encode` was given, as replay will see it. */
  decode?(encoded: unknown, entry: { readonly kind: EntryKind; readonly path: string }): unknown;
}

/** What an activity left in the execution's counters, state and progress; it takes effect with its outcome. */
export interface Records {
  readonly counters?: Readonly<Record<string, number>>;
  readonly state?: Readonly<Record<string, unknown>>;
  readonly progress?: readonly string[];
}

/** Something that has arrived for the workflow. */
export type Delivery =
  | {
      readonly kind: "outcome";
      readonly path: string;
      readonly outcome: Outcome;
      readonly records?: Records | undefined;
      /** It ended by its deadline: what works on it has to be stopped. */
      readonly expired?: boolean;
      /** Whatever the host wants to find again at the entry. */
      readonly tag?: unknown;
    }
  /** Close the whole execution. `awaited`: paths of attempts and children that have begun, whose value would still count. */
  | {
      readonly kind: "cancel";
      readonly reason: CancelledError | ExpiryError;
      readonly awaited: readonly string[];
    }
  /** Stop waiting for the awaited ones. */
  | { readonly kind: "grace" };

/** An entry as a turn leaves it, with what the host needs to act on it. */
export interface TurnEntry extends Entry {
  readonly effect?: AnyEffect;
  readonly tag?: unknown;
}

/** A change of counters, state or progress that a turn has made. */
export interface Change extends Entry {
  readonly kind: RecordKind;
  readonly name?: string;
  /** The amount added, the value set, the detail told. */
  readonly change: unknown;
  /** What it replaced. */
  readonly input: unknown;
  /** Only of a value that could not be stored: the error that the workflow saw, which a replay has to show it again. Nothing is changed by it. */
  readonly outcome?: Outcome;
}

/** An undo step that has failed for good. */
export interface UndoFailure {
  /** Of the step: undo.<n>. */
  readonly path: string;
  readonly error: unknown;
  /** The delivery number of the outcome by which it failed, 0 if it was none. */
  readonly failedBy: number;
}

/** How a run ended. */
export type Done =
  | { readonly kind: "completed"; readonly value: unknown }
  /** `failedBy`: the delivery number of the outcome that stopped it, 0 if it was none. */
  | { readonly kind: "failed"; readonly error: unknown; readonly failedBy: number }
  /** By continueAsNew. `input`: the next run's arguments, as the host's encoder gave them. */
  | { readonly kind: "continued"; readonly input: unknown }
  | {
      readonly kind: "closed";
      readonly reason: CancelledError | ExpiryError;
      readonly errors: readonly unknown[];
    };

/** What one `advance` did: everything that has to be stored together, and what to do after that. */
export interface Turn {
  /** Entries first reached in this turn, in that order; some have their outcome already. */
  readonly entries: readonly TurnEntry[];
  /** Of those, the ones that wait for the host. */
  readonly scheduled: readonly TurnEntry[];
  /** Entries of earlier turns that have been given their outcome. */
  readonly delivered: readonly TurnEntry[];
  readonly changes: readonly Change[];
  /** How many of `entries` were reached before each of `changes`. */
  readonly positions: readonly number[];
  /** Paths whose work is to be stopped. */
  readonly cancelled: readonly string[];
  /** Deliveries that nobody waits for any more. */
  readonly refused: readonly Delivery[];
  /** Errors that nobody can catch any more, for the log. */
  readonly unheard: readonly unknown[];
  readonly undoFailures: readonly UndoFailure[];
  /** What a completed run has returned, as `encode` gave it. */
  readonly encodedResult: unknown;
  readonly done: Done | undefined;
  /** When the next timer ends, in milliseconds since 1970. */
  readonly wakeAt: number | undefined;
}
