import { everything, kindOf } from "./notifier.ts";

/**
 * Topics that wait to be sent, each once. Where they would pass the limit, those of a kind become one: "ended:*" for "ended:a" and "ended:b".
 * What would pass it even so becomes "*", so that it never grows.
 */
export class TopicBatch {
  readonly #maxBytes: number;
  #topics = new Set<string>();
  #bytes = 0;
  /** Kinds stand for their topics. */
  #shortened = false;

  /** `maxBytes` counts the topics as JSON, with a comma each. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  add(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#put(topic);
      if (this.#bytes > this.#maxBytes && !this.#shortened) this.#shorten();
      if (this.#bytes > this.#maxBytes || topic === everything) this.#replace([everything]);
    }
  }

  /** All of them; the batch is empty afterwards. */
  take(): string[] {
    const topics = [...this.#topics];
    this.#replace([]);
    this.#shortened = false;
    return topics;
  }

  #put(topic: string): void {
    if (this.#topics.has(everything)) return;
    const put = this.#shortened ? kindOf(topic) : topic;
    if (this.#topics.has(put)) return;
    this.#topics.add(put);
    this.#bytes += Buffer.byteLength(JSON.stringify(put)) + 1;
  }

  #shorten(): void {
    this.#shortened = true;
    this.#replace(this.#topics);
  }

  #replace(topics: Iterable<string>): void {
    this.#topics = new Set();
    this.#bytes = 0;
    for (const topic of topics) this.#put(topic);
  }
}
