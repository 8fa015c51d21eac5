/**
 * Runs one attempt of an activity: the user's code, and nothing of the database.
 *
 *   F1  Its end is told once, never while it is being started: with the function's outcome, or before that when the attempt is given up.
 *   F2  What a function does after its attempt was given up has no effect here: its value, its error and its heartbeats are dropped, and
 *       a late rejection is no unhandled one.
 *   F3  A function is told to stop, it is not stopped: JavaScript knows no way. Who waits for it decides for how long.
 */
import { ExpiryError } from "../core/errors.ts";
import type { Records } from "../core/interpreter/turn.ts";
import type { Clock } from "../runtime/clock.ts";
import { failpoint } from "../runtime/failpoint.ts";
import { AttemptScope, type AttemptFacts, type HeartbeatListener } from "./context.ts";

/** One attempt to be made. */
export interface AttemptRequest extends AttemptFacts {
  readonly run: (...args: readonly unknown[]) => unknown;
  readonly args: readonly unknown[];
  /** Longest the attempt may take; past it, it is given up. */
  readonly timeoutMs: number | undefined;
  /** Longest it may go without a heartbeat; past it, it is given up. */
  readonly heartbeatTimeoutMs: number | undefined;
  readonly clock: Clock;
  /** Told of each heartbeat while the attempt counts, as often as the function sends them. What it throws is logged. */
  readonly onHeartbeat?: ((details: unknown) => void) | undefined;
}

/** How an attempt ended. `gaveUp`: by time, or by `abandon`, and the function may still be running. */
export type AttemptOutcome =
  | { readonly ok: true; readonly value: unknown; readonly records: Records | undefined }
  | { readonly ok: false; readonly error: unknown; readonly gaveUp: boolean };

/** An attempt under way. */
export interface Attempt {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Why it was told to stop; undefined if it was not. */
  readonly aborted: Error | undefined;
  /** What it told in its last heartbeat; undefined if it told nothing. */
  readonly lastDetails: unknown;
  /** Fires the AbortSignal; `done` still waits for the function. The first reason stands. */
  abort(reason: Error): void;
  /** Gives it up: fires the AbortSignal and tells the end, both with the first reason given. No effect once it has ended. */
  abandon(reason: Error): void;
}

/** Who is told how an attempt ended. Must not throw. */
export type OnEnd = (outcome: AttemptOutcome, attempt: Attempt) => void;

/** Starts an attempt. The function runs at once, up to its first await, in the caller's turn. */
export function startAttempt(request: AttemptRequest, onEnd: OnEnd): Attempt {
  return new RunningAttempt(request, onEnd);
}

class RunningAttempt implements Attempt, HeartbeatListener {
  readonly startedAt: number;
  readonly #request: AttemptRequest;
  readonly #scope: AttemptScope;
  #lastDetails: unknown;
  #onEnd: OnEnd;
  #endTimeout: () => void = nothing;
  #endSilence: () => void = nothing;

  constructor(request: AttemptRequest, onEnd: OnEnd) {
    const { clock, timeoutMs } = request;
    this.#request = request;
    this.#onEnd = onEnd;
    this.#scope = new AttemptScope(request, this);
    this.startedAt = clock.now();
    if (timeoutMs !== undefined) {
      this.#endTimeout = clock.schedule(timeoutMs, () =>
        this.#giveUp(tookTooLong(request, timeoutMs)),
      );
    }
    this.#listenForHeartbeats();
    // One promise beside the function's own, and no await: there is an attempt a step. It takes values, promises and foreign thenables
    // alike, and handles what is rejected late (F2).
    void this.#begin().then(this.#succeeded, this.#failed);
  }

  get lastDetails(): unknown {
    return this.#lastDetails;
  }

  get aborted(): Error | undefined {
    return this.#scope.abortReason;
  }

  abort(reason: Error): void {
    this.#scope.abort(reason);
  }

  abandon(reason: Error): void {
    this.#giveUp(this.aborted ?? reason);
  }

  heartbeat(details: unknown): void {
    this.#listenForHeartbeats();
    try {
      this.#lastDetails = details;
      this.#request.onHeartbeat?.(details);
    } catch (error) {
      this.#scope.log.error("a heartbeat could not be noted; the attempt goes on", { error });
    }
  }

  #begin(): Promise<unknown> {
    const { run, args } = this.#request;
    try {
      return Promise.resolve(this.#scope.run(run, args));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  readonly #succeeded = (value: unknown): void => {
    failpoint("perform.after-end");
    this.#end({ ok: true, value, records: this.#scope.end() });
  };

  readonly #failed = (error: unknown): void => {
    failpoint("perform.after-end");
    this.#scope.end();
    this.#end({ ok: false, error, gaveUp: false });
  };

  #listenForHeartbeats(): void {
    const { clock, heartbeatTimeoutMs } = this.#request;
    if (heartbeatTimeoutMs === undefined) return;
    this.#endSilence();
    this.#endSilence = clock.schedule(heartbeatTimeoutMs, () =>
      this.#giveUp(wasSilent(this.#request, heartbeatTimeoutMs)),
    );
  }

  #giveUp(error: Error): void {
    if (!this.#scope.giveUp()) return;
    this.#endTimers();
    queueMicrotask(() => this.#end({ ok: false, error, gaveUp: true }));
    this.#scope.abort(error);
  }

  #endTimers(): void {
    this.#endTimeout();
    this.#endSilence();
  }

  /** After the first call it has no effect. */
  #end(outcome: AttemptOutcome): void {
    this.#endTimers();
    const tell = this.#onEnd;
    this.#onEnd = nothing;
    tell(outcome, this);
  }
}

function tookTooLong(request: AttemptRequest, timeoutMs: number): ExpiryError {
  return new ExpiryError(
    "ATTEMPT_TIMED_OUT",
    `${titleOf(request)} took longer than its timeout of ${timeoutMs} ms. ` +
      `Let it end when context().signal fires, or raise the timeout.`,
  );
}

function wasSilent(request: AttemptRequest, heartbeatTimeoutMs: number): ExpiryError {
  return new ExpiryError(
    "ATTEMPT_TIMED_OUT",
    `${titleOf(request)} sent no heartbeat for ${heartbeatTimeoutMs} ms, its heartbeatTimeout. ` +
      `Call context().heartbeat() more often, or raise the heartbeatTimeout.`,
  );
}

function titleOf({ functionName, attempt, executionId }: AttemptRequest): string {
  return `attempt ${attempt} of activity "${functionName}" (execution ${executionId})`;
}

function nothing(): void {}
