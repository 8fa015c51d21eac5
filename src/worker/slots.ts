/** Places for activities that run at the same time. */
export class Slots {
  readonly limit: number;
  readonly #freed: () => void;
  #used = 0;

  /** `freed` is told when a place becomes free. */
  constructor(limit: number, freed: () => void) {
    this.limit = limit;
    this.#freed = freed;
  }

  get used(): number {
    return this.#used;
  }

  get free(): number {
    return this.limit - this.#used;
  }

  /** @returns false if there is none. */
  take(): boolean {
    if (this.#used >= this.limit) return false;
    this.#used += 1;
    return true;
  }

  /** Takes places for what has been claimed already; there may be none left for a moment. */
  occupy(places: number): void {
    this.#used += places;
  }

  release(): void {
    this.#used -= 1;
    this.#freed();
  }
}
