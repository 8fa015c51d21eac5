import { systemClock, type Clock } from "../runtime/clock.ts";

/** The system's clock with timers that keep no process alive: hints are no reason to go on. Only for delays below 2^31 ms. */
export const unreferencedClock: Clock = Object.freeze({
  now: () => systemClock.now(),

  schedule(afterMs: number, fn: () => void): () => void {
    const timer = setTimeout(fn, Math.ceil(afterMs)).unref();
    return () => clearTimeout(timer);
  },
});
