import { cancel, resolveCancelOptions, type CancelOptions } from "./client/cancel.ts";
import type { Connection } from "./client/connection.ts";
import {
  resolveDispatchOptions,
  resolveManyOptions,
  type DispatchOptions,
} from "./client/dispatch-options.ts";
import { dispatchAll } from "./client/dispatch.ts";
import { ClientHandle, type ExecutionHandle } from "./client/handle.ts";
import { checkDispatchable, newExecution } from "./client/new-execution.ts";
import { outcomeOf } from "./client/outcome.ts";
import { resolveRetryOptions, retry, type RetryOptions } from "./client/retry.ts";
import { resultOf } from "./client/result-of.ts";
import { newSignal, sendSignal, type SendSignalOptions } from "./client/send-signal.ts";
import { resolveWaitOptions, waitForEnd, type WaitOptions } from "./client/wait.ts";
import type { Duration } from "./core/duration.ts";
import type { Durable } from "./core/durable.ts";
import type { SignalDefinition } from "./core/effects/signal.ts";
import { ClosedError, StentError } from "./core/errors.ts";
import { allowRedefinition } from "./core/registry.ts";
import type { Result } from "./core/result.ts";
import type { NewExecution } from "./store/store.ts";
import { closeConnection, openConnection } from "./stent/open-connection.ts";
import { resolveStentOptions, type ResolvedStentOptions, type StentOptions } from "./stent/options.ts";
import { Workers, type WorkerStatusOverview } from "./stent/workers.ts";
import type { WorkerLifecycle } from "./worker/lifecycle.ts";
import type { ServeOptions } from "./worker/serve-options.ts";

// Modules are read anew while a program is being written; their definitions replace those of the last reading.
if (process.env["NODE_ENV"] === "development") allowRedefinition(true);

/** How a bootstrapped Stent begins. */
export interface BootstrapOptions {
  /** A worker in this process; true: with the default options. */
  serve?: boolean | ServeOptions;
}

/** What was begun before `close` may take this long to be stored. */
const closePatienceMs = 5_000;

/** Durable functions over one database: starts executions, looks at them, and serves them. Connects on first use. */
export class Stent implements AsyncDisposable {
  readonly #options: ResolvedStentOptions;
  readonly #workers: Workers;
  /** What has been begun and is not over; waits are not among it. */
  readonly #acts = new Set<Promise<unknown>>();
  #connection: Promise<Connection> | undefined;
  #closing: Promise<void> | undefined;

  /** @throws TypeError, RangeError or InvalidDurationError for a wrong option; NotSupportedError */
  constructor(options: StentOptions) {
    this.#options = resolveStentOptions(options);
    this.#workers = new Workers(() => this.#connected());
  }

  /** Connect, migrate, ready. @throws DatabaseError, SchemaMismatchError */
  static async open(options: string | StentOptions): Promise<Stent> {
    const stent = new Stent(typeof options === "string" ? { backend: options } : options);
    await stent.#connected();
    return stent;
  }

  /** `open`, and with `serve` a worker in this process, ready when this resolves. `close` (or `await using`) drains and disconnects. */
  static async bootstrap(
    options: string | StentOptions,
    bootstrap: BootstrapOptions = {},
  ): Promise<Stent> {
    const stent = await Stent.open(options);
    const { serve = false } = bootstrap;
    if (serve === false) return stent;
    try {
      const serving = stent.serve(serve === true ? {} : serve);
      // What stops it later is told by the log and by its lifecycle: nobody awaits this promise.
      await Promise.race([stent.waitUntilReady(), serving]);
      serving.catch(() => undefined);
      return stent;
    } catch (error) {
      await stent.close();
      throw error;
    }
  }

  /** Starts an execution. @throws UnregisteredFunctionError, ExecutionExistsError, ValidationError, SerializationError, TypeError */
  async dispatch<A extends readonly unknown[], R>(
    fn: Durable<A, R>,
    args: NoInfer<A>,
    options?: DispatchOptions,
  ): Promise<ExecutionHandle<R>> {
    return this.#dispatch<A, R>(fn, args, resolveDispatchOptions(options));
  }
}
