/**
 * Hints over the pub/sub of Redis: one connection that publishes, one that is subscribed.
 *
 *   R1  Both are of our own making, one-shot, and made anew here: nothing is queued, sent twice or tried again behind our back.
 *   R2  After each subscription, the first included, listeners are told "*": what was published before has not reached them.
 *   R3  No password is in any message or line of the log.
 */
import { randomBytes } from "node:crypto";
import type { Redis } from "ioredis";
import { ClosedError } from "../../core/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { decodeHints, encodeHints, envelopeBytes } from "../hint-message.ts";
import { KeptSession, type Session } from "../kept-session.ts";
import { Listeners } from "../listeners.ts";
import { everything, type NotificationBackend } from "../notifier.ts";
import { OutageLog, type HintLog } from "../outage-log.ts";
import { Outbox } from "../outbox.ts";
import { unreferencedClock } from "../unreferenced-clock.ts";
import { connectLike, disconnect, endOf, openLimitMs } from "./connection.ts";
import { Publisher } from "./publisher.ts";
import { reasonOf } from "./reason.ts";
import type { RedisSource, RedisTarget } from "./source.ts";

/** Who is told of outages; time and chance are for tests. */
export interface RedisNotifierOptions {
  readonly log?: HintLog | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const limits = {
  messageBytes: 32_768,
  closeMs: 500,
  probeEveryMs: 5_000,
  probeLimitMs: 2_000,
  pauses: { firstMs: 100, maxMs: 10_000 },
  breaker: { failures: 5, retryMs: 100, open: { firstMs: 1_000, maxMs: 30_000 } },
} as const;

export class RedisNotifier implements NotificationBackend {
  readonly #target: RedisTarget;
  readonly #id = randomBytes(6).toString("hex");
  readonly #listeners: Listeners;
  readonly #outages: OutageLog;
  readonly #outbox: Outbox;
  readonly #publisher: Publisher;
  readonly #subscription: KeptSession<Session>;
  /** Asked for at once: what is published just before `close` is late when the package has to be loaded first. */
  readonly #source: Promise<RedisSource>;
  #loaded: RedisSource | undefined;
  #closed = false;

  constructor(target: RedisTarget, options: RedisNotifierOptions = {}) {
    const { log, clock = unreferencedClock, random = Math.random } = options;
    this.#target = target;
    this.#source = target.source();
    this.#source.then(
      (source) => (this.#loaded = source),
      () => undefined, // told to who subscribes or publishes
    );
    this.#outages = new OutageLog(target.name, log);
    this.#listeners = new Listeners((error) => this.#listenerFailed(error));
    this.#publisher = new Publisher({
      channel: target.channel,
      connect: async (signal) => connectLike(await this.#source, signal),
      clock,
    });
    this.#outbox = new Outbox({
      send: (topics) => this.#publisher.publish(encodeHints(this.#id, topics)),
      onSent: () => this.#outages.worked("publishing"),
      onFailure: (error) => this.#failed("publishing", error),
      maxBytes: limits.messageBytes - envelopeBytes(this.#id),
      gapMs: 0,
      closeMs: limits.closeMs,
      breaker: limits.breaker,
      clock,
      random,
    });
    this.#subscription = new KeptSession({
      open: (signal) => this.#subscribe(signal),
      onOpen: () => this.#subscribed(),
      onFailure: (error) => this.#failed("subscribing", error),
      openLimitMs,
      probeEveryMs: limits.probeEveryMs,
      probeLimitMs: limits.probeLimitMs,
      pauses: limits.pauses,
      clock,
      random,
    });
  }

  /** Resolves at once: hints go with the others of this turn of the event loop. Nothing happens after `close`. */
  async publish(topics: readonly string[]): Promise<void> {
    this.#outbox.add(topics);
  }

  /**
   * Resolves before Redis is reached: the listener is told "*" once it is, and hints from then on. @throws ClosedError after `close`;
   * DatabaseError DRIVER_MISSING.
   */
  async subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>> {
    await this.#source;
    if (this.#closed) throw new ClosedError("these notifications are closed; open others");
    const subscription = this.#listeners.add(listener);
    // Who joins later has missed the "*" that came with the connection.
    if (this.#subscription.current !== undefined) {
      setImmediate(() => subscription.tell([everything]));
    }
    this.#subscription.start();
    return async () => subscription.leave();
  }

  /** Ends every subscription and connection, after a moment for the hints that were published last. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await Promise.all([this.#outbox.close(), this.#subscription.close()]);
    this.#publisher.close();
  }

  async #subscribe(signal: AbortSignal): Promise<Session> {
    const connection = await connectLike(await this.#source, signal);
    const ended = endOf(connection);
    connection.on("message", (_channel: string, text: string) => this.#received(text));
    await connection.subscribe(this.#target.channel);
    return { ended, probe: () => connection.ping(), end: () => end(connection) };
  }

  #subscribed(): void {
    this.#outages.worked("subscribing");
    this.#outbox.wake();
    this.#listeners.tell([everything]); // by R2
  }

  #received(text: string): void {
    const topics = decodeHints(text, this.#id);
    if (topics !== undefined && topics.length > 0) this.#listeners.tell(topics);
  }

  #failed(part: string, error: unknown): void {
    this.#outages.failed(part, reasonOf(error, this.#loaded)); // by R3
  }

  #listenerFailed(error: unknown): void {
    this.#outages.once(`a listener of hints failed: ${String(error)}; this is not reported again`);
  }
}

function end(connection: Redis): void {
  connection.removeAllListeners("message");
  disconnect(connection);
}
