import { AsyncResource } from "node:async_hooks";
import { everything, type NotificationBackend } from "../notify/notifier.ts";
import type { ForeignChanges, ForeignHints } from "../store/foreign-changes.ts";
import { hintsOf, topicsOf } from "../store/hint-topics.ts";
import type { Hints } from "../store/store.ts";

/**
 * What other processes tell over a backend of notifications, and what this one tells them. Subscribes with the first that it has to tell or
 * somebody wants to hear: who only reads needs no connection for it.
 */
export class ToldChanges implements ForeignChanges {
  readonly #backend: NotificationBackend;
  readonly #listeners = new Set<(hints: ForeignHints) => void>();
  readonly #subscribe: () => Promise<unknown>;
  #subscribing: Promise<unknown> | undefined;
  #changes: number | undefined;

  constructor(backend: NotificationBackend) {
    this.#backend = backend;
    // What is heard belongs to no activity, whoever was the first to listen.
    this.#subscribe = AsyncResource.bind(() => backend.subscribe((topics) => this.#told(topics)));
  }

  /** Undefined until it has begun to hear others. */
  get changes(): number | undefined {
    return this.#changes;
  }

  /** Resolves before anything is heard. @throws DatabaseError DRIVER_MISSING */
  async begin(): Promise<void> {
    this.#subscribing ??= this.#subscribe();
    await this.#subscribing;
  }

  on(listener: (hints: ForeignHints) => void): () => void {
    this.#listeners.add(listener);
    this.#beginQuietly();
    return () => this.#listeners.delete(listener);
  }

  /** Tells the other processes what a commit did. Nobody waits for it, and nothing that goes wrong here is told (I13). */
  publish(hints: Hints): void {
    const topics = topicsOf(hints);
    if (topics.length === 0) return;
    this.#beginQuietly();
    void this.#backend.publish(topics).catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#backend.close();
  }

  #beginQuietly(): void {
    this.begin().catch(() => undefined); // the backend has warned
  }

  #told(topics: readonly string[]): void {
    const hints = hintsOf(topics);
    if (topics.includes(everything) || hints.ended.length > 0)
      this.#changes = (this.#changes ?? 0) + 1;
    for (const listener of this.#listeners) listener(hints);
  }
}
