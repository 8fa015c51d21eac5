import { append } from "../append.ts";
import type { Outcome } from "../journal.ts";
import type { Leaf } from "./leaf.ts";
import type { Change, Delivery, Done, Turn, TurnEntry, UndoFailure } from "./turn.ts";

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What an entry is before it has its outcome. */
type Unanswered = Omit<TurnEntry, "reached" | "delivery" | "outcome">;

/** Collects what one turn does. */
export class WorkflowTurn {
  // Lists are made when first needed: there are one or two turns a step.
  #entries: Writable<TurnEntry>[] | undefined;
  #delivered: TurnEntry[] | undefined;
  #changes: Change[] | undefined;
  #positions: number[] | undefined;
  #refused: Delivery[] | undefined;
  #unheard: unknown[] | undefined;
  #undoFailures: UndoFailure[] | undefined;
  #encodedResult: unknown;
  /** Those that were reached in this turn; what still waits has its entry. */
  #scheduled: Leaf[] | undefined;
  #cancelled: string[] | undefined;

  /** An entry that waits for nothing. */
  add(entry: TurnEntry): void {
    this.#entries = append(this.#entries, entry);
  }

  /** An entry that has its outcome from the beginning. */
  answer(entry: Unanswered, outcome: Outcome, number: number): void {
    this.add({ ...entry, reached: number, delivery: number, outcome });
  }

  /** Something was changed in counters, state or progress. */
  change(change: Change): void {
    this.#changes = append(this.#changes, change);
    this.#positions = append(this.#positions, this.#entries?.length ?? 0);
  }

  /** Nobody waits for it any more. */
  refuse(delivery: Delivery): void {
    this.#refused = append(this.#refused, delivery);
  }

  /** Nobody can catch them any more. */
  leaveUnheard(errors: readonly unknown[]): void {
    (this.#unheard ??= []).push(...errors);
  }

  /** As it is to be stored. */
  keepResult(encoded: unknown): void {
    this.#encodedResult = encoded;
  }

  failUndo(failure: UndoFailure): void {
    (this.#undoFailures ??= []).push(failure);
  }

  /** An entry that waits for the host. */
  schedule(leaf: Leaf, entry: TurnEntry): void {
    this.#entries = append(this.#entries, entry);
    this.#scheduled = append(this.#scheduled, leaf);
    leaf.entry = entry;
  }

  /** An outcome has been delivered, to an entry of this turn or of an earlier one. */
  deliver(leaf: Leaf, outcome: Outcome, delivery: number, tag: unknown): void {
    const entry: Writable<TurnEntry> | undefined = leaf.entry;
    if (entry === undefined) {
      this.#delivered = append(this.#delivered, {
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
    leaf.entry = undefined;
    entry.outcome = outcome;
    entry.delivery = delivery;
    entry.tag = tag;
  }

  /** Its work is not wanted any more. */
  cancel(leaf: Leaf): void {
    this.#cancelled = append(this.#cancelled, leaf.path);
    leaf.entry = undefined;
  }

  result(done: Done | undefined, wakeAt: number | undefined): Turn {
    return {
      entries: this.#entries ?? none,
      scheduled: this.#takeScheduled(),
      delivered: this.#delivered ?? none,
      changes: this.#changes ?? none,
      positions: this.#positions ?? none,
      cancelled: this.#cancelled ?? none,
      refused: this.#refused ?? none,
      unheard: this.#unheard ?? none,
      undoFailures: this.#undoFailures ?? none,
      encodedResult: this.#encodedResult,
      done,
      wakeAt,
    };
  }

  #takeScheduled(): readonly TurnEntry[] {
    if (this.#scheduled === undefined) return none;
    let entries: TurnEntry[] | undefined;
    for (const leaf of this.#scheduled) {
      if (leaf.entry === undefined) continue;
      entries = append(entries, leaf.entry);
      leaf.entry = undefined;
    }
    return entries ?? none;
  }
}

const none: readonly never[] = [];
