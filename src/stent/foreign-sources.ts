import type { ForeignChanges, ForeignHints } from "../store/foreign-changes.ts";
import type { ForeignWatch } from "../store/foreign-watch.ts";
import type { Hints } from "../store/store.ts";
import type { ToldChanges } from "./told-changes.ts";

/** Everything that tells what other processes do: what sees it in the database, and what they tell, the database's own way first. */
export class ForeignSources implements ForeignChanges {
  readonly #told: readonly ToldChanges[];
  readonly #all: readonly ForeignChanges[];

  constructor(watch: ForeignWatch | undefined, told: readonly ToldChanges[]) {
    this.#told = told;
    this.#all = watch === undefined ? told : [watch, ...told];
  }

  /** By the first, which misses the least. */
  get changes(): number | undefined {
    return this.#all[0]?.changes;
  }

  on(listener: (hints: ForeignHints) => void): () => void {
    const leave = this.#all.map((each) => each.on(listener));
    return () => {
      for (const each of leave) each();
    };
  }

  /** Tells the other processes what a commit did. */
  publish(hints: Hints): void {
    for (const each of this.#told) each.publish(hints);
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((each) => each.close()));
  }
}
