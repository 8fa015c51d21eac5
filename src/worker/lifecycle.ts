import { ClosedError } from "../core/errors.ts";

/** How far a worker is in its life; it only moves to the right. */
export type WorkerState = "starting" | "ready" | "draining" | "stopped";

/** One worker's life, to be watched and ended from outside: starting → ready → draining → stopped. */
export class WorkerLifecycle {
  readonly name: string | undefined;
  #state: WorkerState = "starting";
  readonly #ready = new Turning();
  readonly #stopped = new Turning();
  readonly #drainListeners = new Set<() => void>();

  constructor(name?: string) {
    this.name = name;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** @throws what stopped the worker before it was ready; ClosedError if it was told to stop before. */
  waitUntilReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** Resolves when the worker has released everything and stopped. @throws what stopped it, if that was an error. */
  waitUntilStopped(): Promise<void> {
    return this.#stopped.promise;
  }

  /** Asks the worker to claim nothing more, end what is running and stop. Idempotent; also before it is ready, or before `serve`. */
  requestDrain(): void {
    if (this.#state === "draining" || this.#state === "stopped") return;
    this.#state = "draining";
    const listeners = [...this.#drainListeners];
    this.#drainListeners.clear();
    for (const listener of listeners) listener();
  }

  /** @internal The worker claims from now on. After a drain was requested it stays draining. */
  toReady(): void {
    if (this.#state !== "starting") return;
    this.#state = "ready";
    this.#ready.resolve();
  }

  /** @internal The worker has released everything; `error` is what it stopped by, if not by a drain. The first call counts. */
  toStopped(error?: Error): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#drainListeners.clear();
    this.#ready.reject(error ?? new ClosedError(`${this.#title} was stopped before it was ready`)); // no effect if it was
    if (error === undefined) this.#stopped.resolve();
    else this.#stopped.reject(error);
  }

  /** @internal Calls `listener` once, when a drain is requested; at once if it has been. @returns a function that takes it back. */
  onDrain(listener: () => void): () => void {
    if (this.#state === "draining") listener();
    else if (this.#state !== "stopped") this.#drainListeners.add(listener);
    return () => {
      this.#drainListeners.delete(listener);
    };
  }

  get #title(): string {
    return this.name === undefined ? "the worker" : `the worker "${this.name}"`;
  }
}

/** A moment that comes once, or fails to. Nobody has to wait for it: an error that nobody sees here is thrown by `serve` as well. */
class Turning {
  readonly promise: Promise<void>;
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => undefined);
  }
}
