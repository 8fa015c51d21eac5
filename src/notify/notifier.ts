/**
 * Hints that something has changed, so that nobody has to wait for the next poll. Best effort: losing every one of them costs latency,
 * never work. Topics are short texts such as "execution:<id>", "queue" and "workers"; they carry names and ids, never payloads.
 *
 *   N1  `publish` neither waits for a network nor is rejected: whatever becomes of a hint, its publisher goes on.
 *   N2  The topic "*" means that anything may have changed. A listener is told it where hints may have been missed, after every
 *       (re)subscription above all. "ended:*" stands for all topics of that kind, where there were too many for one message.
 *   N3  A backend that crosses processes tells the listeners of other processes; those of this one hear of their own work at once, by the
 *       in-process notifier.
 */
import { ClosedError } from "../core/errors.ts";
import { Listeners } from "./listeners.ts";

/** The topic that stands for all others: look at everything once (N2). */
export const everything = "*";

/** The topic that stands for all of its kind (N2): "ended:*" for "ended:<id>". One that is alone of its kind stays as it is. */
export function kindOf(topic: string): string {
  const end = topic.indexOf(":");
  return end < 0 ? topic : `${topic.slice(0, end)}:*`;
}

/** Best-effort wake-ups. Losing every message costs latency, never work. */
export interface NotificationBackend {
  /** Tells every listener, those of other processes included where the backend reaches them. Settles soon, and is best never rejected. */
  publish(topics: readonly string[]): Promise<void>;
  /** The listener is told the topic "*" where hints may have been missed. @returns a function that ends it. */
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
  readonly #listeners: Listeners;
  #topics = new Set<string>();
  #delivery: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: InProcessNotifierOptions = {}) {
    this.#listeners = new Listeners(options.onListenerError);
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
    const subscription = this.#listeners.add(listener);
    return async () => subscription.leave();
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
    this.#listeners.tell(topics);
  }
}
