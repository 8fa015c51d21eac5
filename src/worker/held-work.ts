import type { Workflow } from "../core/durable.ts";
import { TurnoverMap } from "../core/turnover-map.ts";
import type { ClaimedExecution, ClaimedTask } from "../store/store.ts";
import { RecentlyUsed } from "./cache.ts";
import { JobRun } from "./job-run.ts";
import type { ContinuedRun, RunHost } from "./run-host.ts";
import { TaskRun, type TaskHost } from "./task-run.ts";
import { WorkflowRun } from "./workflow-run.ts";

/** From this many marks on, a turn or task is suspected of killing its process; one at a time is run. */
const suspectMarks = 2;

/** Everything that a worker holds: workflows, jobs and tasks, and beside them the coroutines of workflows that it may hold again. By V1. */
export class HeldWork {
  readonly #host: RunHost;
  readonly #taskHost: TaskHost;
  readonly #suspectOver: () => void;
  readonly #runs = new TurnoverMap<number, WorkflowRun>();
  readonly #jobs = new TurnoverMap<number, JobRun>();
  readonly #tasks = new TurnoverMap<number, TaskRun>();
  /** Let go, with their coroutines kept in memory. */
  readonly #parked: RecentlyUsed<number, WorkflowRun>;
  /** Keys of executions, and of tasks below zero. */
  readonly #suspects = new Set<number>();

  /** `suspectOver` is told when the next suspect may be taken. `handSlot`: the slot of a call that has ended is for its workflow, which is parked here. */
  constructor(
    host: RunHost,
    maxParked: number,
    suspectOver: () => void,
    handSlot: (execution: number) => boolean,
  ) {
    this.#host = host;
    this.#taskHost = {
      ...host,
      taskOver: (run) => this.#forgetTask(run.task.key),
      handSlot: (execution) => this.#parked.has(execution) && handSlot(execution),
    };
    this.#parked = new RecentlyUsed(maxParked, nothing);
    this.#suspectOver = suspectOver;
  }

  /** How much is held. */
  get size(): number {
    return this.#runs.size + this.#jobs.size + this.#tasks.size;
  }

  /** What is suspected of killing its process is among it: another such is not to be taken now. */
  get hasSuspect(): boolean {
    return this.#suspects.size > 0;
  }

  /** `slotKept`: its claim has taken a slot for it. */
  begin(execution: ClaimedExecution, slotKept: boolean): void {
    if (execution.marks >= suspectMarks) this.#suspects.add(execution.key);
    if (execution.kind === "activity") {
      const job = new JobRun(execution, this.#host);
      this.#jobs.set(execution.key, job);
      job.begin();
      return;
    }
    const parked = this.#parked.take(execution.key);
    if (parked !== undefined && continues(parked.execution, execution)) {
      this.#runs.set(execution.key, parked);
      parked.reclaim(execution, slotKept);
      return;
    }
    const fn = this.#codeOf(execution);
    if (fn === undefined) {
      if (slotKept) this.#host.slots.release();
      return;
    }
    const run = new WorkflowRun(execution, fn, this.#host, slotKept);
    this.#runs.set(execution.key, run);
    run.kick();
  }

  /** The next run of an execution whose last one ended by continueAsNew. */
  continue({ execution, records, woken }: ContinuedRun): void {
    const fn = this.#codeOf(execution);
    if (fn === undefined) return;
    const run = new WorkflowRun(execution, fn, this.#host, false, records);
    this.#runs.set(execution.key, run);
    if (woken) run.wake();
    else run.kick();
  }

  beginTask(task: ClaimedTask): void {
    const run = new TaskRun(task, this.#taskHost);
    if (task.marks >= suspectMarks) this.#suspects.add(-task.key);
    this.#tasks.set(task.key, run);
    run.begin();
  }

  /** The execution is not held any more. */
  forget(key: number): void {
    this.#runs.take(key);
    this.#jobs.take(key);
    this.#clearOf(key);
  }

  /** The execution is not held any more; its coroutine may be of use later. */
  park(key: number): void {
    const run = this.#runs.get(key);
    this.forget(key);
    if (run !== undefined) this.#parked.put(key, run);
  }

  holds(execution: number): boolean {
    return this.#runs.has(execution) || this.#jobs.has(execution);
  }

  /** Whether it is still this claim of the task that is held. */
  holdsTask(run: TaskRun): boolean {
    return this.#tasks.get(run.task.key) === run;
  }

  /** The tasks that are held now; what comes and goes later does not change the list. */
  tasks(): readonly TaskRun[] {
    return [...this.#tasks.values()];
  }

  /** Something has happened to the execution outside. */
  wake(execution: number): void {
    this.#runs.get(execution)?.wake();
    this.#jobs.get(execution)?.wake();
  }

  /** Those to which something has happened that they have not noticed. `rows`: what the database says, by key. */
  wakeChanged(rows: ReadonlyMap<number, { readonly wakeSeq: number }>): void {
    for (const [key, run] of this.#runs) if (run.wakeSeq !== rows.get(key)?.wakeSeq) run.wake();
    for (const [key, job] of this.#jobs) if (job.wakeSeq !== rows.get(key)?.wakeSeq) job.wake();
  }

  /** The task is not to go on. */
  stopTask(key: number): void {
    this.#tasks.get(key)?.stop();
  }

  /** Tells everything that this worker drains. */
  drain(): void {
    for (const run of this.#all()) run.drain();
  }

  /** Nothing of it is ours any more. */
  lose(): void {
    for (const run of this.#all()) run.lose();
    this.#runs.clear();
    this.#jobs.clear();
    this.#tasks.clear();
    this.#suspects.clear();
  }

  #all(): (WorkflowRun | JobRun | TaskRun)[] {
    return [...this.#runs.values(), ...this.#jobs.values(), ...this.#tasks.values()];
  }

  /** What is claimed is what there is code for; a registry that shrank meanwhile leaves it to others when this session ends. */
  #codeOf({ name, version }: ClaimedExecution): Workflow<unknown[], unknown> | undefined {
    const fn = this.#host.deps.registry.exact(name, version);
    return fn?.kind === "workflow" ? (fn as Workflow<unknown[], unknown>) : undefined;
  }

  #forgetTask(key: number): void {
    this.#tasks.take(key);
    this.#clearOf(-key);
  }

  /** The next suspect may be taken. */
  #clearOf(suspect: number): void {
    if (this.#suspects.delete(suspect)) this.#suspectOver();
  }
}

/** The coroutine that this worker kept is still where the execution is. */
function continues(kept: ClaimedExecution, claimed: ClaimedExecution): boolean {
  return kept.claim + 1 === claimed.claim && kept.run === claimed.run && kept.cut === claimed.cut;
}

function nothing(): void {
  // nothing is kept beside the coroutine
}
