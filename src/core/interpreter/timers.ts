/** What a timer heap holds. */
export interface Timer {
  readonly dueAt: number;
  /** Ties are broken by it: first registered, first due. */
  readonly order: number;
}

const fewTimers = 64;

/** Timers by due time: a binary heap. Timers that no longer matter are dropped when they come up, or when they have become the greater part. */
export class Timers<T extends Timer> {
  #heap: T[] = [];
  #unwanted = 0;

  add(timer: T): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  /** The next timer for which `wanted` holds; those before it for which it does not are dropped. */
  peek(wanted: (timer: T) => boolean): T | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || wanted(first)) return first;
      this.#removeFirst();
    }
  }

  /** Takes the next timer that is wanted and due at `now`. */
  takeDue(now: number, wanted: (timer: T) => boolean): T | undefined {
    const first = this.peek(wanted);
    if (first === undefined || first.dueAt > now) return undefined;
    this.#removeFirst();
    return first;
  }

  /** One of them no longer matters. Without this, a loop of signals that are answered long before their timeout would keep them all. */
  noteUnwanted(wanted: (timer: T) => boolean): void {
    this.#unwanted += 1;
    if (this.#unwanted < fewTimers || this.#unwanted * 2 < this.#heap.length) return;
    const kept = this.#heap.filter(wanted);
    this.#heap = [];
    this.#unwanted = 0;
    for (const timer of kept) this.add(timer);
  }

  /** How many it holds, those that no longer matter included. */
  get size(): number {
    return this.#heap.length;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let next = left;
      const leftTimer = heap[left];
      if (leftTimer === undefined) break;
      let child = leftTimer;
      const rightTimer = heap[right];
      if (rightTimer !== undefined && before(rightTimer, leftTimer)) {
        next = right;
        child = rightTimer;
      }
      if (!before(child, last)) break;
      heap[index] = child;
      index = next;
    }
    heap[index] = last;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.dueAt < b.dueAt || (a.dueAt === b.dueAt && a.order < b.order);
}
