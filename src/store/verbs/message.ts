import { isFinal } from "../../core/status.ts";
import type { SignalAnswer, SignalRequest } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";

type Receiver = RowOf<Statements["executions"]["byId"]>;

/** Puts a message into the inbox of an execution and wakes it. I6: to one that has ended it is refused. */
export function* send(batch: Batch, request: SignalRequest): Procedure<SignalAnswer> {
  const receiver = yield* receiverOf(batch, request);
  if (typeof receiver === "string") return receiver;
  batch.sql.sessions.send.do({ ...request, execution: receiver.key, now: batch.now });
  batch.wake(receiver.key, receiver.worker !== null);
  return "sent";
}

/** The same without a lock on the execution, which is woken by who claims once the message is committed. */
export function* leaveMessage(batch: Batch, request: SignalRequest): Procedure<SignalAnswer> {
  const receiver = yield* receiverOf(batch, request);
  if (typeof receiver === "string") return receiver;
  batch.sql.sessions.send.do({ ...request, execution: receiver.key, now: batch.now });
  batch.sql.sessions.leaveWake.do({ execution: receiver.key });
  return "sent";
}

/** The execution, or why it gets no message (any more). */
function* receiverOf(
  batch: Batch,
  { executionId, dedupe }: SignalRequest,
): Procedure<Receiver | SignalAnswer> {
  const row = yield* batch.sql.executions.byId.get({ id: executionId });
  if (row === undefined) return "not-found";
  const { key } = row;
  if (
    dedupe !== undefined &&
    (yield* batch.sql.sessions.sentBefore.get({ execution: key, dedupe })) !== undefined
  ) {
    return "sent";
  }
  return isFinal(row.state) ? "finished" : row;
}
