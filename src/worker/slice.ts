import { monotonicMs } from "../runtime/clock.ts";

/** How long what was taken from the queue goes on before what waits there has its turn. */
const lengthMs = 20;

/**
 * The time in which a workflow, once taken from the queue, begins its next steps at once though others wait: a step that goes through the queue
 * costs four commits in place of one. Short steps go on in it by the dozen; behind a long one it is over, and the slot is for who waits.
 */
export class Slice {
  readonly #endsAt = monotonicMs() + lengthMs;

  get lasts(): boolean {
    return monotonicMs() < this.#endsAt;
  }
}
