import type {
  ArrivalRow,
  DeadLetterRow,
  EntryRow,
  ExecutionRow,
  FullItemRow,
  ServedFunction,
  SessionRow,
  StepRow,
  TaskRow,
} from "./store.ts";
import { tagsOf, type RowOf, type Statements } from "./batch.ts";
import { claimedExecution } from "./verbs/claim.ts";

/** A journal row as the port gives it. */
export function entryRow(row: RowOf<Statements["journal"]["one"]>): EntryRow {
  return {
    run: row.run,
    cut: row.cut,
    seq: row.seq,
    path: row.path,
    kind: row.kind,
    name: row.name ?? undefined,
    input: row.input ?? undefined,
    options: row.options ?? undefined,
    status: row.status,
    value: row.value ?? undefined,
    reached: row.reached,
    delivery: row.delivery ?? undefined,
    dueAt: row.due_at ?? undefined,
    scheduledAt: row.scheduled_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    step: row.step,
    attempt: row.attempt,
    failures: row.failures,
    worker: row.worker ?? undefined,
    withdrawn: row.withdrawn ?? undefined,
  };
}

/** What progress shows of a journal row, as the port gives it. */
export function stepRow(row: RowOf<Statements["journal"]["newestSteps"]>): StepRow {
  return {
    seq: row.seq,
    path: row.path,
    kind: row.kind,
    name: row.name ?? undefined,
    status: row.status,
    value: row.value ?? undefined,
    scheduledAt: row.scheduled_at,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    step: row.step,
    worker: row.worker ?? undefined,
    cut: row.cut,
    attempt: row.attempt,
  };
}

/** An item of a map as the port gives it. */
export function fullItemRow(row: RowOf<Statements["journal"]["itemPage"]>): FullItemRow {
  return {
    item: row.item,
    input: row.input,
    status: row.status,
    value: row.value ?? undefined,
    attempt: row.attempt,
    endedAt: row.ended_at ?? undefined,
    apart: row.alone !== 0,
  };
}

/** An execution's row as the port gives it. */
export function executionRow(
  row: RowOf<Statements["executions"]["byKey"]>,
  parentId: string | undefined,
): ExecutionRow {
  return {
    ...claimedExecution(row),
    result: row.result ?? undefined,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    parentId,
    worker: row.worker ?? undefined,
    blocked: row.blocked ?? undefined,
    failedBy: row.failed_by ?? undefined,
    gates: row.gates ?? undefined,
  };
}

/** An arrival's row as the port gives it. */
export function arrivalRow(row: RowOf<Statements["journal"]["arrivals"]>): ArrivalRow {
  return {
    key: row.key,
    seq: row.seq,
    kind: row.kind,
    status: row.status,
    value: row.value ?? undefined,
    records: row.records ?? undefined,
    attempt: row.attempt,
    failures: row.failures,
    startedAt: row.started_at ?? undefined,
    endedAt: row.ended_at,
  };
}

/** A task's row as the port gives it. */
export function taskRow(
  row: RowOf<Statements["tasks"]["byKey"]>,
  executionId: string,
  cut: number,
): TaskRow {
  return {
    key: row.key,
    execution: row.execution,
    executionId,
    run: row.run,
    cut,
    seq: row.seq,
    path: row.path,
    itemFrom: row.item_from ?? undefined,
    itemTo: row.item_to ?? undefined,
    name: row.name,
    lane: row.lane,
    queue: row.queue ?? undefined,
    priority: row.rank === 0 ? 0 : -row.rank,
    tags: tagsOf(row.tags),
    dueAt: row.due_at,
    worker: row.worker ?? undefined,
    attempt: row.attempt,
    failures: row.failures,
    scheduledAt: row.scheduled_at,
    startedAt: row.started_at ?? undefined,
    error: row.error ?? undefined,
    gates: row.gates ?? undefined,
  };
}

/** A session's row as the port gives it. */
export function sessionRow(row: RowOf<Statements["sessions"]["all"]>): SessionRow {
  return {
    key: row.key,
    id: row.id,
    name: row.name,
    host: row.host,
    pid: row.pid,
    process: row.process,
    leaseMs: row.lease,
    queues: row.queues === null ? undefined : tagsOf(row.queues),
    tags: row.tags === null ? undefined : tagsOf(row.tags),
    functions: servedFunctions(row.functions),
    state: row.state,
    beat: row.beat,
    startedAt: row.started_at,
    seenAt: row.seen_at,
  };
}

/** JSON has no undefined. */
function servedFunctions(column: string): ServedFunction[] {
  return (JSON.parse(column) as Partial<ServedFunction>[]).map(
    ({ kind = "workflow", name = "", version }) => ({ kind, name, version }),
  );
}

/** A dead letter's row as the port gives it. */
export function letterRow(row: RowOf<Statements["sessions"]["letter"]>): DeadLetterRow {
  return {
    key: row.key,
    task: row.task,
    executionId: row.execution_id,
    reason: row.reason,
    record: row.record,
    error: row.error ?? undefined,
    movedAt: row.moved_at,
  };
}
