import { DatabaseError } from "../core/errors.ts";
import { delay } from "../runtime/clock.ts";
import type { Transitions } from "../store/store.ts";
import type { WorkerDeps } from "./deps.ts";

const firstPauseMs = 50;
const longestPauseMs = 1_000;

/** Stores, and tries again while the database cannot: a commit that failed has stored nothing, so the same request may be handed in again. */
export class PatientCommitter {
  readonly #deps: WorkerDeps;
  readonly #workerId: string;
  readonly #stopped: AbortSignal;

  /** `stopped`: from then on nothing is tried again. */
  constructor(deps: WorkerDeps, workerId: string, stopped: AbortSignal) {
    this.#deps = deps;
    this.#workerId = workerId;
    this.#stopped = stopped;
  }

  /** `answered`: with nothing once the worker has stopped. `failed`: with what no other try would mend. */
  hand<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
    answered: (answer: Transitions[K]["answer"] | undefined) => void,
    failed: (error: unknown) => void,
  ): void {
    this.#deps.committer.hand(kind, request, answered, (error) => {
      if (error instanceof DatabaseError) void this.#handAgain(kind, request, answered, failed);
      else failed(error);
    });
  }

  async #handAgain<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
    answered: (answer: Transitions[K]["answer"] | undefined) => void,
    failed: (error: unknown) => void,
  ): Promise<void> {
    try {
      answered(await this.insist(() => this.#deps.committer.submit(kind, request)));
    } catch (error) {
      failed(error);
    }
  }

  /** Does `act`, which stores something, until the database can. @returns undefined once the worker has stopped. */
  async insist<T>(act: () => Promise<T>): Promise<T | undefined> {
    for (let pause = firstPauseMs; ; pause = Math.min(longestPauseMs, pause * 2)) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        if (this.#stopped.aborted) return undefined;
        if (pause === firstPauseMs)
          this.#deps.observer.log.error(
            "what was done could not be stored yet; it is tried again",
            { workerId: this.#workerId, error },
          );
      }
      await delay(this.#deps.clock, pause, this.#stopped);
    }
  }
}
