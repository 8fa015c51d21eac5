import {
  startAttempt as begin,
  type Attempt,
  type AttemptOutcome,
  type AttemptRequest,
} from "../../src/worker/perform.ts";
import { ManualClock } from "./manual-clock.ts";
import { MemoryLogger } from "./memory-logger.ts";

/** An attempt to be made, of a function that does nothing, by a clock that stands still; with these parts of it changed. */
export function attemptRequest(parts: Partial<AttemptRequest> = {}): AttemptRequest {
  return {
    executionId: "e-1",
    taskId: "t-1",
    idempotencyKey: "k-1",
    functionName: "charge",
    attempt: 2,
    lastHeartbeat: undefined,
    run: () => undefined,
    args: [],
    timeoutMs: undefined,
    heartbeatTimeoutMs: undefined,
    logger: new MemoryLogger(),
    clock: new ManualClock(),
    ...parts,
  };
}

/** An attempt under way, with its end as a promise. */
export type StartedAttempt = Attempt & { readonly done: Promise<AttemptOutcome> };

/** Starts an attempt whose end is waited for. */
export function startAttempt(request: AttemptRequest): StartedAttempt {
  const { promise, resolve } = withResolvers<AttemptOutcome>();
  return Object.assign(begin(request, resolve), { done: promise });
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
