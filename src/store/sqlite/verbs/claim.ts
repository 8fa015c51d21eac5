import type { ClaimAnswer, ClaimedExecution, ClaimedTask, ClaimRequest, Lane } from "../../store.ts";
import { laneOf, tagsOf, type Batch, type Statements } from "../batch.ts";

interface Head {
  readonly kind: Lane["kind"];
  readonly what: "execution" | "task";
  readonly lane: number;
  readonly rank: number;
  readonly dueAt: number;
}
interface Candidate {
  readonly what: "execution" | "task";
  readonly key: number;
  readonly rank: number;
  readonly dueAt: number;
  /** It has not begun yet. */
  readonly fresh: boolean;
  readonly needsSlot: boolean;
}

/** Takes what is due and may be taken: higher ranks first, then what has been due longest. */
export function claim(batch: Batch, request: ClaimRequest): ClaimAnswer {
  const nothing = { executions: [], tasks: [], more: false, nextDueAt: undefined, now: batch.now };
  if (!batch.isLive(request.session)) return { kind: "refused", ...nothing };
  const heads = acceptedHeads(batch, request.accepts);
  const due = heads.filter((head) => head.dueAt <= batch.now);
  const later = heads.filter((head) => head.dueAt > batch.now).map((head) => head.dueAt);
  const candidates = candidatesOf(batch, due, request.limit + request.turns + 1);
  const taken = take(batch, request, candidates);
  return {
    kind: "claimed",
    ...taken,
    nextDueAt: later.length === 0 ? undefined : Math.min(...later),
    now: batch.now,
  };
}

/** The first of every lane and rank that may be taken, whether it is due or not. */
export function acceptedHeads(batch: Batch, accepts: ClaimRequest["accepts"]): Head[] {
  const heads: Head[] = [];
  const collect = (what: Head["what"], rows: readonly { lane: number; rank: number; due_at: number }[]): void => {
    for (const row of rows) {
      const lane = laneOf(batch, row.lane);
      if (lane !== undefined && accepts(lane)) heads.push({ what, kind: lane.kind, lane: row.lane, rank: row.rank, dueAt: row.due_at });
    }
  };
  collect("execution", batch.sql.executions.readyLanes.all({}));
  collect("task", batch.sql.tasks.readyLanes.all({}));
  return heads;
}

/** The first `limit` of all lanes, best rank first. */
function candidatesOf(batch: Batch, heads: readonly Head[], limit: number): Candidate[] {
  const candidates: Candidate[] = [];
  const ranks = [...new Set(heads.map((head) => head.rank))].toSorted((a, b) => a - b);
  for (const rank of ranks) {
    if (candidates.length >= limit) break;
    const ofRank = heads.filter((head) => head.rank === rank).flatMap((head) => waitingIn(batch, head, limit));
    candidates.push(...ofRank.toSorted((a, b) => a.dueAt - b.dueAt));
  }
  return candidates.slice(0, limit);
}

function waitingIn(batch: Batch, head: Head, limit: number): Candidate[] {
  const place = { lane: head.lane, rank: head.rank, now: batch.now, limit };
  if (head.what === "task") {
    return batch.sql.tasks.ready.all(place).map((row) => ({ what: "task", key: row.key, rank: head.rank, dueAt: row.due_at, fresh: false, needsSlot: true }));
  }
  return batch.sql.executions.ready.all(place).map((row) => ({
    what: "execution",
    key: row.key,
    rank: head.rank,
    dueAt: row.due_at ?? 0,
    fresh: row.started_at === null,
    needsSlot: row.started_at === null || head.kind === "activity",
  }));
}

function take(batch: Batch, request: ClaimRequest, candidates: readonly Candidate[]): Pick<ClaimAnswer, "executions" | "tasks" | "more"> {
  const executions: ClaimedExecution[] = [];
  const tasks: ClaimedTask[] = [];
  let { limit, turns } = request;
  let suspectTaken = !request.suspects;
  let more = false;
  for (const candidate of candidates) {
    if ((candidate.needsSlot ? limit : turns) === 0) {
      more = true;
      continue;
    }
    const marks = batch.hasMarks() ? marksOf(batch, candidate) : 0;
    if (marks >= suspectMarks) {
      if (suspectTaken) continue;
      suspectTaken = true;
    }
    if (candidate.what === "task") {
      const taken = takeTask(batch, request.session, candidate.key, limit, marks);
      if (taken === undefined) continue;
      tasks.push(taken.task);
      limit -= taken.task.items.length;
      more ||= taken.more;
    } else {
      const taken = takeExecution(batch, request.session, candidate, marks);
      if (taken === undefined) continue;
      executions.push(taken);
      if (candidate.needsSlot) limit -= 1;
      else turns -= 1;
    }
  }
  return { executions, tasks, more };
}

/** From this many marks on, a turn or task is suspected of killing its process. */
const suspectMarks = 2;

function marksOf(batch: Batch, candidate: Candidate): number {
  if (candidate.what === "execution") {
    const row = batch.sql.executions.standing.get({ key: candidate.key });
    if (row === undefined) return 0;
    return Math.max(0, ...countBySeq(batch, candidate.key, row.run));
  }
  const task = batch.sql.tasks.byKey.get({ key: candidate.key });
  if (task === undefined) return 0;
  const place = { execution: task.execution, run: task.run, seq: task.seq, item: task.item_from ?? -1 };
  return batch.sql.sessions.countMarks.get(place)?.count ?? 0;
}

/** Marks of a turn and of the attempts that its holder had begun itself. */
function countBySeq(batch: Batch, execution: number, run: number): number[] {
  const counts = new Map<number, number>();
  for (const mark of batch.sql.sessions.marks.all({ execution, run })) {
    if (mark.item === -1) counts.set(mark.seq, (counts.get(mark.seq) ?? 0) + 1);
  }
  return [...counts.values()];
}

function takeExecution(batch: Batch, session: number, candidate: Candidate, marks: number): ClaimedExecution | undefined {
  const row = batch.sql.executions.take.get({ key: candidate.key, session, now: batch.now });
  return row === undefined ? undefined : { ...claimedExecution(row), fresh: candidate.fresh, blocked: row.blocked !== null, marks };
}

type Row = NonNullable<ReturnType<Statements["executions"]["byKey"]["get"]>>;

/** An execution's row as the port gives it. */
export function claimedExecution(row: Row): Omit<ClaimedExecution, "fresh" | "blocked" | "marks"> {
  return {
    key: row.key,
    id: row.id,
    kind: row.kind,
    name: row.name,
    version: row.version ?? undefined,
    state: row.state,
    input: row.input,
    options: row.options ?? undefined,
    queue: row.queue ?? undefined,
    priority: row.rank === 0 ? 0 : -row.rank,
    tags: tagsOf(row.tags),
    claim: row.claim,
    run: row.run,
    cut: row.cut,
    attempt: row.attempt,
    failures: row.failures,
    wakeSeq: row.wake_seq,
    createdAt: row.created_at,
    notBefore: row.not_before,
    deadline: row.deadline ?? undefined,
    dueAt: row.due_at ?? undefined,
    cancelReason: row.cancel_reason ?? undefined,
  };
}

/** Takes a task, or the first items of a range. A range whose items have all ended is removed instead. */
function takeTask(
  batch: Batch,
  session: number,
  key: number,
  room: number,
  marks: number,
): { readonly task: ClaimedTask; readonly more: boolean } | undefined {
  const { tasks, executions, journal } = batch.sql;
  const waiting = tasks.byKey.get({ key });
  if (waiting === undefined || waiting.worker !== null) return undefined;
  const size = waiting.item_from === null || waiting.item_to === null ? 1 : waiting.item_to - waiting.item_from;
  const row = size > room ? splitRange(batch, session, waiting, room) : tasks.take.get({ key, session, now: batch.now });
  const execution = executions.standing.get({ key: waiting.execution });
  const entry = journal.one.get({ execution: waiting.execution, run: waiting.run, seq: waiting.seq });
  if (row === undefined || execution === undefined || entry === undefined) return undefined;
  const items = itemsOf(batch, row, entry);
  if (items.length === 0) {
    tasks.remove.run({ key: row.key });
    return undefined;
  }
  return {
    more: size > room,
    task: {
      key: row.key,
      claim: row.claim,
      execution: row.execution,
      executionId: execution.id,
      run: row.run,
      cut: entry.cut,
      seq: row.seq,
      path: row.path,
      name: row.name,
      queue: row.queue ?? undefined,
      attempt: row.attempt,
      failures: row.failures,
      scheduledAt: row.scheduled_at,
      dueAt: row.due_at,
      options: entry.options ?? undefined,
      marks,
      apart: row.item_from !== null && row.path !== entry.path,
      items,
    },
  };
}

type EntryRow = NonNullable<ReturnType<Statements["journal"]["one"]["get"]>>;
type TaskRow = NonNullable<ReturnType<Statements["tasks"]["byKey"]["get"]>>;

function itemsOf(batch: Batch, row: TaskRow, entry: EntryRow): ClaimedTask["items"] {
  if (row.item_from === null || row.item_to === null) return entry.input === null ? [] : [{ item: undefined, input: entry.input }];
  const place = { execution: row.execution, run: row.run, seq: row.seq, from: row.item_from, to: row.item_to };
  // The task that an item is given for its retry has a path of its own.
  return batch.sql.journal.openItems.all({ ...place, alone: row.path === entry.path ? 0 : 1 });
}

function splitRange(batch: Batch, session: number, waiting: TaskRow, room: number): TaskRow | undefined {
  const from = waiting.item_from ?? 0;
  batch.sql.tasks.shorten.run({ key: waiting.key, from: from + room });
  const { key } = batch.sql.tasks.insert.run({
    execution: waiting.execution,
    run: waiting.run,
    seq: waiting.seq,
    path: waiting.path,
    itemFrom: from,
    itemTo: from + room,
    name: waiting.name,
    lane: waiting.lane,
    queue: waiting.queue,
    rank: waiting.rank,
    tags: waiting.tags,
    dueAt: waiting.due_at,
    worker: session,
    claim: 1,
    attempt: waiting.attempt + 1,
    failures: waiting.failures,
    startedAt: batch.now,
    error: waiting.error,
    now: waiting.scheduled_at,
  });
  return batch.sql.tasks.byKey.get({ key });
}
