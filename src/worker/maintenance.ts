import { removeEnded, sweepAll } from "../store/cleaning.ts";
import type { WorkerDeps } from "./deps.ts";
import type { NewDeadLetter } from "../store/store.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";

/** How many executions and items are ended in one transaction at most: bounds how long others wait for it. */
const batchSize = 100;
/** How often it is looked for deadlines, of what has come meanwhile. One that was seen is met at its time. */
const deadlineLookMs = 500;
/** Dead sessions are kept this long, for those who look for what happened. */
const deadSessionRetentionMs = 86_400_000;

/** Ends what passed its time while nobody worked on it, and deletes what has been kept long enough. */
export class Maintenance {
  readonly #deps: WorkerDeps;
  readonly #options: ResolvedServeOptions;
  readonly #session: () => number;
  readonly #deadLettered: (letter: NewDeadLetter) => void;
  #endExpiry: () => void = nothing;
  #endCleanup: () => void = nothing;
  #stopped = false;

  /** `session`: of this worker, as it is now. `deadLettered`: told of every dead letter that expiry left behind, after its commit. */
  constructor(
    deps: WorkerDeps,
    options: ResolvedServeOptions,
    session: () => number,
    deadLettered: (letter: NewDeadLetter) => void,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#session = session;
    this.#deadLettered = deadLettered;
  }

  start(): void {
    this.#expireLater(deadlineLookMs);
    this.#cleanLater();
  }

  stop(): void {
    this.#stopped = true;
    this.#endExpiry();
    this.#endCleanup();
  }

  #expireLater(afterMs: number): void {
    if (this.#stopped) return;
    this.#endExpiry = this.#deps.clock.schedule(afterMs, () => void this.#expire());
  }

  async #expire(): Promise<void> {
    let nextMs = deadlineLookMs;
    try {
      const { passed, nextInMs = Infinity } = await this.#deps.store.deadlines();
      nextMs = Math.min(nextMs, nextInMs);
      if (passed) await this.#endPassed();
    } catch (error) {
      this.#deps.observer.log.warn(
        "what is past its deadline or totalTimeout could not be ended; it is tried again",
        { error },
      );
    }
    await this.#trim();
    this.#expireLater(nextMs);
  }

  async #endPassed(): Promise<void> {
    let ended: number;
    do {
      const expired = await this.#deps.committer.submit("expire", { limit: batchSize });
      ({ ended } = expired);
      for (const letter of expired.deadLetters) this.#deadLettered(letter);
    } while (ended === batchSize && !this.#stopped);
  }

  /** A workflow that goes on for ever by continueAsNew leaves one journal after the other behind. */
  async #trim(): Promise<void> {
    const { store, committer, observer } = this.#deps;
    try {
      if (!(await store.anyLeftRun())) return;
      while (!this.#stopped && (await committer.submit("trim", {})));
    } catch (error) {
      observer.log.warn("journals of runs that are over could not be removed; it is tried again", {
        error,
      });
    }
  }

  #cleanLater(): void {
    const interval = this.#options.cleanupIntervalMs;
    if (interval === undefined || this.#stopped) return;
    this.#endCleanup = this.#deps.clock.schedule(interval, () => void this.#clean());
  }

  async #clean(): Promise<void> {
    try {
      await this.cleanUp();
    } catch (error) {
      this.#deps.observer.log.warn("old executions could not be deleted; it is tried again", {
        error,
      });
    }
    this.#cleanLater();
  }

  /** Deletes executions that ended longer ago than the retention period, old dead letters, dead sessions, expired results: unless another worker does. */
  async cleanUp(): Promise<void> {
    const { store, committer, clock } = this.#deps;
    const now = await store.now();
    const { retentionPeriodMs, deadLetterRetentionMs } = this.#options;
    const goesOn = (): boolean => !this.#stopped;
    const rest = (ms: number): Promise<void> =>
      new Promise((resolve) => void clock.schedule(ms, resolve));
    const cleaner = { store, committer, session: this.#session(), goesOn, rest };
    await sweepAll(cleaner, {
      ...(deadLetterRetentionMs === Infinity ? {} : { lettersBefore: now - deadLetterRetentionMs }),
      sessionsBefore: now - deadSessionRetentionMs,
    });
    await removeEnded(cleaner, now - retentionPeriodMs);
  }
}

function nothing(): void {
  // no timer is set
}
