import { NoContextError } from "../errors.ts";

/**
 * A description of one durable step. Plain, frozen data; nothing happens until a workflow yields it.
 * `yield* effect` is typed, `yield effect` gives `unknown`. It deep-equals a literal of the same shape, prints clean, and is
 * recognised by shape, so that two copies of the package understand each other.
 */
export interface Effect<out A> {
  readonly kind: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what a generator is sent is `unknown` to the sender, typed by the star
  [Symbol.iterator](): Generator<Effect<unknown>, A, any>;
}

/** What a workflow body returns. What a bare `yield` gives is `unknown` on purpose: a forgotten star fails to compile at first use. */
export type Flow<A> = Generator<Effect<unknown>, A, unknown>;

/** An effect, or a branch: a generator of effects that runs concurrently with its siblings inside one workflow. */
export type Branch<A> = Effect<A> | Flow<A>;

/** The value of an effect or branch. */
export type Out<B> =
  B extends Effect<infer A> ? A : B extends Generator<unknown, infer A, never> ? A : never;

/** One real generator function for all effects, so that `throw` and `return` travel through `yield*`. */
function* iterate(this: Effect<unknown>): Generator<Effect<unknown>, unknown, unknown> {
  return yield this;
}

/** `await effect` is a slip that would silently give the effect back; this makes it an error that says what to do. */
function refuseAwait(
  this: Effect<unknown>,
  _resolve: unknown,
  reject?: (error: Error) => void,
): void {
  const error = new NoContextError(
    `${describeEffect(this)} is an effect: nothing happens until a workflow yields it. ` +
      `Write "yield* …" inside a workflow, or outside one use stent.run, stent.dispatch or call the function itself.`,
  );
  if (typeof reject !== "function") throw error;
  reject(error);
}

const iterator = Object.freeze({ value: iterate, enumerable: false });
const awaiting = Object.freeze({ value: refuseAwait, enumerable: false });

/** Makes an effect of its fields: frozen, iterable, deep-equal to a literal. `hidden` fields are there but not enumerable: closures, functions. */
export function makeEffect<E extends Effect<unknown>>(
  fields: Omit<E, typeof Symbol.iterator>,
  hidden?: Readonly<Record<string, unknown>>,
): E {
  Object.defineProperty(fields, Symbol.iterator, iterator);
  // oxlint-disable-next-line unicorn/no-thenable -- so that it can be refused
  Object.defineProperty(fields, "then", awaiting);
  if (hidden !== undefined) {
    for (const key of Object.keys(hidden)) {
      Object.defineProperty(fields, key, { value: hidden[key], enumerable: false });
    }
  }
  return Object.freeze(fields) as E;
}

/** True for effects, of this copy of the package or another. */
export function isEffect(value: unknown): value is Effect<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    typeof value.kind === "string" &&
    Object.getOwnPropertyDescriptor(value, Symbol.iterator)?.enumerable === false
  );
}

/** "call(reserve)", "sleep": an effect in a few words, for messages. */
export function describeEffect(effect: Effect<unknown>): string {
  return "name" in effect && typeof effect.name === "string"
    ? `${effect.kind}(${effect.name})`
    : effect.kind;
}
