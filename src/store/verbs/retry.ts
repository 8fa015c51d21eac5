import { entryStatus } from "../../core/status.ts";
import type { RetryAnswer, RetryRequest } from "../store.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { planReopening, Refused, startAnew, type Plan, type Row } from "./reopening.ts";

/** Opens an execution again, with the children by which it failed and the parents that failed by it: all of them or none. `before`: what is done first, once nothing refuses. */
export function* retry(
  batch: Batch,
  request: RetryRequest,
  before?: () => Procedure<void>,
): Procedure<RetryAnswer> {
  const row = yield* batch.sql.executions.byId.get({ id: request.executionId });
  if (row === undefined) return { kind: "not-found" };
  if (row.blocked !== null) return yield* retryBlocked(batch, row, request);
  if (row.ended_at === null) return { kind: "running" };
  if (row.state === "completed" || (row.state === "cancelled" && request.from === "failure"))
    return { kind: "finished" };
  const plan: Plan = [];
  try {
    if (request.from === "start") plan.push(() => startAnew(batch, row));
    else yield* planReopening(batch, row, request.force, plan);
    yield* planParents(batch, row, request.force, plan);
  } catch (error) {
    if (error instanceof Refused) return error.answer;
    throw error;
  }
  if (before !== undefined) yield* before();
  for (const act of plan) yield* act();
  return { kind: "done" };
}

function* retryBlocked(batch: Batch, row: Row, request: RetryRequest): Procedure<RetryAnswer> {
  // I10: from the top, the cancel would be forgotten.
  if (request.from === "start" && row.state === "cancelling") return { kind: "running" };
  batch.sql.sessions.removeMarks.do({ execution: row.key });
  batch.sql.sessions.removeLettersOfRun.do({ execution: row.key, run: row.run });
  if (request.from === "start") yield* startAnew(batch, row);
  else {
    batch.sql.executions.unblock.do({ key: row.key });
    batch.wake(row.key, row.worker !== null);
  }
  return { kind: "done" };
}

/** A parent that failed by this execution goes on as well, up to the root. */
function* planParents(batch: Batch, row: Row, force: boolean, plan: Plan): Procedure<void> {
  if (row.parent === null || row.parent_run === null || row.parent_seq === null) return;
  const parent = yield* batch.sql.executions.byKey.get({ key: row.parent });
  if (parent === undefined || parent.state !== "failed" || parent.run !== row.parent_run) return;
  const entry = yield* batch.sql.journal.one.get({
    execution: parent.key,
    run: parent.run,
    seq: row.parent_seq,
  });
  if (entry === undefined || entry.delivery === null || entry.delivery !== parent.failed_by) return;
  if (row.parent_item !== null && !(yield* isFailedItem(batch, parent, entry.seq, row.parent_item)))
    return;
  yield* planReopening(batch, parent, force, plan, { seq: entry.seq, item: row.parent_item });
  yield* planParents(batch, parent, force, plan);
}

/** A map fails by the children that failed, and not by those that it cancelled then. */
function* isFailedItem(batch: Batch, parent: Row, seq: number, item: number): Procedure<boolean> {
  const place = { execution: parent.key, run: parent.run, seq, item };
  return (yield* batch.sql.journal.item.get(place))?.status === entryStatus.failed;
}
