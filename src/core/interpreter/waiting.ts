import { SmallMap } from "../small-map.ts";
import type { Leaf } from "./leaf.ts";
import { Timers } from "./timers.ts";

/** The effects of one workflow that wait for the host, in the order in which they were reached. */
export class Waiting {
  readonly #leaves = new SmallMap<string, Leaf>();
  #signals: Map<string, Set<string>> | undefined;
  readonly #timers = new Timers<Leaf>();

  /** Paths that wait for messages, by the signal's name, first come first served. */
  get signals(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#signals ?? none;
  }

  get size(): number {
    return this.#leaves.size;
  }

  at(path: string): Leaf | undefined {
    return this.#leaves.get(path);
  }

  has(leaf: Leaf): boolean {
    return this.#leaves.get(leaf.path) === leaf;
  }

  all(): IterableIterator<Leaf> {
    return this.#leaves.values();
  }

  /** Those that have been told to stop and are still waited for. */
  late(): Leaf[] {
    return [...this.#leaves.values()].filter((leaf) => leaf.late);
  }

  add(leaf: Leaf, dueAt: number | undefined): void {
    this.#leaves.set(leaf.path, leaf);
    if (leaf.effect.kind === "signal") {
      const { name } = leaf.effect;
      this.#signals ??= new Map();
      const paths = this.#signals.get(name);
      if (paths === undefined) this.#signals.set(name, new Set([leaf.path]));
      else paths.add(leaf.path);
    }
    if (dueAt === undefined) return;
    leaf.dueAt = dueAt;
    this.#timers.add(leaf);
  }

  remove(leaf: Leaf): void {
    this.#leaves.delete(leaf.path);
    if (leaf.dueAt !== Infinity) this.#timers.noteUnwanted(this.#isTimed);
    if (leaf.effect.kind !== "signal") return;
    const paths = this.#signals?.get(leaf.effect.name);
    paths?.delete(leaf.path);
    if (paths?.size === 0) this.#signals?.delete(leaf.effect.name);
  }

  /** Takes the next one that ends by itself at `now`; it will not be named again. */
  takeDue(now: number): Leaf | undefined {
    return this.#timers.takeDue(now, this.#isTimed);
  }

  /** When the next one ends by itself. */
  wakeAt(): number | undefined {
    return this.#timers.peek(this.#isTimed)?.dueAt;
  }

  readonly #isTimed = (leaf: Leaf): boolean => !leaf.late && this.has(leaf);
}

const none: ReadonlyMap<string, ReadonlySet<string>> = new Map();
