import {
  DeadlockError,
  CancelledError,
  DrainError,
  ExpiryError,
  LeaseLostError,
  PoisonError,
  SerializationError,
} from "../core/errors.ts";
import { outOfTime } from "../core/out-of-time.ts";
import { inputPlace, resultPlace, stepId, storedResultPlace, taskIdOf } from "../core/places.ts";
import type { AttemptPolicy, StoredOptions } from "../core/step-options.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type {
  ClaimedExecution,
  End,
  Next,
  StoredResult,
  TurnAnswer,
  TurnRequest,
} from "../store/store.ts";
import { reasonIn } from "./cancel-reason.ts";
import { deadLetterOf } from "./dead-letter.ts";
import { EmptyTurn } from "./empty-turn.ts";
import { keptFor } from "./kept-result.ts";
import { leaseLost, lossOf } from "./lost-hold.ts";
import type { Attempt, AttemptOutcome } from "./perform.ts";
import type { RunHost } from "./run-host.ts";
import { storedOptions, type Step } from "./step-runner.ts";
import { block } from "./standstill.ts";
import { judge, type Verdict } from "./verdict.ts";

/** An activity that was dispatched by itself: an execution with one task, held while it runs. Takes the slot that its claim kept for it. */
export class JobRun {
  readonly execution: ClaimedExecution;
  readonly #host: RunHost;
  readonly #session: number;
  readonly #options: StoredOptions;
  readonly #policy: AttemptPolicy;
  readonly #step: Step;
  #attempt: Attempt | undefined;
  #closing: CancelledError | ExpiryError | undefined;
  #cancelTimers: (() => void)[] = [];
  #wakeSeq: number;
  #slotKept = true;
  #over = false;

  constructor(execution: ClaimedExecution, host: RunHost) {
    this.execution = execution;
    this.#host = host;
    this.#session = host.session();
    this.#wakeSeq = execution.wakeSeq;
    this.#options = storedOptions(execution.options);
    const policy = host.steps.policyOf(execution.name, this.#options);
    if (policy === undefined) throw new Error(`no activity "${execution.name}" is registered here`);
    this.#policy = policy;
    this.#step = {
      executionId: execution.id,
      taskId: taskIdOf(execution, "1", this.#options),
      idempotencyKey: stepId(execution, "1"),
      name: execution.name,
      queue: execution.queue,
      input: execution.input,
      place: inputPlace(execution.id),
      options: this.#options,
      heartbeat: execution.heartbeat,
      attempt: execution.attempt,
      dueAt: Math.max(execution.notBefore, execution.createdAt),
    };
  }

  /** Wake-ups that have been noticed. */
  get wakeSeq(): number {
    return this.#wakeSeq;
  }

  get running(): number {
    return this.#attempt === undefined ? 0 : 1;
  }

  begin(): void {
    const { stored } = this.execution;
    if (stored !== undefined) return this.#endStored(stored);
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      this.#end({ ok: false, error: refusal, gaveUp: false });
      return;
    }
    try {
      this.#attempt = this.#host.steps.begin(this.#step, this.#policy, (outcome) =>
        this.#end(outcome),
      );
      this.#watchDeadlines();
    } catch (error) {
      if (error instanceof SerializationError) void this.#standStill(error);
      else this.#end({ ok: false, error, gaveUp: false });
    }
  }

  /** What somebody else has run stands for it. */
  #endStored({ name, value }: StoredResult): void {
    const { codec } = this.#host.deps;
    try {
      const stands = codec.decode(value, storedResultPlace(name));
      this.#end({ ok: true, value: stands, records: undefined });
    } catch (error) {
      if (error instanceof SerializationError) void this.#standStill(error);
      else this.#end({ ok: false, error, gaveUp: false });
    }
  }

  /** Its arguments cannot be read here: that is no failure of its own, and nothing is lost. */
  async #standStill(error: SerializationError): Promise<void> {
    const { execution } = this;
    const held = { host: this.#host, execution, session: this.#session, wakeSeq: this.#wakeSeq };
    try {
      await block(held, "unreadable", error);
      if (!this.#over) this.#letGo();
    } catch (failure) {
      this.#giveUp(failure);
    }
  }

  /** Something may have happened to it. Where that cannot be read now, the next look at what is held finds it out. */
  wake(): void {
    const executionId = this.execution.id;
    void this.#readRow().catch((error: unknown) =>
      this.#host.deps.observer.log.warn(
        "what happened to a job could not be read; it is tried again",
        { executionId, error },
      ),
    );
  }

  /** Finds out whether it was cancelled. */
  async #readRow(): Promise<void> {
    const { store, codec } = this.#host.deps;
    const row = await store.executionByKey(this.execution.key);
    if (row === undefined || row.worker !== this.#session || row.claim !== this.execution.claim)
      this.lose(lossOf(codec, row));
    else {
      this.#wakeSeq = row.wakeSeq;
      if (row.state === "cancelling") this.#close(new CancelledError(reasonIn(row.cancelReason)));
    }
  }

  drain(): void {
    this.#attempt?.abort(new DrainError());
  }

  lose(reason: Error = leaseLost()): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopTimers();
    this.#attempt?.abandon(reason);
    this.#freeSlot();
    this.#leavePlace();
    this.#host.runOver(this.execution.key);
  }

  /** Ended from outside while it ran: its place of a limit has waited for this. */
  #leavePlace(): void {
    if (this.execution.gates === undefined) return;
    const request = { session: this.#session, execution: this.execution.key };
    this.#host.store("leave", request, nothing, nothing); // where that fails its session is dead, and its places are free
  }

  #refusal(): Error | undefined {
    const { execution } = this;
    if (execution.state === "cancelling") {
      this.#closing = new CancelledError(reasonIn(execution.cancelReason));
      return this.#closing;
    }
    const total = this.#totalDeadline();
    if (total !== undefined && total <= this.#host.deps.clock.now())
      return outOfTime(execution.name);
    if (execution.deadlock !== undefined) return new DeadlockError(execution.deadlock);
    if (execution.marks >= this.#host.maxClaims) {
      return new PoisonError(
        `activity "${execution.name}" was running in ${execution.marks} worker sessions when they died; it is not tried again by itself`,
      );
    }
    if (this.#policy.retry.maxAttempts === 1 && execution.attempt > 1) {
      return new LeaseLostError(
        `the worker that ran activity "${execution.name}" was lost, and maxAttempts: 1 allows no second start`,
      );
    }
    return undefined;
  }

  #watchDeadlines(): void {
    const { clock } = this.#host.deps;
    const { deadline } = this.execution;
    if (deadline !== undefined) {
      const expire = (): void =>
        this.#close(
          new ExpiryError(
            "EXECUTION_TIMED_OUT",
            `job "${this.execution.name}" passed its maxDuration`,
          ),
        );
      this.#cancelTimers.push(clock.schedule(Math.max(0, deadline - clock.now()), expire));
    }
    const total = this.#totalDeadline();
    if (total !== undefined) {
      const giveUp = (): void => this.#attempt?.abandon(outOfTime(this.execution.name));
      this.#cancelTimers.push(clock.schedule(Math.max(0, total - clock.now()), giveUp));
    }
  }

  /** When its totalTimeout ends, retries included. */
  #totalDeadline(): number | undefined {
    const { totalTimeoutMs } = this.#policy;
    return totalTimeoutMs === undefined ? undefined : this.execution.scheduledAt + totalTimeoutMs;
  }

  /** Tells the attempt, and waits for it up to the grace. */
  #close(reason: CancelledError | ExpiryError): void {
    if (this.#closing !== undefined || this.#over) return;
    this.#closing = reason;
    this.#attempt?.abort(reason);
    this.#cancelTimers.push(
      this.#host.deps.clock.schedule(this.#host.cancelGraceMs, () =>
        this.#attempt?.abandon(reason),
      ),
    );
  }

  #stopTimers(): void {
    for (const cancel of this.#cancelTimers.splice(0)) cancel();
  }

  #end(outcome: AttemptOutcome): void {
    if (this.#over) return;
    this.#stopTimers();
    const verdict = this.#judge(outcome);
    const request = this.#request(verdict, outcome);
    failpoint("job.before-submit");
    this.#host.store(
      "turn",
      request,
      (answer) => this.#answered(outcome, verdict, request.next, answer),
      (error) => this.#giveUp(error),
    );
    // Not before, so that the claim which fills it is written together with the outcome.
    this.#freeSlot();
  }

  #freeSlot(): void {
    if (!this.#slotKept) return;
    this.#slotKept = false;
    this.#host.slots.release();
  }

  /** `answer`: none once this worker has stopped. */
  #answered(
    outcome: AttemptOutcome,
    verdict: Verdict,
    next: Next,
    answer: TurnAnswer | undefined,
  ): void {
    failpoint("job.after-commit");
    if (answer?.kind === "refused" && answer.reason === "cancelled") {
      void this.#endAnew(outcome).catch((error: unknown) => this.#giveUp(error));
      return;
    }
    if (this.#over) return;
    const { steps, deps } = this.#host;
    if (answer?.kind === "stored" && this.execution.stored === undefined)
      steps.ended(this.#step, verdict, deps.clock.now() - (this.#attempt?.startedAt ?? 0));
    else if (answer?.kind === "refused" && answer.reason === "session") this.#host.sessionLost();
    if (answer?.kind === "stored" && next.kind === "end") steps.deadLettered(next.end.deadLetter);
    this.#letGo();
  }

  /** A cancel has arrived that the outcome did not know of. */
  async #endAnew(outcome: AttemptOutcome): Promise<void> {
    await this.#readRow();
    if (!this.#over) this.#end(outcome);
  }

  #giveUp(error: unknown): void {
    this.#host.deps.observer.log.error("the outcome of a job could not be stored; it is let go", {
      executionId: this.execution.id,
      taskId: this.#step.taskId,
      error,
    });
    if (!this.#over) this.#letGo();
  }

  #letGo(): void {
    this.#over = true;
    this.#freeSlot();
    this.#host.runOver(this.execution.key);
  }

  #judge(outcome: AttemptOutcome): Verdict {
    const { deps } = this.#host;
    const drained = !outcome.ok && outcome.error instanceof DrainError;
    const place = resultPlace(this.execution.id);
    if (drained && this.#policy.retry.maxAttempts > 1) {
      return {
        kind: "again",
        payload: deps.codec.encodeFailure(outcome.error, place),
        delayMs: 0,
        error: outcome.error,
      };
    }
    const lost =
      !outcome.ok &&
      (outcome.error instanceof LeaseLostError ||
        outcome.error instanceof PoisonError ||
        outcome.error instanceof DeadlockError);
    const verdict = judge(deps.codec, place, outcome, {
      policy: this.#policy,
      failures: this.execution.failures,
      random: Math.random(),
      final: lost || this.#closing !== undefined,
    });
    const total = this.#totalDeadline();
    const tooLate =
      verdict.kind === "again" && total !== undefined && deps.clock.now() + verdict.delayMs > total;
    return tooLate
      ? {
          kind: "failed",
          payload: verdict.payload,
          error: deps.codec.decodeFailure(verdict.payload, place),
        }
      : verdict;
  }

  #request(verdict: Verdict, outcome: AttemptOutcome): TurnRequest {
    const records = verdict.kind === "completed" ? verdict.records : undefined;
    const { codec } = this.#host.deps;
    const of = { session: this.#session, execution: this.execution, wakeSeq: this.#wakeSeq };
    const turn = new EmptyTurn(of, this.#closing !== undefined, this.#next(verdict, outcome));
    turn.clearMarks = this.execution.marks > 0;
    if (records === undefined) return turn;
    turn.counters = Object.entries(records.counters ?? {}).map(([name, value]) => ({
      name,
      value,
    }));
    turn.state = Object.entries(records.state ?? {}).map(([name, value]) => ({
      name,
      value: codec.encode(value, { kind: "state", owner: this.execution.id, path: name }, name),
    }));
    return turn;
  }

  #next(verdict: Verdict, outcome: AttemptOutcome): Next {
    const { codec } = this.#host.deps;
    if (this.#closing !== undefined) {
      const state = this.#closing instanceof CancelledError ? "cancelled" : "timed_out";
      return end(
        state,
        codec.encodeFailure(this.#closing, resultPlace(this.execution.id)),
        undefined,
      );
    }
    if (verdict.kind === "completed") {
      const stored = keptFor(codec, this.execution.gates, verdict.value);
      return end("completed", verdict.payload, undefined, stored);
    }
    if (verdict.kind === "failed") {
      const letter = deadLetterOf({
        execution: this.execution,
        placement: this.execution,
        path: "1",
        seq: -1,
        item: -1,
        name: this.execution.name,
        attempt: this.execution.attempt,
        maxAttempts: this.#policy.retry.maxAttempts,
        options: this.#options,
        error: verdict.error,
        payload: verdict.payload,
      });
      return end("failed", verdict.payload, letter);
    }
    const counted = !outcome.ok && !(outcome.error instanceof DrainError);
    return {
      kind: "again",
      delayMs: verdict.delayMs,
      failures: this.execution.failures + (counted ? 1 : 0),
      result: verdict.payload,
      newRun: false,
      heartbeat:
        this.#attempt === undefined
          ? undefined
          : this.#host.steps.heartbeatOf(this.#step, this.#attempt),
    };
  }
}

function nothing(): void {
  // nobody waits for it
}

function end(
  state: End["state"],
  result: End["result"],
  deadLetter: End["deadLetter"],
  stored?: End["stored"],
): Next {
  return { kind: "end", end: { state, result, failedBy: undefined, deadLetter, stored } };
}
