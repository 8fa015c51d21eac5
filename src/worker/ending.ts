import type { Workflow } from "../core/durable.ts";
import { CancelledError } from "../core/errors.ts";
import { isRemote } from "../core/define.ts";
import type { Done, UndoFailure } from "../core/interpreter/turn.ts";
import type { Payload } from "../core/payload.ts";
import { resultPlace } from "../core/places.ts";
import { afterFailure } from "../core/retry.ts";
import {
  attemptPolicy,
  maxAttemptsOf,
  placementOf,
  type StoredOptions,
} from "../core/step-options.ts";
import type { ClaimedExecution, NewDeadLetter, Next } from "../store/store.ts";
import { deadLetterOf } from "./dead-letter.ts";
import type { Hold } from "./hold.ts";
import { keptFor } from "./kept-result.ts";
import type { RunHost } from "./run-host.ts";
import { storedOptions } from "./step-runner.ts";
import { failed } from "./verdict.ts";

/** A step whose failure the workflow has been given. */
export interface FailedStep {
  readonly seq: number;
  readonly path: string;
  /** Left out of what this process has reached itself: it is that of its run. */
  readonly cut: number | undefined;
  readonly kind: string;
  readonly name: string;
  readonly attempt: number;
  /** What the journal keeps of where and how it runs. */
  readonly options: string | undefined;
}

/** What becomes of an execution when a run of it has ended. */
export class Ending {
  readonly #host: RunHost;
  readonly #fn: Workflow<unknown[], unknown>;
  readonly #execution: ClaimedExecution;

  constructor({ host, execution, fn }: Hold) {
    this.#host = host;
    this.#execution = execution;
    this.#fn = fn;
  }

  /** `failedSteps`: by delivery number. `handsOn`: it has counters or state. */
  next(
    done: Done,
    failedSteps: ReadonlyMap<number, FailedStep>,
    handsOn: boolean,
    encodedResult?: unknown,
  ): Next {
    const { codec } = this.#host.deps;
    const place = resultPlace(this.#execution.id);
    switch (done.kind) {
      case "completed":
        return this.#completion(done.value, encodedResult as Payload | undefined);
      case "continued":
        return this.#continuation(done.input as Payload, handsOn);
      case "failed":
        return this.#failure(done.error, done.failedBy, failedSteps.get(done.failedBy));
      case "closed": {
        const state = done.reason instanceof CancelledError ? "cancelled" : "timed_out";
        const result = codec.encodeFailure(withErrors(done.reason, done.errors), place);
        return { kind: "end", end: { state, result, failedBy: undefined, deadLetter: undefined } };
      }
      default:
        return done satisfies never;
    }
  }

  /** `encoded`: as the interpreter was given it; not there where a replay came to the end. */
  #completion(value: unknown, encoded: Payload | undefined): Next {
    const { codec } = this.#host.deps;
    try {
      const result = encoded ?? codec.encode(value, resultPlace(this.#execution.id));
      const stored = keptFor(codec, this.#execution.gates, value);
      return {
        kind: "end",
        end: { state: "completed", result, failedBy: undefined, deadLetter: undefined, stored },
      };
    } catch (error) {
      return this.#failure(error, Number.MAX_SAFE_INTEGER, undefined);
    }
  }

  /** What its next run by continueAsNew will run: the version registered last, if its code is here. */
  get nextFunction(): Workflow<unknown[], unknown> {
    const latest = this.#host.deps.registry.get(this.#execution.name);
    return latest?.kind === "workflow" && !isRemote(latest)
      ? (latest as Workflow<unknown[], unknown>)
      : this.#fn;
  }

  #continuation(input: Payload, handsOn: boolean): Next {
    const { name, queue, tags } = this.#execution;
    const { version } = this.nextFunction.options;
    const hold = this.#host.isReady();
    return { kind: "continue", input, name, version, queue, tags, handsOn, hold };
  }

  /** The dead letter of an undo step: of its task, if one failed it. */
  undoLetter(failure: UndoFailure, step: FailedStep | undefined): NewDeadLetter {
    const { codec } = this.#host.deps;
    const { payload, error } = failed(codec, resultPlace(this.#execution.id), failure.error);
    if (step !== undefined) return this.#letter(step, error, payload);
    return deadLetterOf({
      execution: this.#execution,
      placement: this.#execution,
      path: failure.path,
      seq: -1,
      item: -1,
      name: this.#execution.name,
      attempt: 1,
      maxAttempts: 1,
      error,
      payload,
    });
  }

  /** The workflow's own retry policy comes first: a new run from the top. */
  #failure(error: unknown, failedBy: number, step: FailedStep | undefined): Next {
    const { codec } = this.#host.deps;
    const place = resultPlace(this.#execution.id);
    const policy = attemptPolicy(
      this.#fn,
      JSON.parse(this.#execution.options ?? "{}") as StoredOptions,
    );
    const { payload, error: stored } = failed(codec, place, error);
    const failures = this.#execution.failures + 1;
    const again = afterFailure(policy.retry, error, failures, Math.random());
    if (again.kind === "retry")
      return { kind: "again", delayMs: again.delayMs, failures, result: payload, newRun: true };
    const deadLetter = step === undefined ? undefined : this.#letter(step, stored, payload);
    return { kind: "end", end: { state: "failed", result: payload, failedBy, deadLetter } };
  }

  #letter(step: FailedStep, error: Error, payload: NewDeadLetter["error"] & {}): NewDeadLetter {
    const fn = this.#host.deps.registry.get(step.name);
    const options = storedOptions(step.options);
    const { cut = this.#execution.cut } = step;
    return deadLetterOf({
      execution: { ...this.#execution, cut },
      placement: fn === undefined ? this.#execution : placementOf(fn, options, this.#execution),
      path: step.path,
      seq: step.seq,
      item: -1,
      name: step.name,
      attempt: step.attempt,
      maxAttempts: maxAttemptsOf("activity", fn, options),
      options,
      error,
      payload,
    });
  }
}

/** What `finally` blocks threw stands in `errors` of the reason. */
export function withErrors(reason: Error, errors: readonly unknown[]): Error {
  if (errors.length > 0)
    Object.defineProperty(reason, "errors", {
      value: errors,
      configurable: true,
      writable: true,
      enumerable: false,
    });
  return reason;
}
