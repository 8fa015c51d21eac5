import type { Hints } from "./store.ts";

/** Hands what a commit of this process did to whoever in this process waits for such things. Best effort: polling is the truth. */
export class HintHub {
  readonly #listeners = new Set<(hints: Hints) => void>();

  emit(hints: Hints): void {
    for (const listener of this.#listeners) listener(hints);
  }

  /** @returns what takes the listener away again. Listeners must not throw. */
  on(listener: (hints: Hints) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
