/**
 * Texts over the pub/sub of Redis: one connection that publishes, one that is subscribed. Both are of our own making, one-shot, and made
 * anew from here: nothing is queued, sent twice or tried again behind our back.
 */
import type { Redis } from "ioredis";
import type { HintTransport } from "../cross-process-notifier.ts";
import type { Session } from "../kept-session.ts";
import { connectLike, disconnect, endOf } from "./connection.ts";
import { Publisher } from "./publisher.ts";
import { reasonOf } from "./reason.ts";
import type { RedisSource, RedisTarget } from "./source.ts";

export class RedisTransport implements HintTransport<Session> {
  readonly name: string;
  readonly maxBytes = 32_768;
  readonly gapMs = 0;
  readonly #channel: string;
  /** Asked for at once: what is published just before the end is lost when the package has to be loaded first. */
  readonly #source: Promise<RedisSource>;
  readonly #publisher: Publisher;
  #loaded: RedisSource | undefined;

  constructor({ name, channel, source }: RedisTarget) {
    this.name = name;
    this.#channel = channel;
    this.#source = source();
    this.#source.then(
      (loaded) => (this.#loaded = loaded),
      () => undefined, // told to who subscribes or publishes
    );
    this.#publisher = new Publisher(channel, async (signal) =>
      connectLike(await this.#source, signal),
    );
  }

  load(): Promise<unknown> {
    return this.#source;
  }

  async open(received: (text: string) => void, signal: AbortSignal): Promise<Session> {
    const connection = await connectLike(await this.#source, signal);
    const ended = endOf(connection);
    connection.on("message", (_channel: string, text: string) => received(text));
    await connection.subscribe(this.#channel);
    return { ended, probe: () => connection.ping(), end: () => end(connection) };
  }

  send(text: string): Promise<unknown> {
    return this.#publisher.publish(text);
  }

  close(): void {
    this.#publisher.close();
  }

  reasonOf(error: unknown): string {
    return reasonOf(error, this.#loaded);
  }
}

function end(connection: Redis): void {
  connection.removeAllListeners("message");
  disconnect(connection);
}
