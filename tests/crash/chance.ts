import { randomInt } from "node:crypto";

/** Numbers by chance that a seed brings back: STENT_SEED=… repeats what a test did. */
export class Chance {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed;
  }

  static fromEnvironment(): Chance {
    return new Chance(Number(process.env["STENT_SEED"] ?? randomInt(1, 2 ** 31)));
  }

  /** For titles. */
  get told(): string {
    return `STENT_SEED=${this.seed}`;
  }

  /** From 1 to `most`. */
  upTo(most: number): number {
    return 1 + Math.floor(this.#next() * most);
  }

  /** Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}
