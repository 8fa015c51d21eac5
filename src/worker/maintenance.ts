import type { WorkerDeps } from "./deps.ts";
import type { NewDeadLetter } from "../store/store.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";

/** How many executions and items are ended, or executions deleted, in one transaction at most: bounds how long others wait for it. */
const batchSize = 100;
/** How often it is looked for deadlines, of what has come meanwhile. One that was seen is met at its time. */
const deadlineLookMs = 500;
/** Dead sessions are kept this long, for those who look for what happened. */
const deadSessionRetentionMs = 86_400_000;

/** Ends what passed its time while nobody worked on it, and deletes what has been kept long enough. */
export class Maintenance {
  readonly #deps: WorkerDeps;
  readonly #options: ResolvedServeOptions;
  readonly #deadLettered: (letter: NewDeadLetter) => void;
  #endExpiry: () => void = nothing;
  #endCleanup: () => void = nothing;
  #stopped = false;

  /** `deadLettered`: told of every dead letter that expiry left behind, after its commit. */
  constructor(
    deps: WorkerDeps,
    options: ResolvedServeOptions,
    deadLettered: (letter: NewDeadLetter) => void,
  ) {
    this.#deps = deps;
    this.#options = options;
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

  /** Deletes, in bounded batches, executions that ended longer ago than the retention period, old dead letters and dead sessions. */
  async cleanUp(): Promise<void> {
    const { store, committer } = this.#deps;
    const now = await store.now();
    const { retentionPeriodMs, deadLetterRetentionMs } = this.#options;
    await committer.submit("remove", {
      ...(deadLetterRetentionMs === Infinity
        ? {}
        : { deadLettersBefore: now - deadLetterRetentionMs }),
      deadSessionsBefore: now - deadSessionRetentionMs,
      expiredResults: true,
      limit: batchSize,
    });
    let after = 0;
    for (;;) {
      const keys = await store.finishedBefore(now - retentionPeriodMs, after, batchSize);
      const last = keys.at(-1);
      if (last === undefined || this.#stopped) return;
      await committer.submit("remove", { keys, limit: batchSize });
      after = last;
    }
  }
}

function nothing(): void {
  // no timer is set
}
