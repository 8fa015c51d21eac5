import type { AttemptRequest } from "../../src/worker/perform.ts";
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
