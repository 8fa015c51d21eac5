import type { AnyDurable, Durable } from "../durable.ts";
import { knownOptions } from "../option.ts";
import { overridesOf, type Overrides } from "../overrides.ts";
import { assertDurable, validated } from "./call.ts";
import { makeEffect, type Effect } from "./effect.ts";

/** How a `map` treats its items. */
export interface MapOptions {
  /** At most this many items in flight; default: no bound of the workflow's own. */
  concurrency?: number;
  /** "fail" (default): first failure cancels the rest and throws. "settle": one PromiseSettledResult an item. */
  onError?: "fail" | "settle";
  /** Fail only once more than this many items (or this share of them) have failed; short of that the result is one PromiseSettledResult an item. */
  tolerate?: number | `${number}%`;
}

/** The options under which a `map` answers with settled results. */
export type Settling = { onError: "settle" } | { tolerate: number | `${number}%` };

/** One durable call an item. `items` are argument tuples, for `map` and `starmap` alike. */
export interface MapEffect<out A = unknown> extends Effect<A> {
  readonly kind: "map";
  readonly name: string;
  readonly items: readonly (readonly unknown[])[];
  readonly concurrency?: number;
  readonly onError?: "settle";
  /** How many items may fail: a share has been turned into a number. */
  readonly tolerate?: number;
  readonly options?: Overrides;
  /** The function itself; not enumerable. */
  readonly fn: AnyDurable;
}

/** One durable call an item, in item order; inserted and completed in bulk. 100,000 items is an ordinary size. @throws TypeError, RangeError, ValidationError */
export function map<I, R>(
  fn: Durable<[I], R>,
  items: Iterable<I>,
  options: MapOptions & Settling,
): Effect<PromiseSettledResult<R>[]>;
export function map<I, R>(
  fn: Durable<[I], R>,
  items: Iterable<I>,
  options?: MapOptions,
): Effect<R[]>;
export function map(
  fn: AnyDurable,
  items: Iterable<unknown>,
  options: MapOptions = nothingSaid,
): Effect<unknown> {
  return fanOut(
    "map",
    fn,
    Array.from(items, (item) => [item]),
    options,
  );
}

/** As `map`, with one argument tuple an item. */
export function starmap<A extends readonly unknown[], R>(
  fn: Durable<A, R>,
  items: Iterable<NoInfer<A>>,
  options: MapOptions & Settling,
): Effect<PromiseSettledResult<R>[]>;
export function starmap<A extends readonly unknown[], R>(
  fn: Durable<A, R>,
  items: Iterable<NoInfer<A>>,
  options?: MapOptions,
): Effect<R[]>;
export function starmap(
  fn: AnyDurable,
  items: Iterable<readonly unknown[]>,
  options: MapOptions = nothingSaid,
): Effect<unknown> {
  return fanOut(
    "starmap",
    fn,
    Array.from(items, (tuple) => [...tuple]),
    options,
  );
}

const nothingSaid: MapOptions = Object.freeze({});
const known = ["concurrency", "onError", "tolerate"];

function fanOut(
  what: string,
  fn: AnyDurable,
  tuples: unknown[][],
  options: MapOptions,
): Effect<unknown> {
  assertDurable(what, fn);
  if (options !== nothingSaid) knownOptions(what, options, known);
  const { concurrency, onError, tolerate } = options;
  if (concurrency !== undefined && !(Number.isSafeInteger(concurrency) && concurrency > 0)) {
    throw new RangeError(
      `concurrency of ${what} must be a whole number from 1, got ${String(concurrency)}`,
    );
  }
  if (onError !== undefined && onError !== "fail" && onError !== "settle") {
    throw new TypeError(`onError of ${what} must be "fail" or "settle", got ${String(onError)}`);
  }
  const overrides = overridesOf(fn);
  return makeEffect<MapEffect>(
    {
      kind: "map",
      name: fn.functionName,
      items: Object.freeze(tuples.map((tuple) => Object.freeze(validated(fn, tuple)))),
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(onError === "settle" ? { onError } : {}),
      ...(tolerate === undefined
        ? {}
        : { tolerate: toleratedCount(what, tolerate, tuples.length) }),
      ...(overrides === undefined ? {} : { options: overrides }),
    } as Omit<MapEffect, typeof Symbol.iterator>,
    { fn },
  );
}

function toleratedCount(what: string, tolerate: number | `${number}%`, total: number): number {
  const share =
    typeof tolerate === "string" && tolerate.endsWith("%")
      ? Number(tolerate.slice(0, -1))
      : undefined;
  const count = share === undefined ? tolerate : Math.floor((total * share) / 100);
  if (typeof count !== "number" || !(count >= 0) || (share !== undefined && share > 100)) {
    throw new RangeError(
      `tolerate of ${what} must be a number from 0 or a share such as "5%", got ${String(tolerate)}`,
    );
  }
  return Math.floor(count);
}
