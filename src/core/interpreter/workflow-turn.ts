import type { Outcome } from "../journal.ts";
import type { Leaf } from "./leaf.ts";
import type { Change, Delivery, Done, Turn, TurnEntry } from "./turn.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Collects what one turn does. */
export class WorkflowTurn {
  readonly entries: Writable<TurnEntry>[] = [];
  readonly delivered: TurnEntry[] = [];
  readonly changes: Change[] = [];
  readonly refused: Delivery[] = [];
  readonly unheard: unknown[] = [];
  readonly #scheduled = new Map<string, Writable<TurnEntry>>();
  readonly #cancelled: string[] = [];

  /** An entry that waits for nothing. */
  add(entry: TurnEntry): void {
    this.entries.push(entry);
  }

  /** An entry that waits for the host. */
  schedule(leaf: Leaf, entry: TurnEntry): void {
    const kept: Writable<TurnEntry> = entry;
    this.entries.push(kept);
    this.#scheduled.set(leaf.path, kept);
  }

  /** An outcome has been delivered, to an entry of this turn or of an earlier one. */
  deliver(leaf: Leaf, outcome: Outcome, delivery: number, tag: unknown): void {
    const entry = this.#scheduled.get(leaf.path);
    if (entry === undefined) {
      this.delivered.push({
        path: leaf.path,
        kind: leaf.kind,
        reached: leaf.reached,
        effect: leaf.effect,
        outcome,
        delivery,
        tag,
      });
      return;
    }
    this.#scheduled.delete(leaf.path);
    entry.outcome = outcome;
    entry.delivery = delivery;
    entry.tag = tag;
  }

  /** Its work is not wanted any more. */
  cancel(leaf: Leaf): void {
    this.#cancelled.push(leaf.path);
    this.#scheduled.delete(leaf.path);
  }

  result(done: Done | undefined, wakeAt: number | undefined): Turn {
    return {
      entries: this.entries,
      scheduled: [...this.#scheduled.values()],
      delivered: this.delivered,
      changes: this.changes,
      cancelled: this.#cancelled,
      refused: this.refused,
      unheard: this.unheard,
      ...(done === undefined ? {} : { done }),
      ...(wakeAt === undefined ? {} : { wakeAt }),
    };
  }
}
