import { failed, maxUnwaitedEffects, tooManyEffects, type Refusal } from "./refusals.ts";

/** How many more a workflow may yield past `maxUnwaitedEffects` before it is ended without being asked. */
const runawayEffects = 1_000;

/** Thrown through the interpreter when a workflow cannot be made to wait. */
export class Runaway extends Error {}

/** Counts the effects in a row that were answered at once. */
export class UnwaitedEffects {
  #count = 0;

  /** What waits for the host is let through past the limit: it is what the workflow should do. @throws Runaway */
  add(mayWait: boolean): Refusal | undefined {
    this.#count += 1;
    if (this.#count <= maxUnwaitedEffects) return undefined;
    if (this.#count > maxUnwaitedEffects + runawayEffects) throw new Runaway();
    return mayWait ? undefined : failed(tooManyEffects());
  }

  /** The last one is not answered yet. */
  takeBack(): void {
    this.#count -= 1;
  }

  reset(): void {
    this.#count = 0;
  }
}
