import { unqueued } from "../core/step-options.ts";
import type { FunctionRegistry } from "../core/registry.ts";
import type { Lane } from "../store/store.ts";

/** What a worker may take: what it has code for, in its queues, with its tags or none. */
export class Acceptance {
  readonly #registry: FunctionRegistry;
  readonly #queues: ReadonlySet<string> | undefined;
  readonly #tags: ReadonlySet<string> | undefined;

  constructor(
    registry: FunctionRegistry,
    options: {
      readonly queues: readonly string[] | undefined;
      readonly tags: readonly string[] | undefined;
    },
  ) {
    this.#registry = registry;
    this.#queues = options.queues === undefined ? undefined : new Set(options.queues);
    this.#tags = options.tags === undefined ? undefined : new Set(options.tags);
  }

  accepts(lane: Omit<Lane, "key">): boolean {
    return this.#hasCode(lane) && this.#hasQueue(lane.queue) && this.#hasTag(lane.tags);
  }

  /** A version pins workflows; it binds no worker for activities. */
  #hasCode(lane: Omit<Lane, "key">): boolean {
    const fn =
      lane.kind === "workflow"
        ? this.#registry.exact(lane.name, lane.version)
        : this.#registry.get(lane.name);
    return fn?.kind === lane.kind;
  }

  #hasQueue(queue: string | undefined): boolean {
    return this.#queues === undefined || this.#queues.has(queue ?? unqueued);
  }

  #hasTag(tags: readonly string[]): boolean {
    return (
      this.#tags === undefined ||
      tags.length === 0 ||
      tags.some((tag) => this.#tags?.has(tag) === true)
    );
  }
}
