import {
  describeEffect,
  isEffect,
  makeEffect,
  type Branch,
  type Effect,
  type Flow,
  type Out,
} from "./effect.ts";

type Branches = readonly Branch<unknown>[];

/** A branch as data: a generator function and its arguments. */
export interface BranchEffect<out A = unknown> extends Effect<A> {
  readonly kind: "branch";
  readonly fn: (...args: never) => Flow<A>;
  readonly args: readonly unknown[];
}
/** Branches that run at the same time, until all are done or one fails. `keys` where they were given by name. */
export interface AllEffect<out A = unknown> extends Effect<A> {
  readonly kind: "all";
  readonly branches: Branches;
  readonly keys?: readonly string[];
}
/** Branches that run at the same time, until all have settled. */
export interface AllSettledEffect<out A = unknown> extends Effect<A> {
  readonly kind: "allSettled";
  readonly branches: Branches;
}
/** Branches that run at the same time, until one has settled. */
export interface RaceEffect<out A = unknown> extends Effect<A> {
  readonly kind: "race";
  readonly branches: Branches;
  readonly keys: readonly string[];
}

/** A branch as data: `branch(fn, x)` is `fn(x)`, but compares by function and arguments, where two generators of one function cannot be told apart. */
export function branch<A extends readonly unknown[], R>(
  fn: (...args: A) => Flow<R>,
  ...args: A
): Effect<R> {
  if (typeof fn !== "function")
    throw new TypeError("branch takes a generator function and its arguments");
  return makeEffect<BranchEffect<R>>({ kind: "branch", fn, args: Object.freeze(args) });
}

/** Run branches at the same time and wait for all. The first failure closes the others and is thrown. */
// oxlint-disable-next-line typescript/no-explicit-any -- branches of any kind
export function all<const B extends readonly Branch<any>[]>(
  branches: B,
): Effect<{ -readonly [K in keyof B]: Out<B[K]> }>;
// oxlint-disable-next-line typescript/no-explicit-any -- branches of any kind
export function all<B extends Record<string, Branch<any>>>(
  branches: B,
): Effect<{ [K in keyof B]: Out<B[K]> }>;
export function all(
  branches: Branches | Readonly<Record<string, Branch<unknown>>>,
): Effect<unknown> {
  if (Array.isArray(branches))
    return makeEffect<AllEffect>({ kind: "all", branches: listed("all", branches) });
  if (!isNamed(branches)) {
    throw new TypeError(
      `all takes its branches as an array or an object: all([a, b]), all({ left: a, right: b }), got ${given(branches)}`,
    );
  }
  return makeEffect<AllEffect>({
    kind: "all",
    branches: listed("all", Object.values(branches)),
    keys: Object.freeze(Object.keys(branches)),
  });
}

/** Run branches at the same time and wait until each has settled. */
// oxlint-disable-next-line typescript/no-explicit-any -- branches of any kind
export function allSettled<const B extends readonly Branch<any>[]>(
  branches: B,
): Effect<{ -readonly [K in keyof B]: PromiseSettledResult<Out<B[K]>> }>;
export function allSettled(branches: Branches): Effect<unknown> {
  return makeEffect<AllSettledEffect>({
    kind: "allSettled",
    branches: listed("allSettled", branches),
  });
}

/** First branch to settle wins; the others are closed before it returns (attempts that run are told, not waited for); the decision is one journal entry. @throws TypeError for no branch at all. */
// oxlint-disable-next-line typescript/no-explicit-any -- branches of any kind
export function race<B extends Record<string, Branch<any>>>(
  branches: B,
): Effect<{ [K in keyof B]: { readonly winner: K; readonly value: Out<B[K]> } }[keyof B]>;
export function race(branches: Readonly<Record<string, Branch<unknown>>>): Effect<unknown> {
  const keys = isNamed(branches) ? Object.keys(branches) : [];
  if (keys.length === 0) {
    throw new TypeError(
      "race takes named branches, at least one: race({ paid: signal(…), late: sleep(…) }); a race of none would wait for ever",
    );
  }
  return makeEffect<RaceEffect>({
    kind: "race",
    branches: listed("race", Object.values(branches)),
    keys: Object.freeze(keys),
  });
}

/** An effect or a generator, given without brackets, is none; nor is a Set: its keys would be taken, of which it has none. */
function isNamed(branches: unknown): branches is Readonly<Record<string, Branch<unknown>>> {
  return typeof branches === "object" && branches !== null && !(Symbol.iterator in branches);
}

function given(branches: unknown): string {
  return isEffect(branches)
    ? `the effect ${describeEffect(branches)}`
    : Object.prototype.toString.call(branches);
}

function listed(what: string, branches: Branches): Branches {
  if (!Array.isArray(branches))
    throw new TypeError(`${what} takes its branches as an array, got ${given(branches)}`);
  return Object.freeze([...(branches as Branches)]);
}
