/** Things by key, the least recently put in first to go. */
export class RecentlyUsed<K, V> {
  readonly #items = new Map<K, V>();
  readonly #limit: number;
  readonly #dropped: (value: V) => void;

  constructor(limit: number, dropped: (value: V) => void) {
    this.#limit = limit;
    this.#dropped = dropped;
  }

  put(key: K, value: V): void {
    this.#items.delete(key);
    this.#items.set(key, value);
    while (this.#items.size > this.#limit) {
      const oldest = this.#items.entries().next();
      if (oldest.done === true) return;
      this.#items.delete(oldest.value[0]);
      this.#dropped(oldest.value[1]);
    }
  }

  /** Takes it out. */
  take(key: K): V | undefined {
    const value = this.#items.get(key);
    this.#items.delete(key);
    return value;
  }
}
