import type { Snapshot } from "../core/interpreter/coroutine.ts";
import type { ClaimedExecution, ClaimedTask, Lane, Transitions } from "../store/store.ts";
import type { WorkerDeps } from "./deps.ts";
import type { Slots } from "./slots.ts";
import type { StepRunner } from "./step-runner.ts";

/** A run that was begun by continueAsNew. */
export interface ContinuedRun {
  readonly execution: ClaimedExecution;
  readonly records: Snapshot;
  /** Something has happened to the execution that the last run has not looked at. */
  readonly woken: boolean;
}

/** What the runs of held executions need of their worker. */
export interface RunHost {
  readonly deps: WorkerDeps;
  readonly steps: StepRunner;
  readonly slots: Slots;
  readonly workerId: string;
  readonly maxClaims: number;
  readonly cancelGraceMs: number;
  readonly session: () => number;
  /** Whether this worker may take such work at all. */
  readonly serves: (lane: Omit<Lane, "key">) => boolean;
  /** Slots for activities of a turn, if they may run here at once: what waits in the queue comes first, unless `inSlice`. @returns how many it got. */
  readonly takeEagerly: (lane: Omit<Lane, "key">, places: number, inSlice: boolean) => number;
  /** False once it drains: what it holds is then given back as soon as it can be. */
  readonly isReady: () => boolean;
  /** By the monotonic clock: false if the lease may have run out, and nothing new may be started. */
  readonly leaseHolds: () => boolean;
  /** Renews the lease. False: the session is lost, or its worker has stopped. */
  readonly renewed: () => Promise<boolean>;
  /** Tasks that a turn has put into the queue and taken at once. */
  readonly tasksTaken: (tasks: readonly ClaimedTask[]) => void;
  /** The execution is not held any more, and there is nothing to keep. */
  readonly runOver: (execution: number) => void;
  /** Its next run has begun, and is held by the same claim. */
  readonly runContinued: (run: ContinuedRun) => void;
  /** The execution is not held any more; its coroutine may be of use later. `dueAt`: when it needs its next turn, if time decides. */
  readonly runParked: (execution: number, dueAt: number | undefined) => void;
  readonly sessionLost: () => void;
  /**
   * Stores, and tries again while the database cannot. `answered`: with nothing if the worker has stopped meanwhile. `failed`: with what no
   * other try would mend.
   */
  readonly store: <K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
    answered: (answer: Transitions[K]["answer"] | undefined) => void,
    failed: (error: unknown) => void,
  ) => void;
  /** Stores, and tries again while the database cannot. Undefined if the worker has stopped. */
  readonly storing: <T>(act: () => Promise<T>) => Promise<T | undefined>;
}
