import type { CancelledError, ExpiryError } from "../errors.ts";
import type { Duration } from "../duration.ts";
import { durationOption } from "../option.ts";
import { makeEffect, type Branch, type Effect } from "./effect.ts";

/** Why the branch is being closed. */
export interface CancelledEffect extends Effect<CancelledError | ExpiryError | undefined> {
  readonly kind: "cancelled";
}
/** A deadline for a branch. */
export interface WithinEffect<out A = unknown> extends Effect<A> {
  readonly kind: "within";
  /** Milliseconds. */
  readonly duration: number;
  readonly branch: Branch<A>;
}
/** A branch that cancellation does not interrupt. */
export interface ShieldEffect<out A = unknown> extends Effect<A> {
  readonly kind: "shield";
  readonly branch: Branch<A>;
}
/** How to undo what has just succeeded. */
export interface CompensateEffect extends Effect<void> {
  readonly kind: "compensate";
  readonly undo: Branch<unknown> | (() => Branch<unknown>);
}

const cancelledEffect = makeEffect<CancelledEffect>({ kind: "cancelled" });

/** In a `finally` block: why the branch is being closed (CancelledError, ExpiryError); undefined if it is not. */
export function cancelled(): Effect<CancelledError | ExpiryError | undefined> {
  return cancelledEffect;
}

/** Deadline for everything below it. @throws ExpiryError (code WAIT_EXPIRED) after closing the branch. What ran then has an unknown outcome: register its undo first. */
export function within<A>(duration: Duration, branch: Branch<A>): Effect<A> {
  return makeEffect<WithinEffect<A>>({
    kind: "within",
    duration: durationOption("within", duration),
    branch,
  });
}

/** Not interrupted by cancellation; its value is still delivered, and cancellation comes at the next effect that does or awaits anything. */
export function shield<A>(branch: Branch<A>): Effect<A> {
  return makeEffect<ShieldEffect<A>>({ kind: "shield", branch });
}

/** Register how to undo what has just succeeded; if the workflow fails, is cancelled or times out, the undo steps run, newest first over all branches, journaled and shielded. */
export function compensate(undo: Branch<unknown> | (() => Branch<unknown>)): Effect<void> {
  return makeEffect<CompensateEffect>({ kind: "compensate", undo });
}
