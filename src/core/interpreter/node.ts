import type { CancelledError, ExpiryError } from "../errors.ts";

/** How a part of a workflow ended. "closed": it was closed before it had a value. */
export type Settlement =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: unknown }
  | {
      readonly kind: "closed";
      /** What its `finally` blocks threw. */ readonly errors?: readonly unknown[];
    };

/** Closed, and nothing threw. */
export const closed: Settlement = Object.freeze({ kind: "closed" });
/** It gives undefined. */
export const nothing: Settlement = Object.freeze({ kind: "value", value: undefined });

/** Why something is being closed. */
export interface Closing {
  readonly reason: CancelledError | ExpiryError;
  /**
   * Closing a whole execution waits for attempts that have begun: if one succeeds, its value is delivered. Undefined where nothing is
   * waited for: losers of a race, siblings of a failed branch.
   */
  readonly awaited: ReadonlySet<string> | undefined;
}

/**
 * A part of a running workflow: a generator, a composite of branches, or one effect that waits for the host. What ends later tells its
 * parent; what ends at once says so by its return value, so that a loop of effects that do not wait needs no stack.
 */
export interface Node {
  /** @returns how it settled, if it did so at once; else the parent is told later. */
  begin(): Settlement | undefined;
  /** Ends it as `return()` does. @returns how it settled, if it did so at once. Closing twice does nothing. */
  close(closing: Closing): Settlement | undefined;
}

/** A forked branch, as its owner sees it. */
export interface Forked {
  /** How it ended; undefined while it goes on. */
  readonly how: Settlement | undefined;
  /** Its failure has been given to somebody. */
  readonly told: boolean;
  close(closing: Closing): void;
}

/** The frame to which a fork belongs. */
export interface ForkOwner {
  forked(fork: Forked): void;
  /** It is not running any more. */
  forkEnded(fork: Forked): void;
  /** The same, once those who have joined it were told. */
  forkTold(): void;
}

/** What a node tells when it has settled. */
export interface Parent {
  /** To whom forks belong that are started in this part. */
  readonly owner: ForkOwner;
  /** Why this part is being closed, if it or something around it is. */
  readonly closing: Closing | undefined;
  /** Effects that are yielded in this part go past the middleware: a middleware's own. */
  readonly aside: boolean;
  settled(child: Node, how: Settlement): void;
}
