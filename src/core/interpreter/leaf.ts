import type { AnyEffect } from "../effects/any-effect.ts";
import type { EntryKind, Outcome } from "../journal.ts";
import { closed, type Closing, type Node, type Parent, type Settlement } from "./node.ts";
import type { Timer } from "./timers.ts";
import type { TurnEntry } from "./turn.ts";

/** What a leaf needs of the coroutine. */
export interface LeafHost {
  /** Enters it in the journal, or answers it at once. */
  schedule(leaf: Leaf): Settlement | undefined;
  /** Nobody waits for it any more: it leaves the pending ones, and the host is told. */
  drop(leaf: Leaf): void;
  /** The host is told to stop it, but its outcome is still waited for. */
  tell(leaf: Leaf): void;
}

/** One effect that waits for the host. */
export class Leaf implements Node, Timer {
  readonly path: string;
  readonly kind: EntryKind;
  readonly effect: AnyEffect;
  readonly order: number;
  dueAt = Infinity;
  /** The delivery that led to it. */
  reached = 0;
  /** Its entry, in the turn in which it was reached; after that turn none. */
  entry: TurnEntry | undefined;
  readonly #parent: Parent;
  readonly #host: LeafHost;
  #late = false;

  constructor(
    path: string,
    kind: EntryKind,
    effect: AnyEffect,
    order: number,
    parent: Parent,
    host: LeafHost,
  ) {
    this.path = path;
    this.kind = kind;
    this.effect = effect;
    this.order = order;
    this.#parent = parent;
    this.#host = host;
  }

  /** It has been told to stop; only a value is still of interest. */
  get late(): boolean {
    return this.#late;
  }

  begin(): Settlement | undefined {
    return this.#host.schedule(this);
  }

  close(closing: Closing): Settlement | undefined {
    if (closing.awaited?.has(this.path) === true) {
      this.#late = true;
      this.#host.tell(this);
      return undefined;
    }
    this.#host.drop(this);
    return closed;
  }

  /** Hands on its outcome. */
  deliver(outcome: Outcome): void {
    this.#parent.settled(this, this.#settlement(outcome));
  }

  /** Stops waiting for it. */
  giveUp(): void {
    this.#host.drop(this);
    this.#parent.settled(this, closed);
  }

  #settlement(outcome: Outcome): Settlement {
    if (outcome.ok) return { kind: "value", value: outcome.value };
    return this.#late ? closed : { kind: "error", error: outcome.error };
  }
}
