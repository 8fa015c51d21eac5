/**
 * Hints between processes, over whatever carries texts between them.
 *
 *   C1  What is published goes out in one message a turn or less often; nobody waits for it (by N1).
 *   C2  After each subscription, the first included, listeners are told "*": what was published before has not reached them (by N2).
 *   C3  Own messages come back and are dropped: who published has told this process already (by N3).
 *   C4  An outage is warned of once. No password is in any line.
 */
import { randomBytes } from "node:crypto";
import { ClosedError } from "../core/errors.ts";
import type { Clock } from "../runtime/clock.ts";
import { decodeHints, encodeHints, envelopeBytes } from "./hint-message.ts";
import { KeptSession, type Session } from "./kept-session.ts";
import { Listeners } from "./listeners.ts";
import { everything, type NotificationBackend } from "./notifier.ts";
import { OutageLog, type HintLog } from "./outage-log.ts";
import { Outbox } from "./outbox.ts";
import { unreferencedClock } from "./unreferenced-clock.ts";

/** What carries texts between processes. */
export interface HintTransport<S extends Session> {
  /** For messages; no password in it. */
  readonly name: string;
  /** The longest message, in bytes. */
  readonly maxBytes: number;
  /** The shortest time from the end of one message to the next. */
  readonly gapMs: number;
  /** Waits for what is needed before anything can be tried. @throws DatabaseError DRIVER_MISSING */
  load(): Promise<unknown>;
  /** Subscribes over a new connection, until `signal` says that nobody waits for it any more. */
  open(received: (text: string) => void, signal: AbortSignal): Promise<S>;
  /** Sends one message, over the subscribed connection if `session` is called. */
  send(text: string, session: () => Promise<S>): Promise<unknown>;
  /** Ends what `send` has opened. */
  close(): void;
  /** What went wrong, as a text without a password. */
  reasonOf(error: unknown): string;
}

/** Who is told of outages; time and chance are for tests. */
export interface CrossProcessOptions {
  readonly log?: HintLog | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
}

const limits = {
  closeMs: 500,
  openLimitMs: 5_000,
  probeEveryMs: 5_000,
  probeLimitMs: 2_000,
  pauses: { firstMs: 100, maxMs: 10_000 },
  breaker: { failures: 5, retryMs: 100, open: { firstMs: 1_000, maxMs: 30_000 } },
} as const;

/** Tells the listeners of other processes. */
export class CrossProcessNotifier<S extends Session> implements NotificationBackend {
  readonly #transport: HintTransport<S>;
  readonly #id = randomBytes(6).toString("hex");
  readonly #listeners: Listeners;
  readonly #outages: OutageLog;
  readonly #outbox: Outbox;
  readonly #subscription: KeptSession<S>;
  #closed = false;

  constructor(transport: HintTransport<S>, options: CrossProcessOptions = {}) {
    const { log, clock = unreferencedClock, random = Math.random } = options;
    this.#transport = transport;
    this.#outages = new OutageLog(transport.name, log);
    this.#listeners = new Listeners((error) => this.#listenerFailed(error));
    this.#subscription = new KeptSession({
      ...limits,
      open: (signal) => transport.open((text) => this.#received(text), signal),
      onOpen: () => this.#subscribed(),
      onFailure: (error) => this.#failed("subscribing", error),
      clock,
      random,
    });
    this.#outbox = new Outbox({
      ...limits,
      send: (topics) => this.#send(topics),
      onSent: () => this.#outages.worked("publishing"),
      onFailure: (error) => this.#failed("publishing", error),
      maxBytes: transport.maxBytes - envelopeBytes(this.#id),
      gapMs: transport.gapMs,
      clock,
      random,
    });
  }

  /** Resolves at once: hints go with the others of this turn of the event loop. Nothing happens after `close`. */
  async publish(topics: readonly string[]): Promise<void> {
    this.#outbox.add(topics);
  }

  /**
   * Resolves before anything is connected: the listener is told "*" once it is, and hints from then on. @throws ClosedError after `close`;
   * DatabaseError DRIVER_MISSING.
   */
  async subscribe(listener: (topics: readonly string[]) => void): Promise<() => Promise<void>> {
    await this.#transport.load();
    if (this.#closed) throw new ClosedError("these notifications are closed; open others");
    const subscription = this.#listeners.add(listener);
    // Who joins later has missed the "*" that came with the connection.
    if (this.#subscription.isOpen) setImmediate(() => subscription.tell([everything]));
    this.#subscription.start();
    return async () => subscription.leave();
  }

  /** Ends every subscription and connection, after a moment for the hints that were published last. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await this.#outbox.close();
    await this.#subscription.close();
    this.#transport.close();
  }

  #send(topics: readonly string[]): Promise<unknown> {
    return this.#transport.send(encodeHints(this.#id, topics), () => this.#subscription.opened());
  }

  #subscribed(): void {
    this.#outages.worked("subscribing");
    this.#outbox.wake();
    this.#listeners.tell([everything]); // by C2
  }

  #received(text: string): void {
    const topics = decodeHints(text, this.#id);
    if (topics !== undefined && topics.length > 0) this.#listeners.tell(topics); // by C3
  }

  #failed(part: string, error: unknown): void {
    this.#outages.failed(part, this.#transport.reasonOf(error)); // by C4
  }

  #listenerFailed(error: unknown): void {
    this.#outages.once(`a listener of hints failed: ${String(error)}; this is not reported again`);
  }
}
