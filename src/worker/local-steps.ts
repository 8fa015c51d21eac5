import { append } from "../core/append.ts";
import { CancelledError, DrainError, LeaseLostError, type ExpiryError } from "../core/errors.ts";
import type { Delivery } from "../core/interpreter/turn.ts";
import { entryPlace } from "../core/places.ts";
import type { Payload } from "../core/payload.ts";
import { SmallMap } from "../core/small-map.ts";
import type { AttemptPolicy } from "../core/step-options.ts";
import type { RunId } from "./journal-loading.ts";
import { runAs } from "./context.ts";
import type { LocalStep } from "./local-step.ts";
import { leaseLost } from "./lost-hold.ts";
import type { Attempt, AttemptOutcome } from "./perform.ts";
import type { RunHost } from "./run-host.ts";
import {
  transact,
  type TransactAs,
  type TransactionStep,
  type TransactRefusal,
} from "./transaction-step.ts";
import type { OutcomeFacts } from "./turn-builder.ts";
import { failed, judge, type Verdict } from "./verdict.ts";

/** A step that has its outcome, which is not in the journal yet. */
export class SettledStep {
  readonly delivery: Extract<Delivery, { kind: "outcome" }>;
  /** What to tell the observer once it is stored. */
  readonly report: (() => void) | undefined;

  constructor(delivery: SettledStep["delivery"], report: SettledStep["report"]) {
    this.delivery = delivery;
    this.report = report;
  }
}

/** A step that failed and is to be tried again. */
export interface RetriedStep {
  readonly path: string;
  readonly step: LocalStep;
  readonly payload: Payload;
  readonly delayMs: number;
  readonly heartbeat: Payload | undefined;
  /** It counts as a failure; one that a drain cut short does not. */
  readonly counted: boolean;
  readonly report: () => void;
}

/**
 * Steps of one held execution that run in this process: its eager activities, its closures and its transactions. An outcome is kept until it is
 * stored, whatever becomes of the coroutine meanwhile: a charge that succeeded is never forgotten.
 */
export class LocalSteps {
  readonly #host: RunHost;
  readonly #run: RunId;
  readonly #kick: () => void;
  /** Undefined: a closure, or a transaction. */
  readonly #running = new SmallMap<string, Attempt | undefined>();
  #told: Set<string> | undefined;
  /** Attempts that nobody waits for any more and that have not ended, with what cancels the timer of their grace. */
  #strays: Map<Attempt, () => void> | undefined;
  #settled: SettledStep[] | undefined;
  #retried: RetriedStep[] | undefined;

  /** `kick` is called when there is something to deliver or to store. */
  constructor(host: RunHost, run: RunId, kick: () => void) {
    this.#host = host;
    this.#run = run;
    this.#kick = kick;
  }

  /** Steps whose outcome is still to come. */
  get running(): number {
    return this.#running.size;
  }

  /** Runs here, or has an outcome that is not stored yet. */
  has(path: string): boolean {
    return (
      this.#running.has(path) ||
      this.#settled?.some((step) => step.delivery.path === path) === true ||
      this.#retried?.some((step) => step.path === path) === true
    );
  }

  /** Paths that run here or have an outcome in hand. */
  paths(): string[] {
    return [
      ...this.#running.keys(),
      ...(this.#settled ?? none).map((step) => step.delivery.path),
      ...(this.#retried ?? none).map((step) => step.path),
    ];
  }

  /** Begins an attempt of an activity; its slot is taken already. */
  begin(step: LocalStep): void {
    try {
      const attempt = this.#host.steps.begin(step, step.policy, (outcome, ended) => {
        this.#host.slots.release();
        this.#ended(step, ended, outcome);
      });
      this.#running.set(step.path, attempt);
    } catch (error) {
      this.#host.slots.release();
      this.fail(step.path, error, step);
    }
  }

  /** Begins a `run` closure: no slot, no retry. */
  beginClosure(path: string, closure: () => unknown): void {
    this.#running.set(path, undefined);
    const startedAt = this.#host.deps.clock.now();
    const settle = (outcome: AttemptOutcome): void => {
      if (!this.#running.delete(path)) return;
      const place = entryPlace(this.#run.id, this.#run.run, path);
      const { codec } = this.#host.deps;
      const verdict = outcome.ok
        ? judge(codec, place, outcome, { policy: noRetry, failures: 0, random: 0, final: true })
        : failed(codec, place, outcome.error);
      this.#settle(
        path,
        verdict,
        { attempt: 1, failures: outcome.ok ? 0 : 1, startedAt },
        undefined,
      );
    };
    const owner = { title: `the run closure at ${path}`, executionId: this.#run.id };
    void Promise.resolve()
      .then(() => runAs(owner, closure))
      .then(
        (value) => settle({ ok: true, value, records: undefined }),
        (error: unknown) => settle({ ok: false, error, gaveUp: false }),
      );
  }

  /** Hands a `transaction` to the store. `refused` is told why it was not run, unless nobody waits for it any more. */
  beginTransaction(
    step: TransactionStep,
    as: TransactAs,
    refused: (reason: TransactRefusal) => void,
  ): void {
    const { path, attempt } = step;
    this.#running.set(path, undefined);
    const startedAt = this.#host.deps.clock.now();
    const settle = (verdict: Exclude<Verdict, { kind: "again" }>): void => {
      const failures = verdict.kind === "failed" ? 1 : 0;
      this.#settle(path, verdict, { attempt, failures, startedAt }, undefined);
    };
    transact(this.#host, this.#run, step, as).then(
      (answer) => {
        if (answer === undefined || !this.#running.delete(path)) return;
        if (answer.kind === "refused") refused(answer.reason);
        else settle(answer);
      },
      (error: unknown) => {
        if (this.#running.delete(path)) this.fail(path, error);
      },
    );
  }

  /** The step has failed without having been begun. */
  fail(path: string, error: unknown, step?: LocalStep): void {
    const place = entryPlace(this.#run.id, this.#run.run, path);
    const verdict = failed(this.#host.deps.codec, place, error);
    const facts = {
      attempt: step?.attempt ?? 0,
      failures: (step?.failures ?? 0) + 1,
      startedAt: undefined,
    };
    this.#settle(path, verdict, facts, undefined);
  }

  /** The step has ended with nothing. */
  succeed(path: string): void {
    const facts: OutcomeFacts = {
      payload: undefined,
      attempt: 1,
      failures: 0,
      startedAt: undefined,
      endedAt: this.#host.deps.clock.now(),
    };
    const outcome = { ok: true as const, value: undefined };
    const delivery = { kind: "outcome" as const, path, outcome, tag: facts };
    this.#settled = append(this.#settled, new SettledStep(delivery, undefined));
    this.#kick();
  }

  /** Tells a step to stop; its outcome is still waited for. */
  tell(path: string, reason: Error): void {
    this.#told ??= new Set();
    this.#told.add(path);
    this.#running.get(path)?.abort(reason);
  }

  /** Nobody waits for it any more: it is told, keeps its slot until it ends or the grace is over, and its outcome is dropped. */
  withdraw(path: string, reason: Error): void {
    this.#settled = this.#settled?.filter((step) => step.delivery.path !== path);
    this.#retried = this.#retried?.filter((step) => step.path !== path);
    const attempt = this.#running.get(path);
    this.#running.delete(path);
    if (attempt === undefined) return;
    attempt.abort(reason);
    const { clock } = this.#host.deps;
    this.#strays ??= new Map();
    this.#strays.set(
      attempt,
      clock.schedule(this.#host.cancelGraceMs, () => attempt.abandon(reason)),
    );
  }

  /** The worker drains: what runs is told, and its lost attempts do not count. */
  drain(): void {
    for (const attempt of this.#running.values()) attempt?.abort(new DrainError());
  }

  /** The execution is not ours any more: whatever comes is dropped. */
  lose(why?: Error): void {
    this.#settled = undefined;
    this.#retried = undefined;
    if (this.#running.size + (this.#strays?.size ?? 0) === 0) return;
    // Made only here: every end of a run comes by, and an error costs as much as ten statements.
    const reason = why ?? leaseLost();
    const attempts = [...this.#running.values()];
    this.#running.clear();
    for (const attempt of attempts) attempt?.abandon(reason);
    for (const [attempt, cancelTimer] of this.#strays ?? []) {
      cancelTimer();
      attempt.abandon(reason);
    }
  }

  /** What comes from now on is not among it. */
  takeSettled(): readonly SettledStep[] {
    const taken = this.#settled ?? none;
    this.#settled = undefined;
    return taken;
  }

  takeRetried(): readonly RetriedStep[] {
    const taken = this.#retried ?? none;
    this.#retried = undefined;
    return taken;
  }

  /** They could not be stored: they are kept for the next try. */
  giveBack(settled: readonly SettledStep[], retried: readonly RetriedStep[]): void {
    this.#settled = [...settled, ...(this.#settled ?? none)];
    this.#retried = [...retried, ...(this.#retried ?? none)];
  }

  #ended(step: LocalStep, attempt: Attempt, outcome: AttemptOutcome): void {
    if (this.#running.get(step.path) !== attempt) {
      this.#strays?.get(attempt)?.();
      this.#strays?.delete(attempt);
      return;
    }
    this.#running.delete(step.path);
    const { codec, clock } = this.#host.deps;
    const drained =
      !outcome.ok && attempt.aborted instanceof DrainError && outcome.error instanceof DrainError;
    const told = this.#told?.has(step.path) === true;
    const verdict =
      drained && !told
        ? this.#afterDrain(step)
        : judge(codec, step.place, outcome, {
            policy: step.policy,
            failures: step.failures,
            random: Math.random(),
            final: told,
          });
    const durationMs = clock.now() - attempt.startedAt;
    const report = (): void => this.#host.steps.ended(step, verdict, durationMs);
    if (verdict.kind === "again") {
      this.#retried = append(this.#retried, {
        path: step.path,
        step,
        payload: verdict.payload,
        delayMs: verdict.delayMs,
        heartbeat: this.#host.steps.heartbeatOf(step, attempt),
        counted: !drained,
        report,
      });
      this.#kick();
      return;
    }
    const failures = step.failures + (verdict.kind === "failed" ? 1 : 0);
    this.#settle(
      step.path,
      verdict,
      { attempt: step.attempt, failures, startedAt: attempt.startedAt },
      report,
    );
  }

  /** An attempt that a drain cut short is not a failure, but under maxAttempts 1 it was the only start. */
  #afterDrain(step: LocalStep): Verdict {
    const { codec } = this.#host.deps;
    if (step.policy.retry.maxAttempts === 1) {
      return failed(
        codec,
        step.place,
        new LeaseLostError(
          `the worker that ran activity "${step.name}" drained, and maxAttempts: 1 allows no second start`,
        ),
      );
    }
    const error = new DrainError();
    return { kind: "again", payload: codec.encodeFailure(error, step.place), delayMs: 0, error };
  }

  #settle(
    path: string,
    verdict: Exclude<Verdict, { kind: "again" }> | Verdict,
    facts: Omit<OutcomeFacts, "payload" | "endedAt">,
    report: (() => void) | undefined,
  ): void {
    if (verdict.kind === "again") return;
    const tag: OutcomeFacts = {
      payload: verdict.payload,
      attempt: facts.attempt,
      failures: facts.failures,
      startedAt: facts.startedAt,
      endedAt: this.#host.deps.clock.now(),
    };
    const outcome =
      verdict.kind === "completed"
        ? { ok: true as const, value: verdict.value }
        : { ok: false as const, error: verdict.error };
    const records = verdict.kind === "completed" ? verdict.records : undefined;
    const delivery = { kind: "outcome" as const, path, outcome, records, tag };
    this.#settled = append(this.#settled, new SettledStep(delivery, report));
    this.#kick();
  }
}

const none: readonly never[] = [];

/** Closures are not retried: the workflow decides what a failure means. */
export const noRetry: AttemptPolicy = {
  retry: {
    maxAttempts: 1,
    initialDelayMs: 0,
    backoffFactor: 1,
    maxDelayMs: 0,
    jitter: 0,
    retryFor: undefined,
  },
  timeoutMs: undefined,
  totalTimeoutMs: undefined,
  heartbeatTimeoutMs: undefined,
};

/** Why attempts of an execution that is being closed are told to stop. */
export function stopReason(closing: CancelledError | ExpiryError | undefined): Error {
  return closing ?? new CancelledError("nobody waits for it any more");
}
