/**
 * Hints that something has changed, so that nobody has to wait for the next poll. Best effort: losing every one of them costs latency,
 * never work. Topics are short texts such as "execution:<id>", "queue" and "workers".
 */
import { AsyncResource } from "node:async_hooks";
import { ClosedError } from "../core/errors.ts";

/** Best-effort wake-ups. Losing every message costs latency, never work. */
export interface NotificationBackend {
  /** Tells every listener, those of other processes included where the backend reaches them. */
  publish(topics: readonly string[]): Promise<void>;
  /** @returns a function that ends it. */
  subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** What may be told to an in-process notifier. */
export interface InProcessNotifierOptions {
  /** Told what a listener threw, or rejected with; the others are called all the same. */
  readonly onListenerError?: ((error: unknown) => void) | undefined;
}

/**
 * Reaches the listeners of this process, once a turn of the event loop with everything published in it. They are called in the async
 * context in which they subscribed: what an activity publishes does not make its context that of the worker.
 */
export class InProcessNotifier implements NotificationBackend {
  readonly #listeners = new Set<(topics: readonly string[]) => unknown>();
  readonly #onListenerError: (error: unknown) => void;
  #topics = new Set<string>();
  #delivery: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: InProcessNotifierOptions = {}) {
    this.#onListenerError = options.onListenerError ?? (() => undefined);
  }

  /** Resolves at once: the listeners are called later in this turn. Nothing happens after `close`. */
  async publish(topics: readonly string[]): Promise<void> {
    if (this.#closed || this.#listeners.size === 0) return;
    for (const topic of topics) this.#topics.add(topic);
    if (this.#topics.size > 0) this.#delivery ??= setImmediate(() => this.#deliver());
  }

  /** @throws ClosedError after `close`. */
  async subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>> {
    if (this.#closed) throw new ClosedError("this notifier is closed; open another one");
    const bound = AsyncResource.bind(listener, "StentSubscription");
    this.#listeners.add(bound);
    return async () => {
      this.#listeners.delete(bound);
    };
  }

  /** Ends every subscription; what is not delivered yet is dropped. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    clearImmediate(this.#delivery);
  }

  #deliver(): void {
    const topics = [...this.#topics];
    this.#topics = new Set();
    this.#delivery = undefined;
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
      this.#onListenerError(error);
    } catch {
      // There is nobody left to tell.
    }
  }
}
