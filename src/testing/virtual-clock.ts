import { Timers, type Timer } from "../core/interpreter/timers.ts";
import type { Clock } from "../runtime/clock.ts";

/** Where no start is said: far from every real date, and always the same, so that what is compared is the same on every day. */
const defaultStart = Date.UTC(2000, 0, 1);

class Callback implements Timer {
  readonly dueAt: number;
  readonly order: number;
  readonly fn: () => void;
  isWanted = true;

  constructor(dueAt: number, order: number, fn: () => void) {
    this.dueAt = dueAt;
    this.order = order;
    this.fn = fn;
  }
}

/** A clock that stands still until it is told to go on. */
export class VirtualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #timers = new Timers<Callback>();

  constructor(startAt: Date | number = defaultStart) {
    this.#now = Number(startAt);
  }

  now(): number {
    return this.#now;
  }

  schedule(afterMs: number, fn: () => void): () => void {
    const timer = new Callback(this.#now + Math.max(0, afterMs), this.#order++, fn);
    this.#timers.add(timer);
    return () => {
      timer.isWanted = false;
      this.#timers.noteUnwanted(isWanted);
    };
  }

  /** When the next timer is due, in milliseconds since 1970. */
  get nextAt(): number | undefined {
    return this.#timers.peek(isWanted)?.dueAt;
  }

  /** Goes on to this moment, and calls what comes due on the way, each at its time. It never goes back. */
  advanceTo(moment: number): void {
    for (
      let timer = this.#timers.takeDue(moment, isWanted);
      timer !== undefined;
      timer = this.#timers.takeDue(moment, isWanted)
    ) {
      timer.isWanted = false;
      this.#now = Math.max(this.#now, timer.dueAt);
      timer.fn();
    }
    this.#now = Math.max(this.#now, moment);
  }

  /** As a machine that was asleep until then: what was due meanwhile is called once it is this moment. */
  jumpTo(moment: number): void {
    const due: Callback[] = [];
    for (
      let timer = this.#timers.takeDue(moment, isWanted);
      timer !== undefined;
      timer = this.#timers.takeDue(moment, isWanted)
    )
      due.push(timer);
    this.#now = Math.max(this.#now, moment);
    for (const timer of due) {
      if (timer.isWanted) timer.fn();
      timer.isWanted = false;
    }
  }
}

function isWanted(timer: Callback): boolean {
  return timer.isWanted;
}
