import type {
  ClaimAnswer,
  ClaimedExecution,
  ClaimRequest,
  Head,
  Lane,
  Store,
  StoredExecution,
} from "../store.ts";
import { tagsOf, type Batch, type RowOf, type Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { Entrances, type Entrance } from "./entrance.ts";
import { leaveLines } from "./leaving.ts";
import { anyWake, wakeAll } from "./wakes.ts";
import {
  mayBegin,
  suspectMarks,
  TaskDetails,
  takeTask,
  type Taken,
  type Taker,
  type TaskRow,
} from "./claim-task.ts";

interface Candidate {
  readonly head: Head;
  readonly key: number;
  readonly dueAt: number;
  /** Of an execution: its row, as it was before it is taken. */
  readonly row: WaitingRow | undefined;
  /** Of a task: its row. */
  readonly task: TaskRow | undefined;
}
type WaitingRow = RowOf<Statements["executions"]["unbegun"]>;

/** When what others were changing is looked at again. */
const passedOverMs = 10;

/** Takes what is due and may be taken: higher ranks first, then what has been due longest. What needs a slot and what needs none do not wait for each other. */
export function* claim(batch: Batch, request: ClaimRequest): Procedure<ClaimAnswer> {
  if (!(yield* batch.isLive(request.session))) {
    return {
      kind: "refused",
      executions: [],
      tasks: [],
      more: false,
      nextDueAt: undefined,
      now: batch.now,
    };
  }
  const wakesLeft = request.wakes === true && (yield* wakeAll(batch));
  const heads = request.heads ?? (yield* acceptedHeads(batch, request.accepts));
  const due = heads.filter((head) => head.dueAt <= batch.now);
  const { suspects } = request;
  const passedOver = wakesLeft;
  const taken: Taken = { executions: [], tasks: [], more: false, suspects, passedOver };
  const taker: Taker = { session: request.session, entrances: new Entrances(batch) };
  yield* take(
    batch,
    taker,
    due.filter((head) => needsSlot(head)),
    request.limit,
    taken,
  );
  yield* take(
    batch,
    taker,
    due.filter((head) => !needsSlot(head)),
    request.turns,
    taken,
  );
  taker.entrances.write();
  const { executions, tasks, more } = taken;
  // What was taken has hidden what stands behind it in its lane.
  const left =
    request.heads !== undefined || executions.length + tasks.length === 0
      ? heads
      : yield* acceptedHeads(batch, request.accepts);
  return {
    kind: "claimed",
    executions,
    tasks,
    more,
    nextDueAt: taken.passedOver ? batch.now + passedOverMs : nextOf(left, batch.now),
    now: batch.now,
  };
}

function needsSlot(head: Head): boolean {
  return head.of !== "begun" || head.kind === "activity";
}

/** The first of every lane and rank that may be taken, whether it is due or not. */
function* acceptedHeads(batch: Batch, accepts: ClaimRequest["accepts"]): Procedure<Head[]> {
  const { executions, tasks } = batch.sql;
  const heads: Head[] = [];
  const sources = [
    ["unbegun", executions.unbegunLanes],
    ["begun", executions.begunLanes],
    ["task", tasks.readyLanes],
  ] as const;
  const found = yield* batch.each(sources, function* ([, statement]) {
    return yield* statement.all({});
  });
  for (const [index, [of]] of sources.entries()) {
    for (const { lane: key, rank, due_at: dueAt } of found[index] ?? []) {
      const lane = yield* batch.laneOf(key);
      if (lane !== undefined && accepts(lane))
        heads.push({ of, kind: lane.kind, lane: key, rank, dueAt });
    }
  }
  return heads;
}

/** What waits, whether or not it is due by now. */
export interface Waiting {
  /** Something is to be woken by whoever claims. */
  readonly wakes: boolean;
  readonly heads: readonly Head[];
}

/** Looks for what may be taken, and what is to be woken. */
export function* look(batch: Batch, accepts: ClaimRequest["accepts"]): Procedure<Waiting> {
  let wakes = false;
  let heads: Head[] = [];
  yield* batch.each(["wakes", "heads"] as const, function* (what) {
    if (what === "wakes") wakes = yield* anyWake(batch);
    else heads = yield* acceptedHeads(batch, accepts);
  });
  return { wakes, heads };
}

/** Whether something of it is due or to be woken, and when the next thing becomes due. */
export function dueOf({ wakes, heads }: Waiting, now: number): Awaited<ReturnType<Store["peek"]>> {
  const due = heads.filter((head) => head.dueAt <= now);
  const turns = wakes || due.some((head) => !needsSlot(head));
  const nextDueAt = nextOf(heads, now);
  return { due: wakes || due.length > 0, turns, wakes, heads, nextDueAt, now };
}

/** When the next thing becomes due. */
function nextOf(heads: readonly Head[], now: number): number | undefined {
  let next = Infinity;
  for (const { dueAt } of heads) if (dueAt > now && dueAt < next) next = dueAt;
  return next === Infinity ? undefined : next;
}

function* take(
  batch: Batch,
  taker: Taker,
  heads: readonly Head[],
  limit: number,
  taken: Taken,
): Procedure<void> {
  const marked = batch.hasMarks;
  // Suspects that are passed over must not hide what stands behind them.
  const passedOver = marked
    ? ((yield* batch.sql.sessions.countSuspects.get({ suspect: suspectMarks }))?.count ?? 0)
    : 0;
  const candidates = yield* candidatesOf(batch, heads, limit + passedOver + 1, taken);
  if (!marked && candidates.every(({ row }) => row !== undefined && row.gates === null)) {
    yield* takeExecutions(batch, taker.session, candidates.slice(0, limit), taken, undefined);
    taken.more ||= candidates.length > limit;
    return;
  }
  const tasks = new TaskDetails(
    batch,
    candidates.flatMap(({ task }) => task ?? []),
  );
  yield* taker.entrances.look(
    candidates.flatMap(({ row, task }) => row?.gates ?? task?.gates ?? []),
  );
  let room = limit;
  for (const candidate of candidates) {
    if (room <= 0) {
      taken.more = true;
      return;
    }
    if (candidate.task === undefined)
      room -= yield* takeExecution(batch, taker, candidate, marked, taken);
    else room -= yield* takeTask(batch, taker, yield* tasks.of(candidate.task, room), room, taken);
  }
}

/** The first `limit` of all lanes, best rank first. */
function* candidatesOf(
  batch: Batch,
  heads: readonly Head[],
  limit: number,
  taken: Taken,
): Procedure<Candidate[]> {
  const candidates: Candidate[] = [];
  const ranks = [...new Set(heads.map((head) => head.rank))].toSorted((a, b) => a - b);
  for (const rank of ranks) {
    if (candidates.length >= limit) break;
    const ofRank = heads.filter((head) => head.rank === rank);
    const room = limit - candidates.length;
    const waiting = yield* batch.each(ofRank, (head) => waitingIn(batch, head, room));
    // The first of each was seen to wait.
    if (waiting.some((found) => found.length === 0)) taken.passedOver = true;
    candidates.push(...waiting.flat().toSorted((a, b) => a.dueAt - b.dueAt));
  }
  return candidates.slice(0, limit);
}

function* waitingIn(batch: Batch, head: Head, limit: number): Procedure<Candidate[]> {
  const { of, lane, rank } = head;
  const place = { lane, rank, now: batch.now, limit };
  if (of === "task") {
    const tasks = yield* batch.sql.tasks.ready.all(place);
    return tasks.map((task) => ({ head, key: task.key, dueAt: task.due_at, row: undefined, task }));
  }
  const { begun, unbegun } = batch.sql.executions;
  const rows = of === "begun" ? yield* begun.all(place) : yield* unbegun.all(place);
  return rows.map((row) => ({ head, key: row.key, dueAt: row.due_at ?? 0, row, task: undefined }));
}

/** @returns how many places it takes. */
function* takeExecution(
  batch: Batch,
  taker: Taker,
  candidate: Candidate,
  marked: boolean,
  taken: Taken,
): Procedure<number> {
  const marks = marked ? yield* marksOf(batch, candidate.key) : 0;
  if (marks >= suspectMarks) {
    if (!taken.suspects) return 0;
  }
  const entrance = yield* entranceOf(batch, taker, candidate);
  if (!mayBegin(entrance, taken)) return 0;
  if (marks >= suspectMarks) taken.suspects = false;
  return yield* takeExecutions(batch, taker.session, [candidate], taken, marks, entrance);
}

/** What is asked to end may always go on. */
function* entranceOf(
  batch: Batch,
  { session, entrances }: Taker,
  { head, key, row, dueAt }: Candidate,
): Procedure<Entrance> {
  if (row === undefined || row.gates === null) return "open";
  const isJob = head.kind === "activity";
  const until = head.of === "begun" && !isJob ? (row.deadline ?? undefined) : undefined;
  if (row.state === "cancelling" || (until !== undefined && until <= batch.now)) {
    yield* leaveLines(batch, -key);
    return "open";
  }
  return yield* entrances.enter({
    holder: -key,
    execution: key,
    gates: row.gates,
    session: isJob ? session : undefined,
    begins: isJob || head.of === "unbegun",
    lane: head.lane,
    rank: head.rank,
    dueAt,
    until,
  });
}

/** In one statement: of one for each, half the time goes into asking. @returns how many it took. */
function* takeExecutions(
  batch: Batch,
  session: number,
  candidates: readonly Candidate[],
  taken: Taken,
  marks = 0,
  entrance: Entrance = "open",
): Procedure<number> {
  if (candidates.length === 0) return 0;
  const keys = JSON.stringify(candidates.map(({ key }) => key));
  batch.sql.executions.take.do({ keys, session, now: batch.now });
  for (const { head, row } of candidates) {
    const lane = yield* batch.laneOf(head.lane);
    if (row !== undefined && lane !== undefined)
      taken.executions.push(takenExecution(row, lane, head, marks, entrance));
  }
  return candidates.length;
}

/** Nobody else writes between reading the row and taking it: it is one transaction. Written out beside `claimedExecution`: a spread a claim would cost more than the rest of it. */
function takenExecution(
  row: WaitingRow,
  lane: Lane,
  head: Head,
  marks: number,
  entrance: Entrance,
): ClaimedExecution {
  return {
    key: row.key,
    id: row.id,
    kind: lane.kind,
    name: lane.name,
    version: lane.version,
    state: row.state === "pending" ? "running" : row.state,
    input: row.input,
    options: row.options ?? undefined,
    queue: lane.queue,
    priority: priorityOf(head.rank),
    tags: lane.tags,
    claim: row.claim + 1,
    run: row.run,
    cut: row.cut,
    attempt: row.attempt,
    failures: row.failures,
    wakeSeq: row.wake_seq,
    createdAt: row.created_at,
    notBefore: row.not_before,
    scheduledAt: row.scheduled_at,
    deadline: row.deadline ?? undefined,
    dueAt: row.due_at ?? undefined,
    cancelReason: row.cancel_reason ?? undefined,
    heartbeat: row.heartbeat ?? undefined,
    fresh: head.of === "unbegun",
    blocked: row.blocked === 1,
    marks,
    gates: row.gates ?? undefined,
    deadlock: typeof entrance === "object" ? entrance.deadlock : undefined,
    stored: typeof entrance === "object" ? entrance.stored : undefined,
  };
}

/** Higher priorities have lower ranks, so that an index gives them first. */
function priorityOf(rank: number): number {
  return rank === 0 ? 0 : -rank;
}

/** Marks of a turn and of the attempts that its holder had begun itself. */
function* marksOf(batch: Batch, execution: number): Procedure<number> {
  const row = yield* batch.sql.executions.runOf.get({ key: execution });
  return row === undefined
    ? 0
    : ((yield* batch.sql.sessions.turnMarks.get({ execution, run: row.run }))?.count ?? 0);
}

type Row = RowOf<Statements["executions"]["byKey"]>;

/** An execution's row as the port gives it. */
export function claimedExecution(row: Row): StoredExecution {
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
    priority: priorityOf(row.rank),
    tags: tagsOf(row.tags),
    claim: row.claim,
    run: row.run,
    cut: row.cut,
    attempt: row.attempt,
    failures: row.failures,
    wakeSeq: row.wake_seq,
    createdAt: row.created_at,
    notBefore: row.not_before,
    scheduledAt: row.scheduled_at,
    deadline: row.deadline ?? undefined,
    dueAt: row.due_at ?? undefined,
    cancelReason: row.cancel_reason ?? undefined,
    heartbeat: row.heartbeat ?? undefined,
  };
}
