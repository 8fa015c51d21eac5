/**
 * Waits for executions to end: all waits of one client through one watch.
 *
 *   W1  In this process a commit's hint wakes a wait at once; what is known of other processes' commits is asked for at once; and one
 *       poller asks for all that are waited for, in case both were missed.
 *   W2  Nothing runs while nobody waits: no timer, no listener.
 *   W3  A wait is told how its execution ended, as it was committed. Being told twice does no harm.
 */
import { ExecutionNotFoundError } from "../core/errors.ts";
import { TurnoverMap } from "../core/turnover-map.ts";
import type { ForeignChanges, ForeignHints } from "../store/foreign-changes.ts";
import type { HintHub } from "../store/hint-hub.ts";
import { monotonicMs, type Clock } from "../runtime/clock.ts";
import type { EndedExecution, Store } from "../store/store.ts";

/** How often a poller looks: from `minMs` to `maxMs`, by `factor`, ± 20 %. */
export interface Polling {
  readonly minMs: number;
  readonly maxMs: number;
  readonly factor: number;
}

interface WatchDeps {
  readonly store: Pick<Store, "ended">;
  readonly clock: Clock;
  readonly hints: HintHub;
  readonly foreign: ForeignChanges;
  readonly polling: Polling;
}

const jitter = 0.2;
/** A look that other processes' commits bring about may take up to this share of the time. */
const restFactor = 4;
/** Most ids that are asked for at once, so that many waits do not hold up the event loop. */
const maxAsked = 1_000;

/** Tells waits how their execution has ended. */
export class EndWatch {
  readonly #deps: WatchDeps;
  /** The newest wait for each execution. */
  readonly #waits = new TurnoverMap<string, EndWait>();
  #failure: Error | undefined;
  #delayMs: number;
  #takeBack: (() => void)[] = [];
  #unschedule: (() => void) | undefined;
  #looking = false;
  #restUntil = 0;
  /** Those that another process has ended, until they are asked for. */
  #named = new Set<string>();
  #asking = false;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    this.#delayMs = deps.polling.minMs;
  }

  /** Begins to wait. @throws what the watch was closed with */
  open(id: string): EndWait {
    if (this.#failure !== undefined) throw this.#failure;
    const wait = new EndWait(id, this.#waits.get(id), this.#over);
    this.#waits.set(id, wait);
    if (this.#takeBack.length === 0) this.#start();
    else this.#pollSoon();
    return wait;
  }

  /** Fails every wait, now and later. */
  close(error: Error): void {
    this.#failure ??= error;
    for (const newest of this.#waits.values())
      for (const wait of chain(newest)) wait.fail(this.#failure);
  }

  /** Of several waits for one execution the newest leads to the others. */
  readonly #over = (over: EndWait): void => {
    const others = [...chain(this.#waits.get(over.id))].filter((wait) => wait !== over);
    this.#waits.take(over.id);
    for (const wait of others.toReversed()) {
      wait.older = this.#waits.get(over.id);
      this.#waits.set(over.id, wait);
    }
    if (this.#waits.size === 0) this.#stop();
  };

  #start(): void {
    const { hints, foreign, polling } = this.#deps;
    this.#delayMs = polling.minMs;
    this.#takeBack = [
      hints.on(({ ended }) => this.#tell(ended)),
      foreign.on((told) => this.#endedElsewhere(told)),
    ];
    this.#poll();
  }

  #stop(): void {
    for (const takeBack of this.#takeBack) takeBack();
    this.#takeBack = [];
    this.#unschedule?.();
    this.#unschedule = undefined;
  }

  #tell(executions: readonly EndedExecution[]): void {
    for (const ended of executions) {
      const newest = this.#waits.take(ended.id);
      if (newest === undefined) continue;
      for (const wait of chain(newest)) wait.tell(ended);
    }
    if (this.#waits.size === 0) this.#stop();
  }

  #poll(): void {
    const { clock, polling } = this.#deps;
    this.#unschedule?.();
    const delayMs = this.#delayMs * (1 - jitter + 2 * jitter * Math.random());
    this.#delayMs = Math.min(polling.maxMs, this.#delayMs * polling.factor);
    this.#unschedule = clock.schedule(delayMs, () => {
      void this.#look();
      if (this.#waits.size > 0) this.#poll();
    });
  }

  #pollSoon(): void {
    if (this.#delayMs <= this.#deps.polling.minMs * this.#deps.polling.factor) return;
    this.#delayMs = this.#deps.polling.minMs;
    this.#poll();
  }

  #endedElsewhere({ ended }: ForeignHints): void {
    if (ended === "any") return this.#lookUnlessTired();
    for (const id of ended) if (this.#waits.has(id)) this.#named.add(id);
    if (this.#named.size > 0 && !this.#asking) void this.#askForNamed();
  }

  /** One question at a time: what is named meanwhile goes into the next one. */
  async #askForNamed(): Promise<void> {
    this.#asking = true;
    try {
      while (this.#named.size > 0) {
        const ids = [...this.#named];
        this.#named = new Set();
        for (let from = 0; from < ids.length; from += maxAsked)
          this.#tell(await this.#deps.store.ended(ids.slice(from, from + maxAsked)));
      }
    } catch {
      this.#named = new Set(); // polling goes on
    } finally {
      this.#asking = false;
    }
  }

  /** Another process that writes without a pause must not make this one read without a pause. */
  #lookUnlessTired(): void {
    if (monotonicMs() < this.#restUntil) this.#pollSoon();
    else void this.#look();
  }

  /** What one wait has found out for all that wait for the same. */
  tell(ended: EndedExecution): void {
    this.#tell([ended]);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const beganAt = monotonicMs();
    try {
      const ids = [...this.#waits.keys()];
      for (let from = 0; from < ids.length; from += maxAsked) {
        if (from > 0) await new Promise<void>((resume) => setImmediate(resume));
        this.#tell(await this.#deps.store.ended(ids.slice(from, from + maxAsked)));
      }
    } catch {
      // An outage of the database ends no wait; the next look may succeed.
    } finally {
      const endedAt = monotonicMs();
      this.#restUntil = endedAt + restFactor * (endedAt - beganAt);
      this.#looking = false;
    }
  }
}

/** One wait for one execution. There may be many thousands of them: it is one promise, and nothing to be closed once that has settled. */
export class EndWait {
  readonly id: string;
  /** How the execution has ended. @throws ExecutionNotFoundError if it was removed; what the wait has failed with */
  readonly ended: Promise<EndedExecution>;
  /** The wait for the same execution before this one. */
  older: EndWait | undefined;
  readonly #over: (wait: EndWait) => void;
  #resolve: (ended: EndedExecution) => void = nothing;
  #reject: (reason: unknown) => void = nothing;
  #open = true;

  constructor(id: string, older: EndWait | undefined, over: (wait: EndWait) => void) {
    this.id = id;
    this.older = older;
    this.#over = over;
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The execution has ended. By W3. */
  tell(ended: EndedExecution): void {
    this.#open = false;
    if (ended.state === undefined) this.#reject(new ExecutionNotFoundError(this.id));
    else this.#resolve(ended);
  }

  /** Ends the wait; the first reason counts. */
  fail(reason: unknown): void {
    if (!this.#open) return;
    this.#open = false;
    this.#over(this);
    this.#reject(reason);
  }
}

function* chain(newest: EndWait | undefined): Generator<EndWait> {
  for (let wait = newest; wait !== undefined; wait = wait.older) yield wait;
}

function nothing(): void {
  // settled in the promise's constructor
}
