interface Held<V> {
  value: V | undefined;
}

/**
 * A map of things that come and go by the thousand. A Map of V8 that is often put into and taken from is copied now and then; the copies
 * left behind lead to one another, and, once in old space, keep everything that was ever in them until the next full collection. Here
 * they keep an empty cell an entry: what is taken out is free at once.
 */
export class TurnoverMap<K, V> {
  readonly #cells = new Map<K, Held<V>>();

  get size(): number {
    return this.#cells.size;
  }

  get(key: K): V | undefined {
    return this.#cells.get(key)?.value;
  }

  has(key: K): boolean {
    return this.#cells.has(key);
  }

  set(key: K, value: V): void {
    const cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, { value });
    else cell.value = value;
  }

  /** @returns what was there. */
  take(key: K): V | undefined {
    const cell = this.#cells.get(key);
    if (cell === undefined) return undefined;
    this.#cells.delete(key);
    const { value } = cell;
    cell.value = undefined;
    return value;
  }

  clear(): void {
    for (const cell of this.#cells.values()) cell.value = undefined;
    this.#cells.clear();
  }

  /** In the order in which they were put in, as those of a map. */
  keys(): IterableIterator<K> {
    return this.#cells.keys();
  }

  *values(): Generator<V> {
    for (const { value } of this.#cells.values()) yield value as V;
  }

  *[Symbol.iterator](): Generator<[K, V]> {
    for (const [key, { value }] of this.#cells) yield [key, value as V];
  }
}
