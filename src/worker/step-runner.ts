import { bodyOf, isRemote } from "../core/define.ts";
import type { Activity, AnyDurable } from "../core/durable.ts";
import type { Payload } from "../core/payload.ts";
import type { Place } from "../core/serializer.ts";
import { attemptPolicy, type AttemptPolicy, type StoredOptions } from "../core/step-options.ts";
import type { Logger } from "../observe/events.ts";
import type { TraceSpan } from "../observe/tracing.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { NewDeadLetter } from "../store/store.ts";
import type { WorkerDeps } from "./deps.ts";
import { startAttempt, type Attempt, type OnEnd } from "./perform.ts";
import { reasonOf, type Verdict } from "./verdict.ts";

/** One attempt of one step, with all that is needed to begin it. */
export interface Step {
  readonly executionId: string;
  readonly taskId: string;
  /** The same for every attempt of the step, replays included. */
  readonly idempotencyKey: string;
  readonly name: string;
  readonly queue: string | undefined;
  readonly input: Payload;
  readonly place: Place;
  readonly options: StoredOptions;
  /** What the last attempt told in its last heartbeat, as it is stored. */
  readonly heartbeat: Payload | undefined;
  /** Which start this is, from 1. */
  readonly attempt: number;
  /** When it became due, in milliseconds since 1970. */
  readonly dueAt: number;
}

/** Nothing is set at the place of call: the one such object, so that it can be told without looking into it. */
export const noOptions: StoredOptions = Object.freeze({});

/** The options that a row has. */
export function storedOptions(json: string | undefined): StoredOptions {
  return json === undefined ? noOptions : (JSON.parse(json) as StoredOptions);
}

/** Begins attempts of activities in this process, and tells the observer. */
export class StepRunner {
  readonly #deps: WorkerDeps;
  readonly #workerId: string;
  readonly #logger: Logger;
  /** Of functions as they are defined: the same at every call. */
  readonly #policies = new WeakMap<AnyDurable, AttemptPolicy>();

  constructor(deps: WorkerDeps, workerId: string) {
    this.#deps = deps;
    this.#workerId = workerId;
    this.#logger = deps.observer.log;
  }

  /** How attempts of a function are made; undefined if it is not here. */
  policyOf(name: string, options: StoredOptions): AttemptPolicy | undefined {
    const fn = this.#deps.registry.get(name);
    if (fn === undefined || options !== noOptions) return fn && attemptPolicy(fn, options);
    const known = this.#policies.get(fn) ?? attemptPolicy(fn, options);
    this.#policies.set(fn, known);
    return known;
  }

  /** Begins an attempt. @throws SerializationError if the arguments cannot be read; Error if the function is not here. */
  begin(step: Step, policy: AttemptPolicy, onEnd: OnEnd): Attempt {
    const { clock, codec, observer, registry } = this.#deps;
    const fn = registry.get(step.name);
    if (fn === undefined || fn.kind !== "activity" || isRemote(fn))
      throw new Error(`no activity "${step.name}" is registered here`);
    const args = codec.decode(step.input, step.place) as readonly unknown[];
    failpoint("perform.before-start");
    const queuedMs = Math.max(0, clock.now() - step.dueAt);
    observer.emit(Object.assign(this.#event(step), { type: "taskClaimed" as const, queuedMs }));
    const body = bodyOf(fn as Activity<readonly unknown[], unknown>);
    const span = observer.traces ? this.#startSpan(step) : undefined;
    return startAttempt(
      {
        executionId: step.executionId,
        taskId: step.taskId,
        idempotencyKey: step.idempotencyKey,
        functionName: step.name,
        attempt: step.attempt,
        lastHeartbeat:
          step.heartbeat === undefined ? undefined : codec.decode(step.heartbeat, step.place),
        run: span === undefined ? body : (...given) => span.run(() => body(...given)),
        args,
        timeoutMs: policy.timeoutMs,
        heartbeatTimeoutMs: policy.heartbeatTimeoutMs,
        logger: this.#logger,
        clock,
      },
      span === undefined
        ? onEnd
        : (outcome, attempt) => {
            span.end(outcome.ok ? {} : { error: outcome.error });
            onEnd(outcome, attempt);
          },
    );
  }

  #startSpan({ name, options, executionId, taskId, attempt, queue }: Step): TraceSpan | undefined {
    return this.#deps.observer.startSpan({
      kind: "activity",
      name,
      trace: options.trace,
      attributes: {
        "stent.execution.id": executionId,
        "stent.task.id": taskId,
        "stent.attempt": attempt,
        "stent.worker.id": this.#workerId,
        ...(queue === undefined ? {} : { "stent.queue": queue }),
      },
    });
  }

  /** What the next attempt will find as `lastHeartbeat`: what this one told last, else what it has found. */
  heartbeatOf(step: Step, attempt: Attempt): Payload | undefined {
    if (attempt.lastDetails === undefined) return step.heartbeat;
    try {
      return this.#deps.codec.encode(attempt.lastDetails, step.place, "heartbeat details");
    } catch (error) {
      this.#logger.warn(
        "the details of a heartbeat cannot be stored; the next attempt will not find them",
        { executionId: step.executionId, taskId: step.taskId, error },
      );
      return step.heartbeat;
    }
  }

  /** Tells the observer how an attempt ended, after the commit. */
  ended(step: Step, verdict: Verdict, durationMs: number): void {
    failpoint("perform.after-commit");
    const event = this.#event(step);
    this.#deps.observer.emit(
      verdict.kind === "completed"
        ? Object.assign(event, { type: "taskCompleted" as const, durationMs })
        : Object.assign(event, {
            type: "taskFailed" as const,
            reason: reasonOf(verdict.error),
            retrying: verdict.kind === "again",
          }),
    );
  }

  /** Tells the observer of a dead letter, after the commit. */
  deadLettered(letter: NewDeadLetter | undefined): void {
    if (letter === undefined) return;
    const { id, executionId, name, kind, queue } = JSON.parse(letter.record) as {
      readonly id: string;
      readonly executionId: string;
      readonly name: string;
      readonly kind: string;
      readonly queue?: string;
    };
    const step = { step: name, kind, queue, workerId: this.#workerId, executionId, taskId: id };
    this.#deps.observer.emit({ type: "deadLettered", ...step, reason: letter.reason });
  }

  #event(step: Step): {
    step: string;
    kind: string;
    queue: string | undefined;
    workerId: string;
    executionId: string;
    taskId: string;
  } {
    return {
      step: step.name,
      kind: "activity",
      queue: step.queue,
      workerId: this.#workerId,
      executionId: step.executionId,
      taskId: step.taskId,
    };
  }
}
