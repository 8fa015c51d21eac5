/**
 * A map that keeps its one entry in itself, and becomes a real one with the second. Most workflows wait for one thing at a time, and an
 * engine holds thousands of them: of a one-step workflow, three such maps were a tenth of the garbage.
 */
export class SmallMap<K, V> {
  #key: K | undefined;
  #value: V | undefined;
  #single = false;
  #more: Map<K, V> | undefined;

  get size(): number {
    return this.#more?.size ?? (this.#single ? 1 : 0);
  }

  get(key: K): V | undefined {
    if (this.#more !== undefined) return this.#more.get(key);
    return this.#single && this.#key === key ? this.#value : undefined;
  }

  has(key: K): boolean {
    return this.#more?.has(key) ?? (this.#single && this.#key === key);
  }

  set(key: K, value: V): void {
    if (this.#more === undefined && this.#single && this.#key !== key)
      this.#more = new Map([[this.#key as K, this.#value as V]]);
    if (this.#more !== undefined) {
      this.#more.set(key, value);
      return;
    }
    this.#single = true;
    this.#key = key;
    this.#value = value;
  }

  delete(key: K): boolean {
    if (this.#more !== undefined) return this.#more.delete(key);
    if (!this.#single || this.#key !== key) return false;
    this.clear();
    return true;
  }

  clear(): void {
    this.#more = undefined;
    this.#single = false;
    this.#key = undefined;
    this.#value = undefined;
  }

  /** In the order in which they were put in, as those of a map. */
  keys(): IterableIterator<K> {
    return this.#more?.keys() ?? (this.#single ? [this.#key as K] : []).values();
  }

  values(): IterableIterator<V> {
    return this.#more?.values() ?? (this.#single ? [this.#value as V] : []).values();
  }
}
