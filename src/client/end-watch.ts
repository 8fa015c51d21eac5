/**
 * Waits for executions to end: all waits of one client through one watch.
 *
 *   W1  In this process a commit's hint wakes a wait at once; what other processes commit is seen by one cheap read every few
 *       milliseconds; and one poller asks for all that are waited for, in case both were missed.
 *   W2  Nothing runs while nobody waits: no timer, no listener.
 *   W3  A wait is told how its execution ended, as it was committed. Being told twice does no harm.
 */
import type { ForeignWatch } from "../store/foreign-watch.ts";
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
  readonly foreign: ForeignWatch;
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
  readonly #waits = new Map<string, Set<EndWait>>();
  #failure: Error | undefined;
  #delayMs: number;
  #takeBack: (() => void)[] = [];
  #unschedule: (() => void) | undefined;
  #looking = false;
  #restUntil = 0;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    this.#delayMs = deps.polling.minMs;
  }

  /** Begins to wait; `close` it in the end. @throws what the watch was closed with. */
  open(id: string): EndWait {
    if (this.#failure !== undefined) throw this.#failure;
    const wait = new EndWait(() => this.#forget(id, wait));
    const others = this.#waits.get(id);
    if (others === undefined) this.#waits.set(id, new Set([wait]));
    else others.add(wait);
    if (this.#takeBack.length === 0) this.#start();
    else this.#pollSoon();
    return wait;
  }

  /** Fails every wait, now and later. */
  close(error: Error): void {
    this.#failure ??= error;
    for (const waits of this.#waits.values()) for (const wait of waits) wait.fail(this.#failure);
  }

  #forget(id: string, wait: EndWait): void {
    const waits = this.#waits.get(id);
    waits?.delete(wait);
    if (waits?.size === 0) this.#waits.delete(id);
    if (this.#waits.size === 0) this.#stop();
  }

  #start(): void {
    const { hints, foreign, polling } = this.#deps;
    this.#delayMs = polling.minMs;
    this.#takeBack = [
      hints.on(({ ended }) => this.#tell(ended)),
      foreign.on(() => this.#lookUnlessTired()),
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
    for (const ended of executions)
      for (const wait of this.#waits.get(ended.id) ?? []) wait.tell(ended);
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

  /** Another process that writes without a pause must not make this one read without a pause. */
  #lookUnlessTired(): void {
    if (monotonicMs() < this.#restUntil) this.#pollSoon();
    else void this.#look();
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

/** One wait for one execution. */
export class EndWait {
  readonly #onClose: () => void;
  #ended: EndedExecution | undefined;
  #failure: { readonly reason: unknown } | undefined;
  #waiting: { resolve(ended: EndedExecution): void; reject(reason: unknown): void } | undefined;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  /** Resolves when the execution has ended since the wait was opened. @throws what the wait has failed with. */
  next(): Promise<EndedExecution> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#settle();
    });
  }

  tell(ended: EndedExecution): void {
    this.#ended = ended;
    this.#settle();
  }

  /** Ends the wait; the first reason counts. */
  fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#settle();
  }

  close(): void {
    this.#onClose();
  }

  #settle(): void {
    if (this.#waiting === undefined) return;
    if (this.#failure !== undefined) this.#waiting.reject(this.#failure.reason);
    else if (this.#ended !== undefined) this.#waiting.resolve(this.#ended);
    else return;
    this.#waiting = undefined;
  }
}
