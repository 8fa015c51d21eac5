import { TurnoverMap } from "../core/turnover-map.ts";

/** Things by key, the least recently put in first to go. */
export class RecentlyUsed<K, V> {
  readonly #items = new TurnoverMap<K, V>();
  readonly #limit: number;
  readonly #dropped: (value: V) => void;

  constructor(limit: number, dropped: (value: V) => void) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  put(key: K, value: V): void {
    this.#items.take(key);
    this.#items.set(key, value);
    while (this.#items.size > this.#limit) {
      const oldest = this.#items.keys().next();
      const dropped = oldest.done === true ? undefined : this.#items.take(oldest.value);
      if (dropped === undefined) return;
      this.#dropped(dropped);
    }
  }

  has(key: K): boolean {
    return this.#items.has(key);
  }

  /** Takes it out. */
  take(key: K): V | undefined {
    return this.#items.take(key);
  }
}
