import type { Payload } from "../../core/payload.ts";

/** Who waits: the more urgent first, then who came first. */
interface Waiting {
  readonly holder: number;
  readonly priority: number;
  /** The place in the order in which work came to any gate; kept by who was called in vain. */
  readonly order: number;
}

/** What work has to pass, and who waits before it. Holders are tasks, or below zero executions. */
export abstract class Gate {
  readonly #line: Waiting[] = [];
  /** Those who may come now, and have not. */
  readonly #called = new Set<number>();

  /** How many more it has room for, as it stands. */
  protected abstract free(now: number): number;

  /** Whether there is room for one who comes. */
  isOpen(now: number): boolean {
    return this.free(now) > this.#called.size;
  }

  get isWaitedFor(): boolean {
    return this.#line.length > 0;
  }

  wait(waiting: Waiting): void {
    this.#line.splice(this.#placeOf(waiting), 0, waiting);
  }

  /** It is here, or wants nothing any more. */
  forget(waiting: Waiting): void {
    const place = this.#placeOf(waiting);
    if (this.#line[place]?.holder === waiting.holder) this.#line.splice(place, 1);
    this.#called.delete(waiting.holder);
  }

  /** The next who may come. */
  call(now: number): number | undefined {
    if (!this.isOpen(now)) return undefined;
    const next = this.#line.shift();
    if (next !== undefined) this.#called.add(next.holder);
    return next?.holder;
  }

  #placeOf(waiting: Waiting): number {
    let [low, high] = [0, this.#line.length];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const other = this.#line[middle];
      if (other !== undefined && isBefore(other, waiting)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.priority === b.priority ? a.order < b.order : a.priority > b.priority;
}

/** Places of a `maxConcurrent`. */
export class Places extends Gate {
  readonly holders = new Set<number>();
  /** As whoever came last says. */
  limit = 0;

  protected override free(): number {
    return this.limit - this.holders.size;
  }
}

/** What is a hair's breadth short of a token by rounding is one. */
const rounding = 1e-6;

/** Tokens of a `rateLimit`: full at first, filled evenly. */
export class Bucket extends Gate {
  readonly #size: number;
  readonly #perMs: number;
  #tokens: number;
  #at: number;

  constructor(size: number, perMs: number, now: number) {
    super();
    this.#size = size;
    this.#perMs = perMs;
    this.#tokens = size;
    this.#at = now;
  }

  protected override free(now: number): number {
    return Math.floor(this.#tokensAt(now) + rounding);
  }

  take(now: number): void {
    this.#tokens = Math.max(0, this.#tokensAt(now) - 1);
    this.#at = now;
  }

  /** How long it takes until there is one more than now. */
  msUntilNext(now: number): number {
    const tokens = this.#tokensAt(now);
    const missing = this.free(now) + 1 - tokens;
    return Math.ceil((missing * this.#perMs) / this.#size);
  }

  #tokensAt(now: number): number {
    return Math.min(this.#size, this.#tokens + ((now - this.#at) * this.#size) / this.#perMs);
  }
}

/** The one run of what is `idempotent` or `cached`, and its result. */
export class SharedResult extends Gate {
  runner: number | undefined;
  #stored: { readonly value: Payload; readonly until: number } | undefined;

  /** The result is for all, a run for one. */
  protected override free(now: number): number {
    if (this.storedAt(now) !== undefined) return Infinity;
    return this.runner === undefined ? 1 : 0;
  }

  storedAt(now: number): Payload | undefined {
    return this.#stored !== undefined && this.#stored.until > now ? this.#stored.value : undefined;
  }

  store(value: Payload, until: number): void {
    this.#stored = { value, until };
  }
}
