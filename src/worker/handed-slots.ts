import type { Slots } from "./slots.ts";

/**
 * Slots of calls from the queue that have ended, kept for the next steps of their workflows while these are claimed again: else a workflow would
 * find the slot taken by what waited behind it, and pass through the queue with every step.
 */
export class HandedSlots {
  readonly #slots: Slots;
  /** By the workflow's key: whether a claim has been asked for since, which brings it unless it goes on elsewhere. */
  readonly #kept = new Map<number, boolean>();

  constructor(slots: Slots) {
    this.#slots = slots;
  }

  /** @returns false if there is one for it already */
  keep(execution: number): boolean {
    if (this.#kept.has(execution)) return false;
    this.#kept.set(execution, false);
    return true;
  }

  /** The workflow goes on here. @returns whether there was one for it */
  take(execution: number): boolean {
    return this.#kept.delete(execution);
  }

  claimAsked(): void {
    for (const execution of this.#kept.keys()) this.#kept.set(execution, true);
  }

  /** Frees those of workflows that the claim has not brought. */
  claimOver(): void {
    for (const [execution, asked] of this.#kept) {
      if (!asked) continue;
      this.#kept.delete(execution);
      this.#slots.release();
    }
  }
}
