import { isFinal } from "../../core/status.ts";
import type { SignalAnswer, SignalRequest } from "../store.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";

/** Puts a message into the inbox of an execution and wakes it. I6: to one that has ended it is refused. */
export function* send(batch: Batch, request: SignalRequest): Procedure<SignalAnswer> {
  const row = yield* batch.sql.executions.byId.get({ id: request.executionId });
  if (row === undefined) return "not-found";
  if (
    request.dedupe !== undefined &&
    (yield* batch.sql.sessions.sentBefore.get({ execution: row.key, dedupe: request.dedupe })) !==
      undefined
  ) {
    return "sent";
  }
  if (isFinal(row.state)) return "finished";
  batch.sql.sessions.send.do({ ...request, execution: row.key, now: batch.now });
  batch.wake(row.key, row.worker !== null);
  return "sent";
}
