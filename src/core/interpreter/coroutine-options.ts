import type { AnyEffect } from "../effects/any-effect.ts";
import type { Effect } from "../effects/effect.ts";
import type { Entry } from "../journal.ts";
import type { Middleware } from "../middleware.ts";

/** What the execution has beside its journal. */
export interface CoroutineOptions {
  /** Around every effect, the first outermost: all of them for a run that begins, those that it began with for one that is resumed. */
  readonly middleware?: readonly Middleware[];
  /** Counters and state as they are now. */
  readonly counters?: ReadonlyMap<string, number>;
  readonly state?: ReadonlyMap<string, unknown>;
  /** On replay: also compare what an effect carries with what was recorded. Asked only of entries that have an input. @returns false for a difference. */
  readonly sameInput?: (recorded: Entry, effect: Effect<unknown>) => boolean;
  /**
   * Answers that are known beforehand, of effects that are answered at their yield: what a history that has no journal behind it says of
   * `now`, `random`, `uuid`, counters, state and `patched`. Undefined: it is answered as ever.
   */
  readonly answer?: (effect: AnyEffect, path: string) => { readonly value: unknown } | undefined;
  /** Told of every effect as it is yielded, in replay too, with its path; of one that takes no number, with that of the next. */
  readonly yielded?: (effect: AnyEffect, path: string) => void;
}
