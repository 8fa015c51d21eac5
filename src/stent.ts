import { bulk, type BulkAction, type BulkOptions, type BulkResult } from "./client/bulk.ts";
import { cancel, resolveCancelOptions, type CancelOptions } from "./client/cancel.ts";
import type { Connection } from "./client/connection.ts";
import { cleanup, resolveCleanupOptions, type CleanupOptions } from "./client/cleanup.ts";
import {
  discardDeadLetter,
  getDeadLetter,
  listDeadLetters,
  replayDeadLetter,
  type DeadLetter,
  type DeadLetterPage,
  type ReplayOptions,
} from "./client/dead-letters.ts";
import {
  resolveDispatchOptions,
  resolveManyOptions,
  type DispatchOptions,
  type ResolvedDispatch,
} from "./core/dispatch-options.ts";
import { dispatchAll, dispatchWithin } from "./client/dispatch.ts";
import type { ExecutionFilter } from "./client/execution-filter.ts";
import type { ExecutionState, ExecutionSummary, WaitReason } from "./client/execution-state.ts";
import { ClientHandle, type ExecutionHandle, type HandleActs } from "./client/handle.ts";
import { history, type HistoryEntry } from "./client/history.ts";
import { listExecutions } from "./client/list-executions.ts";
import { listTasks, type TaskFilter } from "./client/list-tasks.ts";
import { checkDispatchable, newExecution, newExecutions } from "./client/new-execution.ts";
import { outcomeOf } from "./client/outcome-codec.ts";
import type { Page } from "./client/page.ts";
import { resultOf } from "./client/result-of.ts";
import { resolveRetryOptions, retry, type RetryOptions } from "./client/retry.ts";
import {
  newSignal,
  sendSignal,
  sendSignalWithin,
  type SendSignalOptions,
} from "./client/send-signal.ts";
import { stateOf } from "./client/state-of.ts";
import type { TaskRecord } from "./client/task-record.ts";
import {
  resolveWaitOptions,
  unendedNow,
  waitForEnd,
  type Unended,
  type WaitOptions,
} from "./client/wait.ts";
import { why } from "./client/why.ts";
import type { Duration } from "./core/duration.ts";
import type { Durable } from "./core/durable.ts";
import type { SignalDefinition } from "./core/effects/signal.ts";
import { checkExecutionId, checkTaskId } from "./core/id.ts";
import { knownOptions, nameOption, positiveDurationOption } from "./core/option.ts";
import { allowRedefinition } from "./core/registry.ts";
import type { Result } from "./core/result.ts";
import type { NewExecution } from "./store/store.ts";
import { adminOf, type Admin } from "./stent/admin.ts";
import { ConnectionLife } from "./stent/connection-life.ts";
import { DatabaseProbe, type Health } from "./stent/health.ts";
import { failuresOf } from "./stent/failures.ts";
import { closeConnection, openConnection } from "./stent/open-connection.ts";
import {
  resolveStentOptions,
  type ResolvedStentOptions,
  type StentOptions,
} from "./stent/options.ts";
import { tracedDispatch } from "./stent/traced-dispatch.ts";
import { Workers, type WorkerStatusOverview } from "./stent/workers.ts";
import type { WorkerLifecycle } from "./worker/lifecycle.ts";
import { resolveServeOptions, type ServeOptions } from "./worker/serve-options.ts";

// Modules are read anew while a program is being written; their definitions replace those of the last reading.
if (process.env["NODE_ENV"] === "development") allowRedefinition(true);

/** How long the database may take to answer whether it is there. */
const defaultProbeMs = 2_000;

/** How a bootstrapped Stent begins. */
export interface BootstrapOptions {
  /** A worker in this process; true: with the default options. */
  serve?: boolean | ServeOptions;
}

/** Durable functions over one database: starts executions, looks at them, and serves them. Connects on first use. */
export class Stent implements AsyncDisposable {
  readonly #options: ResolvedStentOptions;
  readonly #workers: Workers;
  readonly #life: ConnectionLife;
  readonly #acts: HandleActs;
  readonly #probe: DatabaseProbe;
  /** What operators ask; the command line is built on it. */
  readonly admin: Admin;

  /** @throws TypeError, RangeError or InvalidDurationError for a wrong option */
  constructor(options: StentOptions) {
    this.#options = resolveStentOptions(options);
    this.#workers = new Workers(() => this.#life.connected());
    this.#life = new ConnectionLife({
      open: () => openConnection(this.#options, () => this.#workers.adopter()),
      endFirst: () => this.#workers.close(),
      close: closeConnection,
    });
    this.#probe = new DatabaseProbe((act) => this.#life.act(act));
    const { backend, clock, codec, registry, observer } = this.#options;
    this.admin = adminOf(this.#life, {
      backend,
      open: () => ({
        clock,
        failures: failuresOf(codec, registry),
        warn: (message) => observer.log.warn(message),
      }),
    });
    this.#acts = {
      waitFor: (id, options, unended) => this.#waitFor(id, options, unended),
      stateOf: (id) => this.stateOf(id),
      sendSignal: (id, name, payload) => this.sendSignal(id, name, payload),
      cancel: (id, options) => this.cancel(id, options),
    };
  }

  /** Connect, migrate, ready. @throws DatabaseError, SchemaMismatchError */
  static async open(options: string | StentOptions): Promise<Stent> {
    const stent = new Stent(typeof options === "string" ? { backend: options } : options);
    await stent.#life.connected();
    return stent;
  }

  /** `open`, and with `serve` a worker in this process, ready when this resolves. `close` (or `await using`) drains and disconnects. @throws as `open` and `serve`; TypeError for a wrong option */
  static async bootstrap(
    options: string | StentOptions,
    bootstrap: BootstrapOptions = {},
  ): Promise<Stent> {
    knownOptions("bootstrap", bootstrap, ["serve"]);
    const { serve = false } = bootstrap;
    if (typeof serve !== "boolean") resolveServeOptions(serve); // a slip leaves no connection behind
    const stent = await Stent.open(options);
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
    const { observer, codec } = this.#options;
    const dispatch = (traced: ResolvedDispatch): Promise<ExecutionHandle<R>> => {
      const preparing = newExecution(codec, fn, args, traced);
      return this.#life.actOn(preparing, async (connection, execution) => {
        await this.#store(connection, [execution], traced);
        return this.#newHandle<R>(execution, traced, unendedNow(connection));
      });
    };
    if (!observer.traces) return dispatch(resolved);
    return tracedDispatch(observer, fn, resolved, dispatch, ({ id }) => id);
  }

  /** Many at once, in one transaction: all of them or none. @throws as `dispatch`; TypeError for an `id` */
  async dispatchMany<A extends readonly unknown[], R>(
    fn: Durable<A, R>,
    args: readonly NoInfer<A>[],
    options?: DispatchOptions,
  ): Promise<ExecutionHandle<R>[]> {
    const resolved = resolveManyOptions(options);
    checkDispatchable(this.#options.registry, fn);
    const { observer, codec } = this.#options;
    const dispatch = (traced: ResolvedDispatch): Promise<ExecutionHandle<R>[]> => {
      const preparing = newExecutions(codec, fn, args, traced);
      return this.#life.actOn(preparing, async (connection, executions) => {
        if (executions.length > 0) await this.#store(connection, executions, traced);
        const unended = unendedNow(connection);
        return executions.map((execution) => this.#newHandle<R>(execution, traced, unended));
      });
    };
    if (!observer.traces) return dispatch(resolved);
    return tracedDispatch(observer, fn, resolved, dispatch);
  }

  /** `dispatch` with a delay. */
  async schedule<A extends readonly unknown[], R>(
    delay: Duration,
    fn: Durable<A, R>,
    args: NoInfer<A>,
    options?: DispatchOptions,
  ): Promise<ExecutionHandle<R>> {
    if (options?.delay !== undefined)
      throw new TypeError("schedule takes its delay first; leave the option delay out");
    return this.dispatch<A, R>(fn, args, { ...options, delay });
  }

  /** dispatch, wait, unwrap. */
  async run<A extends readonly unknown[], R>(
    fn: Durable<A, R>,
    args: NoInfer<A>,
    options?: DispatchOptions,
  ): Promise<R> {
    if (options?.transaction !== undefined)
      throw new TypeError(
        "run waits for the result, and nothing begins before your transaction is committed: dispatch in it, commit, and wait for the handle's result",
      );
    const handle = await this.dispatch<A, R>(fn, args, options);
    return handle.result();
  }

  /** A handle on the execution of that id. @throws TypeError for an id that is none */
  execution<R = unknown>(id: string): ExecutionHandle<R> {
    checkExecutionId("execution", id);
    return new ClientHandle<R>(id, this.#acts);
  }

  #store(
    connection: Connection,
    executions: readonly NewExecution[],
    { ifExists, transaction }: ResolvedDispatch,
  ): Promise<void> {
    return transaction === undefined
      ? dispatchAll(connection, executions, ifExists)
      : dispatchWithin(connection, executions, ifExists, transaction);
  }

  /** Nobody else knows its id yet, if that was made here: nothing but a later commit can end it, if it is there at all. */
  #newHandle<R>(
    { id, ownId }: NewExecution,
    { transaction }: ResolvedDispatch,
    unended: Unended,
  ): ExecutionHandle<R> {
    const fresh = ownId === true && transaction === undefined;
    return new ClientHandle<R>(id, this.#acts, fresh ? unended : undefined);
  }

  // ── one execution: each @throws TypeError for an id that is none ──

  /** @throws ExecutionNotFoundError */
  async stateOf<R = unknown>(id: string): Promise<ExecutionState<R>> {
    checkExecutionId("stateOf", id);
    return this.#life.act((connection) => stateOf<R>(connection, id));
  }

  /** @throws ExecutionNotFoundError, ExecutionRunningError */
  async resultOf<R = unknown>(id: string): Promise<Result<R>> {
    checkExecutionId("resultOf", id);
    return this.#life.act((connection) => resultOf<R>(connection, id));
  }

  /** @throws ExpiryError when `timeout` (or `expiry`, its other name) is over; the signal's reason; ExecutionNotFoundError; ClosedError */
  waitFor<R = unknown>(
    id: string,
    options?: WaitOptions & { /** Another name for `timeout`. */ expiry?: Duration },
  ): Promise<Result<R>> {
    return this.#waitFor<R>(id, options, undefined);
  }

  #waitFor<R>(
    id: string,
    options: (WaitOptions & { expiry?: Duration }) | undefined,
    unended: Unended | undefined,
  ): Promise<Result<R>> {
    try {
      checkExecutionId("waitFor", id);
      const resolved = resolveWaitOptions(options);
      return this.#life.wait(
        (connection) => waitForEnd(connection, id, resolved, unended),
        ({ codec }, ended) => outcomeOf<R>(codec, ended),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @throws ExecutionNotFoundError, ExecutionFinishedError; ValidationError against the signal's schema */
  async sendSignal<In>(
    id: string,
    // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
    name: string | SignalDefinition<any, In>,
    payload: In,
    options?: SendSignalOptions,
  ): Promise<void> {
    checkExecutionId("sendSignal", id);
    const preparing = newSignal(this.#options.codec, id, name, payload, options);
    const transaction = options?.transaction;
    return this.#life.actOn(preparing, (connection, request) =>
      transaction === undefined
        ? sendSignal(connection, request)
        : sendSignalWithin(connection, request, transaction),
    );
  }

  /** Idempotent; a finished execution stays as it is. Reaches children and running activities. @throws ExecutionNotFoundError */
  async cancel(id: string, options?: CancelOptions): Promise<void> {
    checkExecutionId("cancel", id);
    const resolved = resolveCancelOptions(options);
    return this.#life.act((connection) => cancel(connection, id, resolved));
  }

  /** Lets an execution that has stopped go on. @throws ExecutionNotFoundError, ExecutionFinishedError, ExecutionRunningError, CleanedUpError */
  async retry(id: string, options?: RetryOptions): Promise<void> {
    checkExecutionId("retry", id);
    const resolved = resolveRetryOptions(options);
    return this.#life.act((connection) => retry(connection, id, resolved));
  }

  /** Why it is not moving, most decisive cause first, each with what would move it. Empty when it has ended. @throws ExecutionNotFoundError */
  async why(id: string): Promise<readonly WaitReason[]> {
    checkExecutionId("why", id);
    return this.#life.act((connection) => why(connection, id));
  }

  /** The current run: one entry a call, child, sleep, signal, run and the like, in the order they were reached. @throws ExecutionNotFoundError at the first step; TypeError for an id that is none */
  history(id: string): AsyncIterable<HistoryEntry> {
    checkExecutionId("history", id);
    return history((read) => this.#life.act(read), id);
  }

  // ── many ──

  /** Executions that match, newest first; `limit` 10. */
  listExecutions(filter?: ExecutionFilter): Promise<Page<ExecutionSummary>> {
    return this.#life.act((connection) => listExecutions(connection, filter));
  }

  /** Waiting and running tasks; of one execution also those that have ended. `limit` 50. */
  listTasks(filter?: TaskFilter): Promise<Page<TaskRecord>> {
    return this.#life.act((connection) => listTasks(connection, filter));
  }

  /** The same act on everything that a filter matches, in batches. "delete" touches finished executions only. Of the filter, `limit`, `offset` and `cursor` are not used. */
  bulk(action: BulkAction, filter: ExecutionFilter, options?: BulkOptions): Promise<BulkResult> {
    return this.#life.act((connection) => bulk(connection, action, filter, options));
  }

  /** How much waits and runs: in one queue ("default": the unqueued), or in all. */
  async queueDepth(queue?: string): Promise<number> {
    nameOption("queue", queue);
    return this.#life.act(({ store }) => store.queueDepth(queue));
  }

  /** Newest first; `limit` 50. */
  listDeadLetters(options?: DeadLetterPage): Promise<Page<DeadLetter>> {
    return this.#life.act((connection) => listDeadLetters(connection, options));
  }

  async getDeadLetter(taskId: string): Promise<DeadLetter | undefined> {
    checkTaskId("getDeadLetter", taskId);
    return this.#life.act((connection) => getDeadLetter(connection, taskId));
  }

  /**
   * Reopens the failed step and its execution, which goes on from there, and with it every ancestor that failed by it. @returns the new task's id.
   * @throws DeadLetterNotFoundError, CleanedUpError (see `retry`)
   */
  async replayDeadLetter(taskId: string, options?: ReplayOptions): Promise<string> {
    checkTaskId("replayDeadLetter", taskId);
    return this.#life.act((connection) => replayDeadLetter(connection, taskId, options));
  }

  /** @returns whether there was one. */
  async discardDeadLetter(taskId: string): Promise<boolean> {
    checkTaskId("discardDeadLetter", taskId);
    return this.#life.act((connection) => discardDeadLetter(connection, taskId));
  }

  /** Deletes executions that ended longer ago than `olderThan` (default "7d") with all that belongs to them. */
  async cleanup(options?: CleanupOptions): Promise<{ executions: number }> {
    const resolved = resolveCleanupOptions(options);
    return this.#life.act((connection) => cleanup(connection, resolved));
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

  /** Whether the database answers, and how the workers of this client are doing: see `stentjs/health`. Never rejects, but for a wrong option. */
  async health(options: { timeout?: Duration } = {}): Promise<Health> {
    knownOptions("health", options, ["timeout"]);
    const timeoutMs = positiveDurationOption("timeout", options.timeout) ?? defaultProbeMs;
    const database = await this.#probe.ask(timeoutMs);
    return { database, workers: this.#workers.health() };
  }

  // ── open and closed ──

  /** Drains workers of this client, rejects open waits with ClosedError, disconnects. Idempotent. */
  close(): Promise<void> {
    return this.#life.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
