import type { Workflow } from "../core/durable.ts";
import { NonDeterminismError } from "../core/errors.ts";
import { Coroutine, type Snapshot } from "../core/interpreter/coroutine.ts";
import type { CoroutineOptions } from "../core/interpreter/coroutine-options.ts";
import { cancelPath } from "../core/journal.ts";
import { isOverWorkflow } from "../core/map-items.ts";
import { inputPlace } from "../core/places.ts";
import { SmallMap } from "../core/small-map.ts";
import { entryStatus } from "../core/status.ts";
import type { ClaimedExecution, EntryRow, JournalRow } from "../store/store.ts";
import type { WorkerDeps } from "./deps.ts";
import type { FailedStep } from "./ending.ts";
import { loadJournal, loadRecords } from "./journal-loading.ts";
import type { LocalSteps } from "./local-steps.ts";
import { Trace } from "./trace.ts";
import type { OpenEntry } from "./turn-builder.ts";

/** What this process knows of a run beside its rows: the live coroutine, what waits, and where the journal ends. */
export class Replica {
  readonly coroutine: Coroutine;
  /** Entries that wait for their outcome, by path. */
  readonly open = new SmallMap<string, OpenEntry>();
  /** After a replay: attempts that were lost, or are asked for anew. */
  lost: EntryRow[] = [];
  /** From how many entries it was run again. */
  replayed = 0;
  nextSeq = 1;
  step = 0;
  /** When closing the whole execution began. */
  closingAt: number | undefined;
  /** In development mode only. */
  readonly trace: Trace | undefined;
  #failedSteps: Map<number, FailedStep> | undefined;

  private constructor(coroutine: Coroutine, trace: Trace | undefined) {
    this.coroutine = coroutine;
    this.trace = trace;
  }

  /** Of a run that has no journal yet. @throws SerializationError, NoGeneratorError */
  static fresh(
    deps: WorkerDeps,
    execution: ClaimedExecution,
    fn: Workflow<unknown[], unknown>,
    records: Snapshot | undefined,
  ): Replica {
    const args = argsOf(deps, execution);
    const trace = traceOf(deps, execution);
    return new Replica(
      begun(false, () => Coroutine.start(fn, args, optionsOf(deps, records, trace))),
      trace,
    );
  }

  /** Of a run that may have one. @throws SerializationError, NonDeterminismError, NoGeneratorError, DatabaseError */
  static async load(
    deps: WorkerDeps,
    execution: ClaimedExecution,
    fn: Workflow<unknown[], unknown>,
    local: LocalSteps,
  ): Promise<Replica> {
    const args = argsOf(deps, execution);
    const { entries, rows } = await loadJournal(deps.store, deps.codec, execution);
    const records = await loadRecords(deps.store, deps.codec, execution);
    const trace = traceOf(deps, execution);
    const options = optionsOf(deps, records, trace);
    if (rows.length === 0)
      return new Replica(
        begun(false, () => Coroutine.start(fn, args, options)),
        trace,
      );
    const replica = new Replica(
      begun(true, () => Coroutine.resume(fn, args, entries, options)),
      trace,
    );
    replica.replayed = rows.length;
    await replica.#takeUp(deps, execution, rows, local);
    return replica;
  }

  /** Failures that the workflow was given, by delivery number: one of them may end the execution. */
  get failedSteps(): ReadonlyMap<number, FailedStep> {
    return this.#failedSteps ?? none;
  }

  noteFailure(
    delivery: number,
    entry: {
      readonly seq: number;
      readonly path: string;
      readonly cut?: number;
      readonly kind: string;
      readonly name: string | undefined;
      readonly attempt: number;
      readonly options: string | null | undefined;
    },
  ): void {
    if (entry.kind !== "call" && (entry.kind !== "map" || isOverWorkflow(entry))) return;
    this.#failedSteps ??= new Map();
    this.#failedSteps.set(delivery, {
      seq: entry.seq,
      path: entry.path,
      cut: entry.cut,
      kind: entry.kind,
      name: entry.name ?? "",
      attempt: entry.attempt,
      options: entry.options ?? undefined,
    });
  }

  /** Finds out what of the journal still waits, and what of that has nobody who works on it. */
  async #takeUp(
    deps: WorkerDeps,
    execution: ClaimedExecution,
    rows: readonly JournalRow[],
    local: LocalSteps,
  ): Promise<void> {
    const last = rows.at(-1);
    this.nextSeq = (last?.seq ?? 0) + 1;
    this.step = last?.step ?? 0;
    const waiting: JournalRow[] = [];
    for (const row of rows) {
      if (row.path === cancelPath) this.closingAt = row.scheduledAt;
      if (row.status === entryStatus.failed && row.delivery !== null)
        this.noteFailure(row.delivery, { ...row, name: row.name ?? undefined });
      if (row.delivery === null && this.coroutine.waiting(row.path) !== undefined)
        waiting.push(row);
    }
    const opened: EntryRow[] = [];
    for (const { seq } of waiting) {
      const page = { after: seq - 1, limit: 1 };
      opened.push(...(await deps.store.entries(execution.key, execution.run, page)));
    }
    for (const row of opened) this.open.set(row.path, { ...row });
    const queued = await this.#queuedSeqs(deps, execution);
    this.lost = opened.filter((row) => {
      if (row.status === entryStatus.completed || local.has(row.path)) return false;
      if (onlyHere.has(row.kind)) return true;
      return row.kind === "call" && !queued.has(row.seq);
    });
  }

  async #queuedSeqs(
    { store }: WorkerDeps,
    execution: ClaimedExecution,
  ): Promise<ReadonlySet<number>> {
    if (![...this.open.values()].some((entry) => entry.kind === "call")) return new Set();
    const tasks = await store.tasks({ execution: execution.key, limit: Number.MAX_SAFE_INTEGER });
    const arrivals = await store.arrivals(execution.key);
    return new Set([...tasks.map((task) => task.seq), ...arrivals.map((arrival) => arrival.seq)]);
  }
}

/** They are worked on where their execution is held, and nowhere else. */
const onlyHere: ReadonlySet<string> = new Set(["run", "transaction", "sendSignal"]);

/** The workflow's code threw before it was a generator, or is no generator function at all. `hadBegun`: this run was under way already. */
export class NoGeneratorError extends Error {
  readonly hadBegun: boolean;

  constructor(hadBegun: boolean, thrown: unknown) {
    super("the workflow gave no generator", { cause: thrown });
    this.hadBegun = hadBegun;
  }
}

/** What replay finds wrong is told as it is. @throws NoGeneratorError, NonDeterminismError */
export function begun(hadBegun: boolean, begin: () => Coroutine): Coroutine {
  try {
    return begin();
  } catch (error) {
    throw error instanceof NonDeterminismError ? error : new NoGeneratorError(hadBegun, error);
  }
}

const none: ReadonlyMap<number, FailedStep> = new Map();
function traceOf({ codec, dev }: WorkerDeps, execution: ClaimedExecution): Trace | undefined {
  return dev ? new Trace(codec, execution) : undefined;
}

/** Most runs need none. */
function optionsOf(
  { middleware }: WorkerDeps,
  records: CoroutineOptions | undefined,
  trace: Trace | undefined,
): CoroutineOptions {
  if (middleware.length === 0 && trace === undefined) return records ?? noOptions;
  return {
    ...records,
    middleware,
    ...(trace === undefined ? {} : { yielded: (effect, path) => trace.add(effect, path) }),
  };
}

const noOptions: CoroutineOptions = {};

function argsOf(deps: WorkerDeps, execution: ClaimedExecution): readonly unknown[] {
  return deps.codec.decode(execution.input, inputPlace(execution.id)) as readonly unknown[];
}
