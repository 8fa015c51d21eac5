import { pauseMs, type PausePolicy } from "./pause.ts";

/** When a breaker opens, and how long nothing is tried. */
export interface BreakerPolicy {
  /** So many failures in a row open it. */
  readonly failures: number;
  /** The pause after a failure that does not open it. */
  readonly retryMs: number;
  /** The pauses while it is open: one attempt between two of them. */
  readonly open: PausePolicy;
}

/** Counts failures in a row, and says how long nothing is to be tried after each. */
export class CircuitBreaker {
  readonly #policy: BreakerPolicy;
  readonly #random: () => number;
  #failures = 0;

  /** `random` gives numbers from 0 to 1. */
  constructor(policy: BreakerPolicy, random: () => number) {
    this.#policy = policy;
    this.#random = random;
  }

  get isOpen(): boolean {
    return this.#failures >= this.#policy.failures;
  }

  /** One success closes it. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** @returns the pause in milliseconds. */
  failed(): number {
    this.#failures += 1;
    const { failures, retryMs, open } = this.#policy;
    if (!this.isOpen) return retryMs;
    return pauseMs(open, this.#failures - failures, this.#random());
  }
}
