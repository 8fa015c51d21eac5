import type { Clock } from "../../src/runtime/clock.ts";

interface Timer {
  readonly dueAt: number;
  readonly fn: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now: number;
  #timers: readonly Timer[] = [];

  constructor(startAt = Date.UTC(2030, 0, 1)) {
    this.#now = startAt;
  }

  now(): number {
    return this.#now;
  }

  schedule(afterMs: number, fn: () => void): () => void {
    const timer = { dueAt: this.#now + Math.max(0, afterMs), fn };
    this.#timers = [...this.#timers, timer].toSorted((a, b) => a.dueAt - b.dueAt);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** When the next timer is due, in milliseconds since 1970. */
  get nextAt(): number | undefined {
    return this.#timers[0]?.dueAt;
  }

  /** Goes on by `ms`, and calls what comes due on the way, each at its time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (
      let next = this.#timers[0];
      next !== undefined && next.dueAt <= until;
      next = this.#timers[0]
    ) {
      this.#timers = this.#timers.slice(1);
      this.#now = Math.max(this.#now, next.dueAt);
      next.fn();
    }
    this.#now = until;
  }

  /** The same, and lets everything that follows from each timer happen before the next one. */
  async advanceAsync(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    for (let next = this.nextAt; next !== undefined && next <= until; next = this.nextAt) {
      this.advance(Math.max(0, next - this.#now));
      await settled();
    }
    this.advance(until - this.#now);
  }
}

/** Resolves when the promises that can settle by themselves have settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
