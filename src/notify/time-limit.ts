import type { Clock } from "../runtime/clock.ts";

/** What an attempt is given to settle. */
export interface TimeLimit {
  readonly clock: Clock;
  readonly limitMs: number;
  /** Begins the message of the error. */
  readonly what: string;
  /** Gives up at once, with its reason. */
  readonly signal?: AbortSignal;
}

/** Settles as `promise` does, or is rejected when its time is up; what becomes of `promise` later is nobody's concern. */
export function withinTime<T>(promise: Promise<T>, limit: TimeLimit): Promise<T> {
  const { clock, limitMs, what, signal } = limit;
  return new Promise<T>((resolve, reject) => {
    const unschedule = clock.schedule(limitMs, () => {
      settle();
      reject(new Error(`${what} took longer than ${limitMs} ms`));
    });
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted === true) giveUp();
    void promise.then(resolve, reject).finally(settle);

    function giveUp(): void {
      settle();
      reject(signal?.reason);
    }

    function settle(): void {
      unschedule();
      signal?.removeEventListener("abort", giveUp);
    }
  });
}
