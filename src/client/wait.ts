import type { Duration } from "../core/duration.ts";
import { ExecutionNotFoundError, ExpiryError } from "../core/errors.ts";
import { durationOption, knownOptions } from "../core/option.ts";
import type { EndedExecution } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import type { EndWait } from "./end-watch.ts";

/** How long to wait for an execution. */
export interface WaitOptions {
  /** Ends the wait with an ExpiryError, never the execution. Default: none. */
  timeout?: Duration;
  /** Ends the wait with its reason. */
  signal?: AbortSignal;
}

/** Wait options, checked. */
export interface ResolvedWait {
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws TypeError or InvalidDurationError naming the option. */
export function resolveWaitOptions(
  options: WaitOptions & { expiry?: Duration } = {},
): ResolvedWait {
  knownOptions("a wait", options, ["timeout", "expiry", "signal"]);
  const { timeout, expiry, signal } = options;
  if (timeout !== undefined && expiry !== undefined) {
    throw new TypeError("timeout and expiry are two names for one option; give one of them");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("signal must be an AbortSignal, such as that of an AbortController");
  }
  return {
    timeoutMs: durationOption("timeout", timeout) ?? durationOption("expiry", expiry),
    signal,
  };
}

/** A moment at which an execution had not ended. */
export interface Unended {
  /** How many batches this process had stored. */
  readonly commits: number;
  /** What it knew of other processes; undefined: nothing. */
  readonly foreignChanges: number | undefined;
}

/** For what has been stored just now, and has not ended in the same commit. */
export function unendedNow({ committer, foreign }: Connection): Unended {
  return { commits: committer.commits, foreignChanges: foreign.changes };
}

/** What another process has ended and is not noticed yet is noticed once somebody waits, and looked at then. */
function isStillUnended({ committer, foreign }: Connection, unended: Unended | undefined): boolean {
  return (
    unended?.commits === committer.commits &&
    unended.foreignChanges !== undefined &&
    unended.foreignChanges === foreign.changes
  );
}

/**
 * How an execution has ended, once it has. `unended`: when it is known not to have ended.
 * @throws ExecutionNotFoundError; ExpiryError (WAIT_EXPIRED); the signal's reason; ClosedError when the client closes
 */
export function waitForEnd(
  connection: Connection,
  id: string,
  { timeoutMs, signal }: ResolvedWait,
  unended: Unended | undefined,
): Promise<EndedExecution> {
  signal?.throwIfAborted();
  // Opened before the first look, so that an end between the two is told.
  const wait = connection.ends.open(id);
  // Most waits are for what has been dispatched a moment ago: a look for each would be a twentieth of a one-step workflow.
  if (!isStillUnended(connection, unended)) void look(connection, wait);
  return timeoutMs === undefined && signal === undefined
    ? wait.ended
    : bounded(connection, wait, { timeoutMs, signal });
}

async function look({ store, ends }: Connection, wait: EndWait): Promise<void> {
  try {
    const found = await store.outcome(wait.id);
    if (found === undefined) wait.fail(new ExecutionNotFoundError(wait.id));
    else if (found.ended !== undefined) ends.tell(found.ended);
  } catch (error) {
    wait.fail(error);
  }
}

async function bounded(
  { clock }: Connection,
  wait: EndWait,
  { timeoutMs, signal }: ResolvedWait,
): Promise<EndedExecution> {
  const abort = (): void => wait.fail(signal?.reason);
  signal?.addEventListener("abort", abort);
  const unschedule =
    timeoutMs === undefined
      ? undefined
      : clock.schedule(timeoutMs, () => wait.fail(expired(wait.id, timeoutMs)));
  try {
    return await wait.ended;
  } finally {
    unschedule?.();
    signal?.removeEventListener("abort", abort);
  }
}

function expired(id: string, timeoutMs: number): ExpiryError {
  return new ExpiryError(
    "WAIT_EXPIRED",
    `execution "${id}" had not ended after ${timeoutMs} ms; only this wait is over: the execution goes on, and can be waited for again`,
  );
}
