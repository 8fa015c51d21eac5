import { entryStatus } from "../../../core/status.ts";
import type { TaskOutcome } from "../../store.ts";
import type { Batch, FanoutProgress, Statements } from "../batch.ts";
import { leaveOutcome } from "./ending.ts";
import { isWaitedFor } from "./removal.ts";

type Row = NonNullable<ReturnType<Statements["tasks"]["byKey"]["get"]>>;

/** Stores how an attempt from the queue ended. Refused unless its session lives and holds the task under this claim. */
export function task(batch: Batch, request: TaskOutcome): "stored" | "refused" {
  if (!batch.isLive(request.session)) return "refused";
  const row = batch.sql.tasks.byKey.get({ key: request.task });
  if (row === undefined || row.worker !== request.session || row.claim !== request.claim) return "refused";
  if (request.item === undefined) endCall(batch, request, row);
  else endItem(batch, request, row, request.item);
  return "stored";
}

function endCall(batch: Batch, request: TaskOutcome, row: Row): void {
  const { outcome } = request;
  if (batch.hasMarks()) batch.sql.sessions.clearMarks.run({ ...placeOf(row), item: -1 });
  if (outcome.kind === "again") {
    again(batch, row, outcome, request);
    return;
  }
  batch.sql.tasks.remove.run({ key: row.key });
  leaveOutcome(batch, placeOf(row), {
    status: outcome.kind === "completed" ? entryStatus.completed : entryStatus.failed,
    value: outcome.value,
    records: outcome.kind === "completed" ? outcome.records : undefined,
    attempt: request.attempt,
    failures: request.failures,
    startedAt: request.startedAt,
  });
}

function again(batch: Batch, row: Row, outcome: Extract<TaskOutcome["outcome"], { kind: "again" }>, request: TaskOutcome): void {
  batch.sql.tasks.again.run({
    key: row.key,
    dueAt: batch.now + outcome.delayMs,
    attempt: request.attempt,
    failures: request.failures,
    error: outcome.error,
  });
  batch.hintReady();
}

function endItem(batch: Batch, request: TaskOutcome, row: Row, item: number): void {
  const { outcome } = request;
  const place = { ...placeOf(row), item };
  const single = row.item_from !== null && row.item_to !== null && row.item_to - row.item_from === 1;
  if (batch.hasMarks()) batch.sql.sessions.clearMarks.run({ ...place, item: row.item_from ?? -1 });
  if (outcome.kind === "again") {
    if (single) {
      again(batch, row, outcome, request);
      return;
    }
    setApart(batch, row, item, outcome, request);
  } else {
    const status = outcome.kind === "completed" ? entryStatus.completed : entryStatus.failed;
    const changed = batch.sql.journal.endItem.run({ ...place, status, value: outcome.value, attempt: request.attempt, now: batch.now });
    if (changed.changes > 0) countItem(batch, request, row);
  }
  if (request.last || single) batch.sql.tasks.remove.run({ key: row.key });
}

/** The item leaves its range: it waits for its next attempt as a task of its own. */
function setApart(batch: Batch, row: Row, item: number, outcome: Extract<TaskOutcome["outcome"], { kind: "again" }>, request: TaskOutcome): void {
  batch.sql.journal.setItemApart.run({ ...placeOf(row), item, attempt: request.attempt });
  batch.sql.tasks.insert.run({
    ...placeOf(row),
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
    now: row.scheduled_at,
  });
  batch.hintReady();
}

function countItem(batch: Batch, request: TaskOutcome, row: Row): void {
  const fanout = fanoutOf(batch, row);
  if (fanout === undefined) return;
  const { outcome } = request;
  fanout.left -= 1;
  fanout.released += 1;
  if (outcome.kind === "failed") {
    fanout.failed += 1;
    // Once: at the first failure past what is tolerated.
    if (fanout.tolerated !== null && fanout.failed === fanout.tolerated + 1) {
      leaveOutcome(batch, placeOf(row), arrival("map", entryStatus.failed, outcome.value, request));
    }
  } else if (outcome.kind === "completed" && outcome.records !== undefined) {
    batch.sql.journal.insertArrival.run({
      ...placeOf(row),
      ...arrival("records", entryStatus.completed, undefined, request),
      records: outcome.records,
      now: batch.now,
    });
  }
}

function arrival(kind: "map" | "records", status: number, value: unknown, request: Pick<TaskOutcome, "attempt" | "failures" | "startedAt">): Record<string, unknown> {
  return { kind, status, value, attempt: request.attempt, failures: request.failures, startedAt: request.startedAt };
}

function fanoutOf(batch: Batch, row: Row): FanoutProgress | undefined {
  const id = `${row.execution}/${row.run}/${row.seq}`;
  const known = batch.fanouts.get(id);
  if (known !== undefined) return known;
  const stored = batch.sql.journal.fanout.get(placeOf(row));
  if (stored === undefined) return undefined;
  const progress: FanoutProgress = { ...stored, released: 0, row };
  batch.fanouts.set(id, progress);
  return progress;
}

/** Writes what the batch's outcomes have done to their fan-outs: once a fan-out, not once an item. */
export function writeFanoutProgress(batch: Batch): void {
  for (const fanout of batch.fanouts.values()) {
    const place = { execution: fanout.execution, run: fanout.run, seq: fanout.seq };
    const next = Math.min(fanout.total, fanout.next + fanout.released);
    if (next > fanout.next) release(batch, fanout, next);
    batch.sql.journal.changeFanout.run({ ...place, left: fanout.left, failed: fanout.failed, next });
    const overrun = fanout.tolerated !== null && fanout.failed > fanout.tolerated;
    if (fanout.left > 0 || overrun || !isWaitedFor(batch, place)) continue;
    leaveOutcome(batch, place, arrival("map", entryStatus.completed, undefined, { attempt: 1, failures: 0, startedAt: batch.now }));
  }
  batch.fanouts.clear();
}

/** As many items as have ended follow into the queue, where a map has a bound on those in flight. */
function release(batch: Batch, fanout: FanoutProgress, next: number): void {
  const { row } = fanout;
  const entry = batch.sql.journal.one.get(placeOf(row));
  if (entry === undefined) return;
  batch.sql.tasks.insert.run({
    ...placeOf(row),
    path: entry.path,
    itemFrom: fanout.next,
    itemTo: next,
    name: row.name,
    lane: row.lane,
    queue: row.queue,
    rank: row.rank,
    tags: row.tags,
    dueAt: batch.now,
    worker: null,
    claim: 0,
    attempt: 0,
    failures: 0,
    now: row.scheduled_at,
  });
  batch.hintReady();
}

function placeOf(row: { readonly execution: number; readonly run: number; readonly seq: number }): {
  execution: number;
  run: number;
  seq: number;
} {
  return { execution: row.execution, run: row.run, seq: row.seq };
}
