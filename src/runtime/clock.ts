/** Time as a port, so that tests own it. */

/** Where the time comes from, and who calls back later. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** @returns a function that takes it back. */
  schedule(afterMs: number, fn: () => void): () => void;
}

/** `setTimeout` past this fires at once. */
const maxTimeoutMs = 2 ** 31 - 1;

/**
 * The system's clock. Its timers reach any distance, never fire early, and keep the process alive: whoever schedules one takes it back
 * when it closes.
 */
export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),

  schedule(afterMs: number, fn: () => void): () => void {
    const dueAt = monotonicMs() + afterMs;
    let timer = setTimeout(check, timeoutMs(afterMs));
    return () => clearTimeout(timer);

    function check(): void {
      // Longer than one timeout, or fired up to a millisecond early, which Node does.
      const leftMs = dueAt - monotonicMs();
      if (leftMs > 0) timer = setTimeout(check, timeoutMs(leftMs));
      else fn();
    }
  },
});

/** Milliseconds since some moment in the past, with fractions; never set back, so differences hold while the system's time jumps. */
export function monotonicMs(): number {
  return performance.now();
}

/** Resolves after `ms`, or as soon as `signal` fires. It never throws: look at the signal. */
export function delay(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const unschedule = clock.schedule(ms, end);
    signal.addEventListener("abort", end);

    function end(): void {
      unschedule();
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}

/** Node cuts fractions off, which would be early. */
function timeoutMs(ms: number): number {
  return Math.min(Math.ceil(ms), maxTimeoutMs);
}
