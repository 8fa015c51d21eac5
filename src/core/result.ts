/** Outcome of an execution as a value. */

/** What can be done with a Result besides looking at `ok`. */
export interface ResultMethods<T, E> {
  /** @returns the value. @throws the error itself, or Error(String(error)) if it is no Error. */
  unwrap(): T;
  /** @returns the value, or `fallback` if there is none. */
  unwrapOr<D>(fallback: D): T | D;
  /** @returns a Result of what `fn` makes of the value; an error stays as it is. */
  map<U>(fn: (value: T) => U): Result<U, E>;
  /** @returns the Result that `fn` makes of the value; an error stays as it is. */
  flatMap<U, F>(fn: (value: T) => Result<U, F>): Result<U, E | F>;
}

/** Outcome of an execution as a value instead of an exception; `ok` tells which, for the compiler too. `x instanceof Result` holds. */
export type Result<T, E = Error> = ResultMethods<T, E> &
  (
    | { readonly ok: true; readonly value: T; readonly error: undefined }
    | { readonly ok: false; readonly value: undefined; readonly error: E }
  );

/** Makes Results and recognises them, those of another copy of this package too. */
export const Result: {
  Ok<T>(value: T): Result<T, never>;
  Error<E>(error: E): Result<never, E>;
  [Symbol.hasInstance](value: unknown): value is Result<unknown, unknown>;
} = {
  Ok<T>(value: T): Result<T, never> {
    return new ResultValue(true, value, undefined) as unknown as Result<T, never>;
  },
  Error<E>(error: E): Result<never, E> {
    return new ResultValue(false, undefined, error) as unknown as Result<never, E>;
  },
  [Symbol.hasInstance](value: unknown): value is Result<unknown, unknown> {
    return typeof value === "object" && value !== null && Symbol.for(brand) in value;
  },
};

/** On the prototype of every Result, whichever copy of the package made it. */
const brand = "stentjs.result";

class ResultValue {
  readonly ok: boolean;
  readonly value: unknown;
  readonly error: unknown;

  constructor(ok: boolean, value: unknown, error: unknown) {
    this.ok = ok;
    this.value = value;
    this.error = error;
  }

  get [Symbol.for(brand)](): true {
    return true;
  }

  unwrap(): unknown {
    if (this.ok) return this.value;
    throw this.error instanceof Error ? this.error : new Error(String(this.error));
  }

  unwrapOr(fallback: unknown): unknown {
    return this.ok ? this.value : fallback;
  }

  map(fn: (value: unknown) => unknown): unknown {
    return this.ok ? new ResultValue(true, fn(this.value), undefined) : this;
  }

  flatMap(fn: (value: unknown) => unknown): unknown {
    return this.ok ? fn(this.value) : this;
  }
}
Object.defineProperty(ResultValue, "name", { value: "Result" });
