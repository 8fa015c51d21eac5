import { anything, type ForeignChanges, type ForeignHints } from "./foreign-changes.ts";

/** How often it is looked whether another process has committed: one cheap read. */
const lookEveryMs = 20;

/**
 * Tells listeners that another process has written to the database. Runs only while somebody listens; keeps no process alive. What was
 * written while nobody listened is told to who listens next.
 */
export class ForeignWatch implements ForeignChanges {
  readonly #look: () => Promise<number>;
  readonly #listeners = new Set<(hints: ForeignHints) => void>();
  #timer: NodeJS.Timeout | undefined;
  #last: number | undefined;
  #changes = 0;

  /** `look` gives a number that changes with every foreign commit. */
  constructor(look: () => Promise<number>) {
    this.#look = look;
  }

  /** How many times a change has been noticed. */
  get changes(): number {
    return this.#changes;
  }

  /** What is committed from here on is a change. */
  begin(): Promise<void> {
    return this.#check();
  }

  /** @returns what takes the listener away again. Listeners must not throw. */
  on(listener: (hints: ForeignHints) => void): () => void {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => void this.#check(), lookEveryMs).unref();
      void this.#check();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #check(): Promise<void> {
    let seen: number;
    try {
      seen = await this.#look();
    } catch {
      return; // the database is closed or cannot be read now; polling goes on
    }
    const changed = this.#last !== undefined && this.#last !== seen;
    this.#last = seen;
    if (!changed) return;
    this.#changes += 1;
    for (const listener of this.#listeners) listener(anything);
  }
}
