import { entryStatus } from "../../core/status.ts";
import type { TaskOutcome } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { countFailure, fanoutId, fanoutOf } from "./fanout.ts";
import { leave, type Leaving } from "./leaving.ts";
import { keyOf, leaveOutcome } from "./outcome.ts";
import { removeTasks } from "./removal.ts";

type Row = RowOf<Statements["tasks"]["byKey"]>;

/** Stores how an attempt from the queue ended. Refused unless its session lives and holds the task under this claim. */
export function* task(batch: Batch, request: TaskOutcome): Procedure<"stored" | "refused"> {
  if (!(yield* batch.isLive(request.session))) return "refused";
  const known = batch.range;
  const row =
    known?.key === request.task
      ? known
      : (batch.knownTask(request.task) ??
        (yield* batch.sql.tasks.byKey.get({ key: request.task })));
  batch.range = undefined;
  if (row === undefined || row.worker !== request.session || row.claim !== request.claim) {
    // Nobody waits for it any more, but its place has waited for this.
    if (row === undefined && request.gated === true)
      yield* leave(batch, request.task, leavingOf(request.outcome));
    return "refused";
  }
  if (row.gates !== null) yield* leave(batch, row.key, leavingOf(outcomeOf(request, row)));
  if (request.item === undefined) yield* endCall(batch, request, row);
  else yield* endItem(batch, request, row, request.item);
  return "stored";
}

function leavingOf(outcome: TaskOutcome["outcome"]): Leaving {
  if (outcome.kind === "again") return "again";
  return outcome.kind === "completed" ? { stored: outcome.stored } : "over";
}

/** What has been told to stop is not tried again: its failure is its outcome. */
function outcomeOf(request: TaskOutcome, row: Row): TaskOutcome["outcome"] {
  const { outcome } = request;
  return outcome.kind === "again" && row.cancelled !== 0
    ? { kind: "failed", value: outcome.error ?? "" }
    : outcome;
}

function* endCall(batch: Batch, request: TaskOutcome, row: Row): Procedure<void> {
  const outcome = outcomeOf(request, row);
  if (batch.hasMarks) batch.sql.sessions.clearMarks.do({ ...keyOf(row), item: -1 });
  if (outcome.kind === "again") {
    again(batch, row, outcome, request);
    return;
  }
  batch.sql.tasks.remove.do({ key: row.key });
  yield* leaveOutcome(batch, keyOf(row), {
    status: outcome.kind === "completed" ? entryStatus.completed : entryStatus.failed,
    value: outcome.value,
    records: outcome.kind === "completed" ? outcome.records : undefined,
    attempt: request.attempt,
    failures: request.failures,
    startedAt: request.startedAt,
  });
}

function again(
  batch: Batch,
  row: Row,
  outcome: Extract<TaskOutcome["outcome"], { kind: "again" }>,
  request: TaskOutcome,
): void {
  batch.sql.tasks.again.do({
    key: row.key,
    dueAt: batch.now + outcome.delayMs,
    attempt: request.attempt,
    failures: request.failures,
    error: outcome.error,
    heartbeat: outcome.heartbeat,
  });
  batch.hintReady();
}

function* endItem(batch: Batch, request: TaskOutcome, row: Row, item: number): Procedure<void> {
  const outcome = outcomeOf(request, row);
  const single =
    row.item_from !== null && row.item_to !== null && row.item_to - row.item_from === 1;
  if (batch.hasMarks) batch.sql.sessions.clearMarks.do({ ...keyOf(row), item });
  if (outcome.kind === "again") {
    if (single) {
      again(batch, row, outcome, request);
      return;
    }
    setApart(batch, row, item, outcome, request);
    yield* endRange(batch, row);
    return;
  }
  const changed = yield* batch.sql.journal.endItem.run({
    ...keyOf(row),
    item,
    status: outcome.kind === "completed" ? entryStatus.completed : entryStatus.failed,
    value: outcome.value,
    attempt: request.attempt,
    now: batch.now,
  });
  if (changed > 0 && (yield* countItem(batch, request, outcome, row))) return;
  if (single) batch.sql.tasks.remove.do({ key: row.key });
  else yield* endRange(batch, row);
}

/**
 * The task goes with its last item. That is looked up, and not told by who stores an outcome: one that had to be stored again comes after
 * the one that was to be the last. Side by side each would read all that have ended before it: there it is looked up once, behind them.
 */
function* endRange(batch: Batch, row: Row): Procedure<void> {
  if (batch.sideBySide) {
    batch.ranges.set(row.key, row);
    return;
  }
  const open = yield* batch.sql.journal.anyOpenItem.get({
    ...keyOf(row),
    from: row.item_from,
    to: row.item_to,
    alone: 0,
  });
  if (open === undefined) batch.sql.tasks.remove.do({ key: row.key });
  else batch.range = row;
}

/** The item leaves its range: it waits for its next attempt as a task of its own. */
function setApart(
  batch: Batch,
  row: Row,
  item: number,
  outcome: Extract<TaskOutcome["outcome"], { kind: "again" }>,
  request: TaskOutcome,
): void {
  batch.sql.journal.setItemApart.do({ ...keyOf(row), item, attempt: request.attempt });
  batch.sql.tasks.insert.do({
    ...keyOf(row),
    path: `${row.path}.${item}`,
    itemFrom: item,
    itemTo: item + 1,
    name: row.name,
    lane: row.lane,
    queue: row.queue,
    rank: row.rank,
    tags: row.tags,
    dueAt: batch.now + outcome.delayMs,
    worker: null,
    claim: 0,
    attempt: request.attempt,
    failures: request.failures,
    error: outcome.error,
    heartbeat: outcome.heartbeat,
    now: row.scheduled_at,
    giveUpAt: row.give_up_at,
  });
  batch.hintReady();
}

/** @returns true once the map has failed by it, and all its tasks are gone. */
function* countItem(
  batch: Batch,
  request: TaskOutcome,
  outcome: TaskOutcome["outcome"],
  row: Row,
): Procedure<boolean> {
  const fanout = yield* fanoutOf(batch, row, row);
  if (fanout === undefined) return false;
  fanout.left -= 1;
  fanout.released += 1;
  if (outcome.kind === "failed") {
    if (!countFailure(fanout)) return false;
    batch.noteFailed(fanoutId(fanout));
    yield* leaveOutcome(
      batch,
      keyOf(row),
      arrival("map", entryStatus.failed, outcome.value, request),
    );
    yield* removeTasks(batch, keyOf(row)); // what runs is told, the rest never starts
    return true;
  }
  if (outcome.kind === "completed" && outcome.records !== undefined) {
    batch.sql.journal.insertArrival.do({
      ...keyOf(row),
      ...arrival("records", entryStatus.completed, undefined, request),
      records: outcome.records,
      now: batch.now,
    });
  }
  return false;
}

function arrival(
  kind: "map" | "records",
  status: number,
  value: unknown,
  request: Pick<TaskOutcome, "attempt" | "failures" | "startedAt">,
): Record<string, unknown> {
  return {
    kind,
    status,
    value,
    attempt: request.attempt,
    failures: request.failures,
    startedAt: request.startedAt,
  };
}
