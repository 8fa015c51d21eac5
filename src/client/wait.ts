import type { Duration } from "../core/duration.ts";
import { ExecutionNotFoundError, ExpiryError } from "../core/errors.ts";
import { durationOption, knownOptions } from "../core/option.ts";
import type { EndedExecution } from "../store/store.ts";
import type { Connection } from "./connection.ts";

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

/**
 * How an execution has ended, once it has.
 * @throws ExecutionNotFoundError; ExpiryError (WAIT_EXPIRED); the signal's reason; ClosedError when the client closes
 */
export async function waitForEnd(
  connection: Connection,
  id: string,
  { timeoutMs, signal }: ResolvedWait,
): Promise<EndedExecution> {
  signal?.throwIfAborted();
  // Opened before the first look, so that an end between the two is told.
  const wait = connection.ends.open(id);
  const abort = (): void => wait.fail(signal?.reason);
  signal?.addEventListener("abort", abort);
  const unschedule =
    timeoutMs === undefined
      ? undefined
      : connection.clock.schedule(timeoutMs, () => wait.fail(expired(id, timeoutMs)));
  try {
    const found = await connection.store.outcome(id);
    if (found === undefined) throw new ExecutionNotFoundError(id);
    const ended = found.ended ?? (await wait.next());
    if (ended.state === undefined) throw new ExecutionNotFoundError(id);
    return ended;
  } finally {
    unschedule?.();
    signal?.removeEventListener("abort", abort);
    wait.close();
  }
}

function expired(id: string, timeoutMs: number): ExpiryError {
  return new ExpiryError(
    "WAIT_EXPIRED",
    `execution "${id}" had not ended after ${timeoutMs} ms; only this wait is over: the execution goes on, and can be waited for again`,
  );
}
