import type { NotificationBackend } from "../../src/notify/notifier.ts";
import type { Faults } from "./faults.ts";
import type { Owner, World } from "./world.ts";

type Listener = (topics: readonly string[]) => void;

/** Carries hints between processes, and is not to be relied on: what it is given it drops, doubles and reorders, where that is switched on. */
export class HintNet {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #listeners = new Map<Owner, Listener>();
  #sent = 0;
  readonly #lastDelivered = new Map<Owner, number>();
  /** Set once everything is healed. */
  isReliable = false;

  constructor(world: World, faults: Faults) {
    this.#world = world;
    this.#faults = faults;
  }

  /** What one process is given for its option `notifications`. */
  for(owner: Owner): NotificationBackend {
    return {
      publish: async (topics) => this.#send(owner, topics),
      subscribe: async (listener) => {
        this.#listeners.set(owner, listener);
        return async () => {
          this.#listeners.delete(owner);
        };
      },
      close: async () => undefined,
    };
  }

  /** It has crashed. */
  forget(owner: Owner): void {
    this.#listeners.delete(owner);
  }

  #send(from: Owner, topics: readonly string[]): void {
    this.#sent += 1;
    for (const to of this.#listeners.keys()) if (to !== from) this.#sendTo(to, topics, this.#sent);
  }

  #sendTo(to: Owner, topics: readonly string[], number: number): void {
    const { chance, rare } = this.#world;
    const faulty = !this.isReliable && this.#faults.has("hints");
    if (faulty && chance.happens(0.35)) return rare.happened("a hint dropped");
    this.#deliverLater(to, topics, number, faulty);
    if (faulty && chance.happens(0.15)) {
      rare.happened("a hint doubled");
      this.#deliverLater(to, topics, number, faulty);
    }
  }

  #deliverLater(to: Owner, topics: readonly string[], number: number, faulty: boolean): void {
    const { chance } = this.#world;
    const afterMs = faulty && chance.happens(0.3) ? chance.between(1, 3_000) : chance.between(0, 2);
    const run = (): void => {
      if (number < (this.#lastDelivered.get(to) ?? 0)) this.#world.rare.happened("hints reordered");
      this.#lastDelivered.set(to, number);
      this.#listeners.get(to)?.(topics);
    };
    this.#world.add({ owner: to, label: `hears ${topics.length} hints`, afterMs, run });
  }
}
