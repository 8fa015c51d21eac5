import { AsyncResource } from "node:async_hooks";

/** A listener among others. */
export interface Subscription {
  /** Tells this one alone, unless it has left. */
  tell(topics: readonly string[]): void;
  leave(): void;
}

/** Those who want hints. Each is called in the async context in which it was added, and none can harm another or who tells them. */
export class Listeners {
  readonly #listeners = new Set<(topics: readonly string[]) => unknown>();
  readonly #onError: (error: unknown) => void;

  /** `onError` is told what a listener threw, or rejected with. */
  constructor(onError: (error: unknown) => void = () => undefined) {
    this.#onError = onError;
  }

  get size(): number {
    return this.#listeners.size;
  }

  add(listener: (topics: readonly string[]) => void): Subscription {
    const bound = AsyncResource.bind(listener, "StentSubscription");
    this.#listeners.add(bound);
    return {
      tell: (topics) => {
        if (this.#listeners.has(bound)) this.#call(bound, topics);
      },
      leave: () => void this.#listeners.delete(bound),
    };
  }

  clear(): void {
    this.#listeners.clear();
  }

  tell(topics: readonly string[]): void {
    for (const listener of this.#listeners) this.#call(listener, topics);
  }

  #call(listener: (topics: readonly string[]) => unknown, topics: readonly string[]): void {
    try {
      const given = listener(topics);
      if (typeof given !== "object" || given === null) return;
      void Promise.resolve(given).then(undefined, (error: unknown) => this.#report(error));
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    try {
      this.#onError(error);
    } catch {
      // There is nobody left to tell.
    }
  }
}
