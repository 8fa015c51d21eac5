/**
 * Time, timers and chance of this whole Node process, lent to a simulation: what the product asks of them is answered by its world.
 *
 *   B1  From the beginning of a simulation to its end, and one at a time: nothing else runs in this process meanwhile.
 *   B2  A callback runs in the async context in which it was handed in, as with Node's own.
 */
import { AsyncResource } from "node:async_hooks";

/** What stands in for Node. */
export interface LentTime {
  wallNow(): number;
  monotonicNow(): number;
  random(): number;
  /** @returns what takes it back */
  immediate(fn: () => void): () => void;
  timer(afterMs: number, fn: () => void): () => void;
}

/** Node's own, for those who drive a simulation. */
const ownImmediate = globalThis.setImmediate;
export const ownNow = performance.now.bind(performance);

const own = {
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  dateNow: Date.now,
  random: Math.random,
};

/** A handle as Node gives one, as far as the product uses it. */
class Handle {
  takeBack: () => void = nothing;
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

type Callback = (...args: unknown[]) => void;

/** @returns what gives it back */
export function lend(time: LentTime): () => void {
  const once =
    (schedule: (fn: () => void) => () => void) =>
    (fn: Callback, args: unknown[]): Handle => {
      const handle = new Handle();
      handle.takeBack = schedule(AsyncResource.bind(() => fn(...args)));
      return handle;
    };
  const immediate = once((fn) => time.immediate(fn));
  const replaced = {
    setImmediate: (fn: Callback, ...args: unknown[]) => immediate(fn, args),
    setTimeout: (fn: Callback, ms = 0, ...args: unknown[]) =>
      once((bound) => time.timer(Math.max(1, ms), bound))(fn, args),
    setInterval: (fn: Callback, ms: number, ...args: unknown[]) => {
      const handle = new Handle();
      const bound = AsyncResource.bind(() => fn(...args));
      const again = (): void => {
        handle.takeBack = time.timer(Math.max(1, ms), () => {
          again();
          bound();
        });
      };
      again();
      return handle;
    },
    clearImmediate: takeBackOr(own.clearImmediate),
    clearTimeout: takeBackOr(own.clearTimeout),
    clearInterval: takeBackOr(own.clearInterval),
  };
  Object.assign(globalThis, replaced);
  performance.now = () => time.monotonicNow();
  Date.now = () => time.wallNow();
  Math.random = () => time.random();
  return giveBack;
}

function takeBackOr(clear: (handle: never) => void): (handle: unknown) => void {
  return (handle) => {
    if (handle instanceof Handle) handle.takeBack();
    else clear(handle as never);
  };
}

function giveBack(): void {
  const { dateNow, random, ...timers } = own;
  Object.assign(globalThis, timers);
  performance.now = ownNow;
  Date.now = dateNow;
  Math.random = random;
}

/** Until no promise is left that could go on by itself: Node runs an immediate only then. */
export function untilQuiet(): Promise<void> {
  return new Promise((resolve) => {
    ownImmediate(resolve);
  });
}

function nothing(): void {
  // it has not been scheduled yet
}
