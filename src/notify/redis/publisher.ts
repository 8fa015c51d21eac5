import type { Redis } from "ioredis";
import { withinTime } from "../time-limit.ts";
import { unreferencedClock } from "../unreferenced-clock.ts";
import { openLimitMs } from "./connection.ts";

/** How long Redis may take to answer that it has published something. */
const publishLimitMs = 1_000;

/** Publishes over a connection that is made when it is needed, and made anew after it has failed. */
export class Publisher {
  readonly #channel: string;
  readonly #connectOnce: (signal: AbortSignal) => Promise<Redis>;
  #attempt: AbortController | undefined;
  #connection: Redis | undefined;

  constructor(channel: string, connectOnce: (signal: AbortSignal) => Promise<Redis>) {
    this.#channel = channel;
    this.#connectOnce = connectOnce;
  }

  /** One message at a time. */
  async publish(text: string): Promise<void> {
    try {
      const connection = this.#connection ?? (await this.#connect());
      await withinTime(connection.publish(this.#channel, text), {
        clock: unreferencedClock,
        limitMs: publishLimitMs,
        what: "publishing",
      });
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#attempt?.abort();
    this.#attempt = undefined;
    this.#connection = undefined;
  }

  async #connect(): Promise<Redis> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const { signal } = attempt;
    const connection = await withinTime(this.#connectOnce(signal), {
      clock: unreferencedClock,
      limitMs: openLimitMs,
      what: "connecting",
      signal,
    });
    this.#connection = connection;
    connection.once("close", () => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    return connection;
  }
}
