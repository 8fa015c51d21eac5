import { makeEffect, type Effect } from "./effect.ts";

/** Add to a counter of this execution. */
export interface CounterAddEffect extends Effect<void> {
  readonly kind: "counters.add";
  readonly name: string;
  readonly amount: number;
}
/** Read a counter of this execution. */
export interface CounterGetEffect extends Effect<number> {
  readonly kind: "counters.get";
  readonly name: string;
}
/** Set a value of this execution's own state. */
export interface StateSetEffect extends Effect<void> {
  readonly kind: "state.set";
  readonly name: string;
  readonly value: unknown;
}
/** Read a value of this execution's own state. */
export interface StateGetEffect<out T = unknown> extends Effect<T | undefined> {
  readonly kind: "state.get";
  readonly name: string;
}
/** Say how far the execution is. */
export interface ProgressEffect extends Effect<void> {
  readonly kind: "progress";
  readonly detail: string;
}

/** Counters of this execution, visible in `stateOf`; changed exactly once per step that changes them. A counter never set is 0. */
export const counters: {
  /** Adds `amount` (default 1; negative subtracts). @throws RangeError for no finite number. */
  add(name: string, amount?: number): Effect<void>;
  get(name: string): Effect<number>;
} = Object.freeze({
  add: (name: string, amount = 1) =>
    makeEffect<CounterAddEffect>({ kind: "counters.add", name: key(name), amount: finite(amount) }),
  get: (name: string) => makeEffect<CounterGetEffect>({ kind: "counters.get", name: key(name) }),
});

/** Values of this execution's own, visible in `stateOf` as `customState`. What was never set is undefined. */
export const state: {
  set(key: string, value: unknown): Effect<void>;
  get<T = unknown>(key: string): Effect<T | undefined>;
} = Object.freeze({
  set: (name: string, value: unknown) =>
    makeEffect<StateSetEffect>({ kind: "state.set", name: key(name), value }),
  get: <T>(name: string) => makeEffect<StateGetEffect<T>>({ kind: "state.get", name: key(name) }),
});

/** Says how far the execution is: an entry of `stateOf().progress`. */
export function progress(detail: string): Effect<void> {
  return makeEffect<ProgressEffect>({
    kind: "progress", // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- JavaScript may give a number
    detail: String(detail),
  });
}

function key(name: string): string {
  if (typeof name !== "string" || name === "")
    throw new TypeError("counters and state need a name: a non-empty string");
  return name;
}

function finite(amount: number): number {
  if (typeof amount !== "number" || !Number.isFinite(amount)) {
    throw new RangeError(`a counter can only be changed by a finite number, got ${String(amount)}`);
  }
  return amount;
}
