import {
  CancelledError,
  DeadlockError,
  DrainError,
  ExpiryError,
  LeaseLostError,
  PoisonError,
  SerializationError,
} from "../core/errors.ts";
import { outOfTime } from "../core/out-of-time.ts";
import type { Payload } from "../core/payload.ts";
import { entryPlace, itemPath, stepId, storedResultPlace, taskIdOf } from "../core/places.ts";
import type { AttemptPolicy, StoredOptions } from "../core/step-options.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { ClaimedTask, StoredResult, TaskOutcome } from "../store/store.ts";
import { reasonIn } from "./cancel-reason.ts";
import type { WorkerDeps } from "./deps.ts";
import { keptFor } from "./kept-result.ts";
import { leaseLost, lossOf } from "./lost-hold.ts";
import type { Attempt, AttemptOutcome } from "./perform.ts";
import type { RunHost } from "./run-host.ts";
import type { Slots } from "./slots.ts";
import { storedOptions, type Step, type StepRunner } from "./step-runner.ts";
import { failed, judge, type Verdict } from "./verdict.ts";

/** How long a task waits that could not be read: not at once, or the one worker that cannot would take it over and over. */
const unreadableDelayMs = 2_000;

/** What a task run needs of its worker. */
export interface TaskHost {
  readonly deps: WorkerDeps;
  readonly steps: StepRunner;
  readonly slots: Slots;
  readonly maxClaims: number;
  readonly cancelGraceMs: number;
  readonly session: () => number;
  /** The task is over here: every item has ended, or it is not ours any more. */
  readonly taskOver: (run: TaskRun) => void;
  /** The outcome of a call is stored: its slot is for the next step of its workflow. @returns false if that will not go on here */
  readonly handSlot: (execution: number) => boolean;
  readonly sessionLost: () => void;
  /** Stores, and tries again while the database cannot. */
  readonly store: RunHost["store"];
}

interface Running {
  readonly attempt: Attempt;
  readonly step: Step;
  /** Ends the timer of its totalTimeout. */
  readonly endTimer: () => void;
}

/** A claimed task: one call from the queue, or some items of a map. Takes one slot an item, which the claim has kept for it. */
export class TaskRun {
  readonly task: ClaimedTask;
  readonly #host: TaskHost;
  readonly #session: number;
  readonly #options: StoredOptions;
  readonly #policy: AttemptPolicy;
  readonly #running = new Map<number | undefined, Running>();
  #left: number;
  #dropped = false;
  #told = false;
  #endGrace: () => void = nothing;

  constructor(task: ClaimedTask, host: TaskHost) {
    this.task = task;
    this.#host = host;
    this.#session = host.session();
    this.#options = storedOptions(task.options);
    this.#left = task.items.length;
    const policy = host.steps.policyOf(task.name, this.#options);
    if (policy === undefined) throw new Error(`no activity "${task.name}" is registered here`);
    this.#policy = policy;
  }

  /** Starts every item. */
  begin(): void {
    for (const { item, input } of this.task.items) this.#beginItem(item, input);
  }

  /** Names what runs, for messages. */
  get running(): number {
    return this.#running.size;
  }

  /**
   * Nobody waits for it any more, or its execution is being closed: tells what runs. Whoever still waits gets the outcome. What does not
   * answer gives its places back when the grace is over.
   */
  stop(): void {
    if (this.#told) return;
    this.#told = true;
    void this.#tell();
  }

  async #tell(): Promise<void> {
    const reason = await this.#reasonToStop();
    for (const { attempt } of this.#running.values()) attempt.abort(reason);
    if (this.#running.size === 0) return;
    this.#endGrace = this.#host.deps.clock.schedule(this.#host.cancelGraceMs, () => {
      for (const { attempt } of this.#running.values()) attempt.abandon(reason);
    });
  }

  /** What the execution is closed by, if it is. */
  async #reasonToStop(): Promise<Error> {
    const { store, clock, codec } = this.#host.deps;
    const { execution: key, executionId } = this.task;
    const row = await store.executionByKey(key).catch(() => undefined);
    if (row?.state === "cancelled" || row?.state === "timed_out") return lossOf(codec, row);
    if (row?.state === "cancelling") return new CancelledError(reasonIn(row.cancelReason));
    if (row?.deadline !== undefined && row.deadline <= clock.now()) {
      return new ExpiryError(
        "EXECUTION_TIMED_OUT",
        `execution "${executionId}" passed its maxDuration`,
      );
    }
    const { totalTimeoutMs } = this.#policy;
    if (totalTimeoutMs !== undefined && clock.now() >= this.task.scheduledAt + totalTimeoutMs) {
      return outOfTime(this.task.name);
    }
    return new CancelledError("nobody waits for it any more");
  }

  /** The worker drains: attempts are told, and end here one way or the other. */
  drain(): void {
    for (const { attempt } of this.#running.values()) attempt.abort(new DrainError());
  }

  /** The session is lost: whatever comes of it here is refused. */
  lose(): void {
    this.#dropped = true;
    for (const { attempt } of this.#running.values()) attempt.abandon(leaseLost());
  }

  #beginItem(item: number | undefined, input: Payload): void {
    const step = this.#stepOf(item, input);
    if (this.task.stored !== undefined) return this.#endStored(item, this.task.stored, step);
    const refusal = this.#refusal(item);
    if (refusal !== undefined) {
      this.#end(item, { ok: false, error: refusal, gaveUp: false }, step, undefined);
      return;
    }
    try {
      const attempt = this.#host.steps.begin(step, this.#policy, (outcome, ended) => {
        this.#running.get(item)?.endTimer();
        this.#running.delete(item);
        this.#end(item, outcome, step, ended);
      });
      this.#running.set(item, { attempt, step, endTimer: this.#watchItem(item, attempt) });
    } catch (error) {
      if (error instanceof SerializationError) this.#giveBack(item, error, step);
      else this.#end(item, { ok: false, error, gaveUp: false }, step, undefined);
    }
  }

  /** What somebody else has run stands for it. */
  #endStored(item: number | undefined, { name, value }: StoredResult, step: Step): void {
    const { codec } = this.#host.deps;
    let outcome: AttemptOutcome;
    try {
      const stands = codec.decode(value, storedResultPlace(name));
      outcome = { ok: true, value: stands, records: undefined };
    } catch (error) {
      if (error instanceof SerializationError) return this.#giveBack(item, error, step);
      outcome = { ok: false, error, gaveUp: false };
    }
    this.#end(item, outcome, step, undefined);
  }

  /** Its arguments cannot be read here, for lack of a key or a serializer: that is no failure, and no attempt. Another worker may have what it takes. */
  #giveBack(item: number | undefined, error: SerializationError, step: Step): void {
    const { clock, codec, observer } = this.#host.deps;
    const { executionId, taskId } = step;
    const message = "the arguments of a task cannot be read here; it is given back to the queue";
    observer.log.error(message, { executionId, taskId, error });
    const payload = codec.encodeFailure(error, step.place);
    const verdict = { kind: "again" as const, payload, delayMs: unreadableDelayMs, error };
    const startedAt = clock.now();
    this.#store({
      item,
      verdict,
      step,
      uncounted: true,
      attempt: step.attempt - 1,
      startedAt,
      heartbeat: step.heartbeat,
    });
  }

  /** The deadline of a call is its workflow's to keep; that of an item is kept here. @returns what ends the timer */
  #watchItem(item: number | undefined, attempt: Attempt): () => void {
    const deadline = this.#deadlineOf(item);
    if (deadline === undefined) return nothing;
    const { clock } = this.#host.deps;
    return clock.schedule(deadline - clock.now(), () => attempt.abandon(outOfTime(this.task.name)));
  }

  /** When the totalTimeout of an item ends, retries included. */
  #deadlineOf(item: number | undefined): number | undefined {
    const { totalTimeoutMs } = this.#policy;
    return item === undefined || totalTimeoutMs === undefined
      ? undefined
      : this.task.scheduledAt + totalTimeoutMs;
  }

  /** By I5: one start at most under maxAttempts 1; and what keeps killing its process is not tried for ever. */
  #refusal(item: number | undefined): Error | undefined {
    const { task } = this;
    const deadline = this.#deadlineOf(item);
    if (deadline !== undefined && deadline <= this.#host.deps.clock.now())
      return outOfTime(task.name);
    if (task.deadlock !== undefined) return new DeadlockError(task.deadlock);
    if (task.marks >= this.#host.maxClaims) {
      return new PoisonError(
        `activity "${task.name}" was running in ${task.marks} worker sessions when they died; it is not tried again by itself`,
      );
    }
    if (this.#policy.retry.maxAttempts === 1 && task.attempt > 1) {
      return new LeaseLostError(
        `the worker that ran activity "${task.name}" was lost, and maxAttempts: 1 allows no second start`,
      );
    }
    return undefined;
  }

  #isFinal(attempt: Attempt): boolean {
    return (
      this.#told || (attempt.aborted instanceof DrainError && this.#policy.retry.maxAttempts === 1)
    );
  }

  #stepOf(item: number | undefined, input: Payload): Step {
    const { task } = this;
    const of = { id: task.executionId, run: task.run, cut: task.cut };
    const path = item === undefined || task.apart ? task.path : itemPath(task.path, item);
    return {
      executionId: task.executionId,
      taskId: taskIdOf(of, path, this.#options),
      idempotencyKey: stepId(of, path),
      name: task.name,
      queue: task.queue,
      input,
      // Items are encoded at the place of their map.
      place: entryPlace(
        task.executionId,
        task.run,
        task.apart ? task.path.slice(0, task.path.lastIndexOf(".")) : task.path,
      ),
      options: this.#options,
      heartbeat: task.heartbeat,
      attempt: task.attempt,
      dueAt: task.dueAt,
    };
  }

  #end(
    item: number | undefined,
    outcome: AttemptOutcome,
    step: Step,
    attempt: Attempt | undefined,
  ): void {
    const { steps, deps } = this.#host;
    // What could not even be begun is not tried again.
    const final = attempt === undefined || this.#isFinal(attempt);
    const startedAt = attempt?.startedAt ?? deps.clock.now();
    const durationMs = deps.clock.now() - startedAt;
    const heartbeat = attempt === undefined ? undefined : steps.heartbeatOf(step, attempt);
    const drained = !outcome.ok && outcome.error instanceof DrainError && !final;
    const { codec } = this.#host.deps;
    const verdict: Verdict = drained
      ? {
          kind: "again",
          payload: codec.encodeFailure(outcome.error, step.place),
          delayMs: 0,
          error: outcome.error,
        }
      : this.#inTime(item, this.#judged(outcome, step, final), step);
    this.#store(
      {
        item,
        verdict,
        step,
        uncounted: drained,
        attempt: step.attempt,
        startedAt,
        heartbeat,
      },
      () => steps.ended(step, verdict, durationMs),
    );
  }

  /** `report`: tells the observer, once it is stored. */
  #store(ended: EndedItem, report: () => void = nothing): void {
    const { item, verdict, step } = ended;
    this.#left -= 1;
    const last = this.#left === 0;
    if (this.#dropped) return this.#itemOver(last);
    failpoint("task.before-submit");
    this.#host.store(
      "task",
      this.#outcomeOf(ended),
      (stored) => {
        failpoint("task.after-commit");
        if (stored === "stored" && this.task.stored === undefined) report();
        const wakes = stored === "stored" && item === undefined && verdict.kind !== "again";
        this.#itemOver(last, wakes && this.#host.handSlot(this.task.execution));
      },
      (error) => {
        this.#host.deps.observer.log.error(
          "the outcome of a task could not be stored; it is let go",
          {
            executionId: this.task.executionId,
            taskId: step.taskId,
            error,
          },
        );
        this.#itemOver(last);
      },
    );
  }

  #itemOver(last: boolean, slotHanded = false): void {
    if (!slotHanded) this.#host.slots.release();
    if (!last) return;
    this.#endGrace();
    this.#host.taskOver(this);
  }

  #judged(outcome: AttemptOutcome, step: Step, final: boolean): Verdict {
    const { codec } = this.#host.deps;
    if (!outcome.ok && outcome.error instanceof LeaseLostError)
      return failed(codec, step.place, outcome.error);
    return judge(codec, step.place, outcome, {
      policy: this.#policy,
      failures: this.task.failures,
      random: Math.random(),
      final,
    });
  }

  /** What would be tried again too late has failed. */
  #inTime(item: number | undefined, verdict: Verdict, step: Step): Verdict {
    const deadline = this.#deadlineOf(item);
    if (verdict.kind !== "again" || deadline === undefined) return verdict;
    const { clock, codec } = this.#host.deps;
    return clock.now() + verdict.delayMs <= deadline
      ? verdict
      : {
          kind: "failed",
          payload: verdict.payload,
          error: codec.decodeFailure(verdict.payload, step.place),
        };
  }

  #outcomeOf(ended: EndedItem): TaskOutcome {
    const { item, verdict, step, uncounted, attempt, startedAt, heartbeat } = ended;
    const { codec } = this.#host.deps;
    return {
      session: this.#session,
      claim: this.task.claim,
      gated: this.task.gates !== undefined,
      task: this.task.key,
      item,
      attempt: this.task.stored === undefined ? attempt : 0,
      failures: this.task.failures + (verdict.kind === "completed" || uncounted ? 0 : 1),
      startedAt,
      outcome:
        verdict.kind === "completed"
          ? {
              kind: "completed",
              value: verdict.payload,
              stored: keptFor(codec, this.task.gates, verdict.value),
              records:
                verdict.records === undefined
                  ? undefined
                  : codec.encode(verdict.records, step.place, "records"),
            }
          : verdict.kind === "failed"
            ? { kind: "failed", value: verdict.payload }
            : { kind: "again", delayMs: verdict.delayMs, error: verdict.payload, heartbeat },
    };
  }
}

/** How an item ended, and what has to be stored of it. */
interface EndedItem {
  readonly item: number | undefined;
  readonly verdict: Verdict;
  readonly step: Step;
  /** What it ended by is no failure. */
  readonly uncounted: boolean;
  /** Which start it was, or the one before it for what was not begun. */
  readonly attempt: number;
  readonly startedAt: number;
  readonly heartbeat: Payload | undefined;
}

function nothing(): void {
  // no timer is set
}
