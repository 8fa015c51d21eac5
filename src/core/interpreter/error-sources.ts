import type { Outcome } from "../journal.ts";

/** Which deliveries the errors of a workflow go back to. */
export class ErrorSources {
  #numbers: WeakMap<object, number> | undefined;
  #last = 0;

  /** The number of the last outcome. */
  get last(): number {
    return this.#last;
  }

  /** An outcome is given to the workflow. */
  give(outcome: Outcome, number: number): void {
    this.#last = number;
    if (!outcome.ok && typeof outcome.error === "object" && outcome.error !== null)
      this.note(outcome.error, number);
  }

  /** An error comes from this delivery. */
  note(error: object, number: number): void {
    this.#numbers ??= new WeakMap();
    this.#numbers.set(error, number);
  }

  /** The delivery that an error comes from: by identity, or in its chain of causes. */
  of(error: unknown): number | undefined {
    const seen = new Set<unknown>();
    for (
      let current: unknown = error;
      typeof current === "object" && current !== null && !seen.has(current);
    ) {
      const number = this.#numbers?.get(current);
      if (number !== undefined) return number;
      seen.add(current);
      current = "cause" in current ? current.cause : undefined;
    }
    return undefined;
  }
}
