import { everything } from "./notifier.ts";

/** Topics that wait to be sent, each once. What would pass the limit becomes "*", so that it never grows. */
export class TopicBatch {
  readonly #maxBytes: number;
  #topics = new Set<string>();
  #bytes = 0;

  /** `maxBytes` counts the topics as JSON, with a comma each. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  add(topics: readonly string[]): void {
    for (const topic of topics) {
      if (this.#topics.has(everything)) return;
      if (this.#topics.has(topic)) continue;
      this.#bytes += Buffer.byteLength(JSON.stringify(topic)) + 1;
      if (topic === everything || this.#bytes > this.#maxBytes)
        this.#topics = new Set([everything]);
      else this.#topics.add(topic);
    }
  }

  /** All of them; the batch is empty afterwards. */
  take(): string[] {
    const topics = [...this.#topics];
    this.#topics = new Set();
    this.#bytes = 0;
    return topics;
  }
}
