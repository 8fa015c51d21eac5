import { show } from "../option.ts";
import { makeEffect, type Branch, type Effect } from "./effect.ts";

/** A branch that was started with `fork`. */
export interface Task<A> {
  readonly id: string;
  readonly __result?: A;
}
/** Start a branch and go on. */
export interface ForkEffect<out A = unknown> extends Effect<Task<A>> {
  readonly kind: "fork";
  readonly branch: Branch<A>;
}
/** Wait for a forked branch. */
export interface JoinEffect<out A = unknown> extends Effect<A> {
  readonly kind: "join";
  readonly task: string;
}
/** Close a forked branch. */
export interface CancelEffect extends Effect<void> {
  readonly kind: "cancel";
  readonly task: string;
}

/** Start a branch and go on. It belongs to the body or branch that starts it: that one ends only after its forks have, and closes them when it fails or is closed. */
export function fork<A>(branch: Branch<A>): Effect<Task<A>> {
  return makeEffect<ForkEffect<A>>({ kind: "fork", branch });
}

/** Wait for a forked branch. @throws the branch's error; CancelledError if it was cancelled; TypeError for what is no task. */
export function join<A>(task: Task<A>): Effect<A> {
  return makeEffect<JoinEffect<A>>({ kind: "join", task: idOf("join", task) });
}

/** Close a forked branch and wait for its `finally` blocks. */
export function cancel(task: Task<unknown>): Effect<void> {
  return makeEffect<CancelEffect>({ kind: "cancel", task: idOf("cancel", task) });
}

function idOf(what: string, task: Task<unknown>): string {
  if (typeof task === "object" && task !== null && typeof task.id === "string") return task.id;
  throw new TypeError(
    `${what} takes a task, which yield* fork(…) gives, got ${show(task)}; is there a star missing at the fork?`,
  );
}
