/**
 * Sends hints on, without anybody waiting for it.
 *
 *   O1  One message is under way at a time. What is published meanwhile, and within one turn of the event loop, goes as the next one.
 *   O2  What could not be sent is kept for the next attempt, within the limit of a TopicBatch: an outage makes nothing grow.
 *   O3  After a failure nothing is tried until the breaker's pause is over.
 */
import { systemClock, type Clock } from "../runtime/clock.ts";
import { CircuitBreaker, type BreakerPolicy } from "./circuit-breaker.ts";
import { withinTime } from "./time-limit.ts";
import { TopicBatch } from "./topic-batch.ts";

/** How an outbox works. */
export interface OutboxOptions {
  /** Sends one message; it must settle within some time. */
  readonly send: (topics: readonly string[]) => Promise<unknown>;
  readonly onSent: () => void;
  readonly onFailure: (error: unknown) => void;
  readonly maxBytes: number;
  /** The shortest time from the end of one message to the next. */
  readonly gapMs: number;
  /** How long closing waits for what is under way or has just been published. */
  readonly closeMs: number;
  readonly breaker: BreakerPolicy;
  readonly clock: Clock;
  readonly random: () => number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #batch: TopicBatch;
  readonly #breaker: CircuitBreaker;
  #state: "idle" | "due" | "sending" | "pausing" | "closed" = "idle";
  #cancelNext: () => void = () => undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#batch = new TopicBatch(options.maxBytes);
    this.#breaker = new CircuitBreaker(options.breaker, options.random);
  }

  add(topics: readonly string[]): void {
    if (this.#state === "closed") return;
    this.#batch.add(topics);
    if (this.#state === "idle") this.#sendSoon();
  }

  /** There is reason to believe that sending works again: ends a pause. */
  wake(): void {
    if (this.#state !== "pausing") return;
    this.#cancelNext();
    this.#sendSoon();
  }

  /** Sends what is left if that is quick, and ends. Never rejected; idempotent. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const last = this.#sendLast();
    this.#cancelNext();
    this.#state = "closed";
    // A timer that counts: a process that has nothing else to do must not end while it awaits this.
    const limit = { clock: systemClock, limitMs: this.#options.closeMs };
    await withinTime(last, { ...limit, what: "sending the last hints" }).catch(() => undefined);
  }

  async #sendLast(): Promise<void> {
    const trying = this.#state !== "pausing";
    await this.#sending;
    if (trying && !this.#breaker.isOpen && !this.#batch.isEmpty) await this.#attempt();
  }

  #sendSoon(): void {
    if (this.#batch.isEmpty) {
      this.#state = "idle";
      return;
    }
    this.#state = "due";
    const immediate = setImmediate(() => {
      this.#state = "sending";
      this.#sending = this.#send();
    });
    this.#cancelNext = () => clearImmediate(immediate);
  }

  async #send(): Promise<void> {
    const waitMs = await this.#attempt();
    if (this.#state !== "sending") return; // closed meanwhile
    if (waitMs === 0) this.#sendSoon();
    else this.#pause(waitMs);
  }

  /** @returns how long to wait until the next one. */
  async #attempt(): Promise<number> {
    const { send, onSent, onFailure, gapMs } = this.#options;
    const topics = this.#batch.take();
    try {
      await send(topics);
      this.#breaker.succeeded();
      onSent();
      return gapMs;
    } catch (error) {
      this.#batch.add(topics); // by O2
      if (this.#state !== "closed") onFailure(error);
      return this.#breaker.failed(); // by O3
    }
  }

  #pause(ms: number): void {
    this.#state = "pausing";
    this.#cancelNext = this.#options.clock.schedule(ms, () => this.#sendSoon());
  }
}
