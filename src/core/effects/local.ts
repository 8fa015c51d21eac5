import { makeEffect, type Effect } from "./effect.ts";

/** Run a closure in this worker and journal its result. `fn` is not enumerable: closures never compare equal, names do. */
export interface RunEffect<out R = unknown> extends Effect<R> {
  readonly kind: "run";
  readonly name: string;
  readonly fn: () => R | Promise<R>;
}
/** A random number. */
export interface RandomEffect extends Effect<number> {
  readonly kind: "random";
}
/** A random UUID. */
export interface UuidEffect extends Effect<string> {
  readonly kind: "uuid";
}

/** Run a closure in this worker and journal its result: no queue, no task row, no retry. At least once: a crash before the commit runs it again. For quick, idempotent, local work. */
export function run<R>(name: string, fn: () => R | Promise<R>): Effect<R> {
  if (typeof name !== "string" || name === "" || typeof fn !== "function") {
    throw new TypeError('run takes a name and a closure: run("read config", () => …)');
  }
  return makeEffect<RunEffect<R>>(
    { kind: "run", name } as Omit<RunEffect<R>, typeof Symbol.iterator>,
    { fn },
  );
}

const randomEffect = makeEffect<RandomEffect>({ kind: "random" });
const uuidEffect = makeEffect<UuidEffect>({ kind: "uuid" });

/** A random number from 0 to 1, recorded once: replay sees the same. */
export function random(): Effect<number> {
  return randomEffect;
}

/** A random UUID (version 4), recorded once: replay sees the same. */
export function uuid(): Effect<string> {
  return uuidEffect;
}
