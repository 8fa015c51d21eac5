import type { Redis } from "ioredis";
import type { Clock } from "../../runtime/clock.ts";
import { withinTime } from "../time-limit.ts";
import { openLimitMs } from "./connection.ts";

/** How long Redis may take to answer that it has published something. */
const publishLimitMs = 1_000;

/** What a publisher needs. */
export interface PublisherOptions {
  readonly channel: string;
  readonly connect: (signal: AbortSignal) => Promise<Redis>;
  readonly clock: Clock;
}

/** Publishes over a connection that is made when it is needed, and made anew after it has failed. */
export class Publisher {
  readonly #options: PublisherOptions;
  #attempt: AbortController | undefined;
  #connection: Redis | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** One message at a time. */
  async publish(text: string): Promise<void> {
    const { channel, clock } = this.#options;
    try {
      const connection = this.#connection ?? (await this.#connect());
      await withinTime(connection.publish(channel, text), {
        clock,
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
    const { connect, clock } = this.#options;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const { signal } = attempt;
    const connection = await withinTime(connect(signal), {
      clock,
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
