/** How work leaves its gates: its place is free, and its result is there, or free for another. Those who wait are called at the end of the batch. */
import type { Payload } from "../../core/payload.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";

/** How work has left: "again" before its next attempt, "over" without a result, or with one. */
export type Leaving = "again" | "over" | { readonly stored: Payload | undefined };

/** The work is over, or will not begin, or pauses. `holder`: a task's key; below zero, an execution's. */
export function* leave(batch: Batch, holder: number, how: Leaving = "over"): Procedure<void> {
  const { limits } = batch.sql;
  let reserved = false;
  for (const { gate, what } of yield* limits.tracesOf.all({ holder })) {
    if (what === "result" && how === "again") continue;
    batch.freed.add(gate);
    reserved ||= what === "result";
  }
  limits.leave.do({ holder });
  if (how === "again") return;
  limits.stopWaiting.do({ holder });
  if (!reserved) return;
  if (how === "over" || how.stored === undefined) limits.release.do({ holder });
  else limits.store.do({ holder, value: how.stored, now: batch.now });
}

/** It goes on without what it waits for. */
export function* leaveLines(batch: Batch, holder: number): Procedure<void> {
  const { limits } = batch.sql;
  for (const { gate, what } of yield* limits.tracesOf.all({ holder }))
    if (what === "call") batch.freed.add(gate);
  limits.stopWaiting.do({ holder });
}

/** The same as `leave` of every attempt of a session that is dead. */
export function* leaveSession(batch: Batch, session: number): Procedure<void> {
  const { limits } = batch.sql;
  for (const { gate } of yield* limits.gatesOfSession.all({ session })) batch.freed.add(gate);
  limits.leaveSession.do({ session });
  for (const { holder } of yield* limits.reservedIn.all({ session })) {
    if (holder !== null && !(yield* isThere(batch, holder))) yield* leave(batch, holder);
  }
}

/** Whether it will be begun again. */
function* isThere(batch: Batch, holder: number): Procedure<boolean> {
  if (holder > 0) return (yield* batch.sql.tasks.byKey.get({ key: holder })) !== undefined;
  return (yield* batch.sql.executions.standing.get({ key: -holder }))?.ended_at === null;
}
