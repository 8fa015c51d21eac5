import { cancel, resolveCancelOptions, type CancelOptions } from "./client/cancel.ts";
import type { Connection } from "./client/connection.ts";
import {
  resolveDispatchOptions,
  resolveManyOptions,
  type DispatchOptions,
} from "./client/dispatch-options.ts";
import { dispatchAll } from "./client/dispatch.ts";
import type { ExecutionState } from "./client/execution-state.ts";
import { ClientHandle, type ExecutionHandle } from "./client/handle.ts";
import { checkDispatchable, newExecution, newExecutions } from "./client/new-execution.ts";
import { outcomeOf } from "./client/outcome.ts";
import { resultOf } from "./client/result-of.ts";
import { resolveRetryOptions, retry, type RetryOptions } from "./client/retry.ts";
import { newSignal, sendSignal, type SendSignalOptions } from "./client/send-signal.ts";
import { stateOf } from "./client/state-of.ts";
import { resolveWaitOptions, waitForEnd, type WaitOptions } from "./client/wait.ts";
import type { Duration } from "./core/duration.ts";
import type { Durable } from "./core/durable.ts";
import type { SignalDefinition } from "./core/effects/signal.ts";
import { ClosedError, StentError } from "./core/errors.ts";
import { allowRedefinition } from "./core/registry.ts";
import type { Result } from "./core/result.ts";
import type { DispatchRequest, NewExecution } from "./store/store.ts";
import { closeConnection, openConnection } from "./stent/open-connection.ts";
import {
  resolveStentOptions,
  type ResolvedStentOptions,
  type StentOptions,
} from "./stent/options.ts";
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

/** Durable functions over one database: starts executions, looks at them, and serves them. Connects on first use. */
export class Stent implements AsyncDisposable {
  readonly #options: ResolvedStentOptions;
  readonly #workers: Workers;
  /** What is being asked of the database now; waits are not among it. */
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
    const serving = stent.serve(serve === true ? {} : serve);
    try {
      await Promise.race([stent.waitUntilReady(), serving]);
    } catch (error) {
      await stent.close();
      throw error;
    }
    // Nobody awaits it from here on.
    serving.catch((error: unknown) => {
      stent.#options.observer.log.error("the worker has stopped", { error });
    });
    return stent;
  }

  // ── starting ──

  /** Starts an execution. @throws UnregisteredFunctionError, ExecutionExistsError, ValidationError, SerializationError, TypeError */
  async dispatch<A extends readonly unknown[], R>(
    fn: Durable<A, R>,
    args: NoInfer<A>,
    options?: DispatchOptions,
  ): Promise<ExecutionHandle<R>> {
    const resolved = resolveDispatchOptions(options);
    checkDispatchable(this.#options.registry, fn);
    const execution = await newExecution(this.#options.codec, fn, args, resolved);
    await this.#start([execution], resolved.ifExists);
    return this.execution<R>(execution.id);
  }

  /** Many at once, in one transaction: all of them or none. @throws as `dispatch`; TypeError for an `id` */
  async dispatchMany<A extends readonly unknown[], R>(
    fn: Durable<A, R>,
    args: readonly NoInfer<A>[],
    options?: DispatchOptions,
  ): Promise<ExecutionHandle<R>[]> {
    const resolved = resolveManyOptions(options);
    checkDispatchable(this.#options.registry, fn);
    const executions = await newExecutions(this.#options.codec, fn, args, resolved);
    await this.#start(executions, resolved.ifExists);
    return executions.map(({ id }) => this.execution<R>(id));
  }

  /** `dispatch` with a delay. */
  async schedule<A extends readonly unknown[], R>(
    delay: Duration,
    fn: Durable<A, R>,
    args: NoInfer<A>,
    options?: DispatchOptions,
  ): Promise<ExecutionHandle<R>> {
    if (options?.delay !== undefined) throw new TypeError("schedule takes its delay first; leave the option delay out");
    return this.dispatch<A, R>(fn, args, { ...options, delay });
  }

  /** dispatch, wait, unwrap. */
  async run<A extends readonly unknown[], R>(
    fn: Durable<A, R>,
    args: NoInfer<A>,
    options?: DispatchOptions,
  ): Promise<R> {
    const handle = await this.dispatch<A, R>(fn, args, options);
    return handle.result();
  }

  /** A handle on the execution of that id. */
  execution<R = unknown>(id: string): ExecutionHandle<R> {
    return new ClientHandle<R>(id, this);
  }

  #start(
    executions: readonly NewExecution[],
    ifExists: DispatchRequest["ifExists"],
  ): Promise<void> {
    return this.#act((connection) => dispatchAll(connection, executions, ifExists));
  }

  // ── one execution ──

  /** @throws ExecutionNotFoundError */
  stateOf<R = unknown>(id: string): Promise<ExecutionState<R>> {
    return this.#act((connection) => stateOf<R>(connection, id));
  }

  /** @throws ExecutionNotFoundError, ExecutionRunningError */
  resultOf<R = unknown>(id: string): Promise<Result<R>> {
    return this.#act((connection) => resultOf<R>(connection, id));
  }

  /** @throws ExpiryError when `timeout` (or `expiry`, its other name) is over; the signal's reason; ExecutionNotFoundError; ClosedError */
  async waitFor<R = unknown>(
    id: string,
    options?: WaitOptions & { /** Another name for `timeout`. */ expiry?: Duration },
  ): Promise<Result<R>> {
    const resolved = resolveWaitOptions(options);
    const connection = await this.#connected();
    const ended = await waitForEnd(connection, id, resolved).catch((error: unknown) => {
      throw this.#orClosed(error);
    });
    return outcomeOf<R>(connection.codec, ended);
  }

  /** @throws ExecutionNotFoundError, ExecutionFinishedError; ValidationError against the signal's schema */
  async sendSignal<In>(
    id: string,
    // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
    name: string | SignalDefinition<any, In>,
    payload: In,
    options?: SendSignalOptions,
  ): Promise<void> {
    const request = await newSignal(this.#options.codec, id, name, payload, options);
    return this.#act((connection) => sendSignal(connection, request));
  }

  /** Idempotent; a finished execution stays as it is. Reaches children and running activities. @throws ExecutionNotFoundError */
  async cancel(id: string, options?: CancelOptions): Promise<void> {
    const resolved = resolveCancelOptions(options);
    return this.#act((connection) => cancel(connection, id, resolved));
  }

  /** Lets an execution that has stopped go on. @throws ExecutionNotFoundError, ExecutionFinishedError, ExecutionRunningError, CleanedUpError */
  async retry(id: string, options?: RetryOptions): Promise<void> {
    const resolved = resolveRetryOptions(options);
    return this.#act((connection) => retry(connection, id, resolved));
  }

  // ── workers ──

  /** Runs a worker until it is drained. @throws what stopped it */
  serve(options?: ServeOptions): Promise<void> {
    return this.#workers.serve(options);
  }

  /** To watch a worker and to end it: for the option `lifecycle` of `serve`. */
  createWorkerLifecycle(name?: string): WorkerLifecycle {
    return this.#workers.newLifecycle(name);
  }

  /** Asks one worker, or all of this client, to end what runs and to stop. */
  requestWorkerDrain(lifecycle?: WorkerLifecycle): void {
    this.#workers.requestDrain(lifecycle);
  }

  /** Resolves when a worker of this client is ready; waits for one to be started. @throws what stopped it before; ClosedError */
  waitUntilReady(): Promise<void> {
    return this.#workers.waitUntilReady();
  }

  /** The workers of this client. */
  workerStatusOverview(): WorkerStatusOverview {
    return this.#workers.overview();
  }

  // ── open and closed ──

  /** Drains workers of this client, rejects open waits with ClosedError, disconnects. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.ends.close(new ClosedError());
    await this.#workers.close();
    await Promise.allSettled(this.#acts);
    if (connection !== undefined) await closeConnection(connection);
  }

  #connected(): Promise<Connection> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError());
    this.#connection ??= openConnection(this.#options, () => this.#workers.adopter()).catch(
      (error: unknown) => {
        this.#connection = undefined; // the next use tries again
        throw error;
      },
    );
    return this.#connection;
  }

  async #act<T>(act: (connection: Connection) => Promise<T>): Promise<T> {
    const acting = this.#connected().then(act);
    this.#acts.add(acting);
    try {
      return await acting;
    } catch (error) {
      throw this.#orClosed(error);
    } finally {
      this.#acts.delete(acting);
    }
  }

  /** What goes wrong below because the database has been closed is told as that. */
  #orClosed(error: unknown): unknown {
    return this.#closing !== undefined && !(error instanceof StentError) ? new ClosedError() : error;
  }
}
