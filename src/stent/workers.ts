import type { Adopter, Connection } from "../client/connection.ts";
import { ClosedError } from "../core/errors.ts";
import { WorkerLifecycle, type WorkerState } from "../worker/lifecycle.ts";
import {
  resolveServeOptions,
  type ResolvedServeOptions,
  type ServeOptions,
} from "../worker/serve-options.ts";
import { Worker } from "../worker/worker.ts";
import type { Health } from "./health.ts";

/** How the workers of one client are doing. */
export interface WorkerStatusOverview {
  /** At least one takes work. */
  ready: boolean;
  /** At least one is ending what it runs, and takes no more. */
  draining: boolean;
  workers: { name: string; state: WorkerState }[];
}

interface Life {
  name: string;
  serving: Promise<void> | undefined;
  worker: Worker | undefined;
}

/** The workers of one client, from their lifecycle's making to their end. */
export class Workers {
  readonly #connect: () => Promise<Connection>;
  readonly #lives = new Map<WorkerLifecycle, Life>();
  readonly #readyWaits = new Set<{ resolve(): void; reject(error: Error): void }>();
  #closed = false;

  constructor(connect: () => Promise<Connection>) {
    this.#connect = connect;
  }

  /** A lifecycle to be given to `serve`. */
  newLifecycle(name?: string): WorkerLifecycle {
    const lifecycle = new WorkerLifecycle(name);
    this.#lifeOf(lifecycle, "worker");
    return lifecycle;
  }

  /** Runs a worker until it is drained. @throws TypeError, RangeError for a wrong option; what stopped it */
  async serve(options?: ServeOptions): Promise<void> {
    if (this.#closed) throw new ClosedError();
    const resolved = resolveServeOptions(options);
    const life = this.#lifeOf(resolved.lifecycle, resolved.workerId);
    if (life.serving !== undefined) {
      throw new TypeError(
        "this lifecycle has a worker already; each worker needs its own, from createWorkerLifecycle()",
      );
    }
    life.serving = this.#run(life, resolved);
    await life.serving;
  }

  async #run(life: Life, options: ResolvedServeOptions): Promise<void> {
    const { lifecycle } = options;
    try {
      const connection = await this.#connect();
      if (lifecycle.state === "draining") return lifecycle.toStopped();
      life.worker = new Worker(connection, options);
      await life.worker.start();
      this.#endReadyWaits((wait) => wait.resolve());
      await life.worker.stopped;
    } catch (error) {
      const stoppedBy = error instanceof Error ? error : new Error(String(error));
      lifecycle.toStopped(stoppedBy);
      this.#endReadyWaits((wait) => wait.reject(stoppedBy));
      throw stoppedBy;
    }
  }

  /** Resolves when a worker of this client is ready; waits for one to be started. @throws what stopped it before; ClosedError */
  waitUntilReady(): Promise<void> {
    if (this.#closed) return Promise.reject(new ClosedError());
    if (this.overview().ready) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const wait = { resolve, reject };
      this.#readyWaits.add(wait);
    });
  }

  /** Asks one worker to end, or all of them. */
  requestDrain(lifecycle?: WorkerLifecycle): void {
    for (const each of lifecycle === undefined ? this.#lives.keys() : [lifecycle])
      each.requestDrain();
  }

  overview(): WorkerStatusOverview {
    const workers = [...this.#lives].map(([{ state }, { name }]) => ({ name, state }));
    return {
      ready: workers.some(({ state }) => state === "ready"),
      draining: workers.some(({ state }) => state === "draining"),
      workers,
    };
  }

  /** As `overview`, with whether each has a session whose lease has not run out. */
  health(): Health["workers"] {
    return [...this.#lives].map(([{ state }, { name, worker }]) => ({
      name,
      state,
      sessionLive: worker?.sessionLive ?? false,
    }));
  }

  /** The worker that takes what is dispatched here at once. */
  adopter(): Adopter | undefined {
    for (const [lifecycle, { worker }] of this.#lives) {
      if (lifecycle.state === "ready" && worker !== undefined) return worker.adopter;
    }
    return undefined;
  }

  /** Drains them all and waits until they have stopped. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#endReadyWaits((wait) => wait.reject(new ClosedError()));
    this.requestDrain();
    // What stopped a worker is told by its `serve`.
    await Promise.allSettled([...this.#lives.values()].flatMap(({ serving }) => serving ?? []));
  }

  /** Lives that are over are forgotten when the next one begins. */
  #lifeOf(lifecycle: WorkerLifecycle, workerId: string): Life {
    const standing = this.#lives.get(lifecycle);
    if (standing !== undefined) {
      standing.name = lifecycle.name ?? workerId;
      return standing;
    }
    for (const each of this.#lives.keys()) if (each.state === "stopped") this.#lives.delete(each);
    const life = { name: lifecycle.name ?? workerId, serving: undefined, worker: undefined };
    this.#lives.set(lifecycle, life);
    return life;
  }

  #endReadyWaits(end: (wait: { resolve(): void; reject(error: Error): void }) => void): void {
    for (const wait of this.#readyWaits) end(wait);
    this.#readyWaits.clear();
  }
}
