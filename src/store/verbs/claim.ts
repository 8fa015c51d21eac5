import type {
  ClaimAnswer,
  ClaimedExecution,
  ClaimedTask,
  ClaimRequest,
  Lane,
  Store,
} from "../store.ts";
import { tagsOf, type Batch, type RowOf, type Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";

interface Head {
  readonly kind: Lane["kind"];
  readonly of: "unbegun" | "begun" | "task";
  readonly lane: number;
  readonly rank: number;
  readonly dueAt: number;
}
interface Candidate {
  readonly head: Head;
  readonly key: number;
  readonly dueAt: number;
  /** Of an execution: its row, as it was before it is taken. */
  readonly row: WaitingRow | undefined;
}
type WaitingRow = RowOf<Statements["executions"]["unbegun"]>;

/** From this many marks on, a turn, attempt or item is suspected of killing its process. */
const suspectMarks = 2;

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
  const heads = yield* acceptedHeads(batch, request.accepts);
  const due = heads.filter((head) => head.dueAt <= batch.now);
  const { suspects } = request;
  const taken: Taken = { executions: [], tasks: [], more: false, suspects, passedOver: false };
  yield* take(
    batch,
    request.session,
    due.filter((head) => needsSlot(head)),
    request.limit,
    taken,
  );
  yield* take(
    batch,
    request.session,
    due.filter((head) => !needsSlot(head)),
    request.turns,
    taken,
  );
  const { executions, tasks, more } = taken;
  // What was taken has hidden what stands behind it in its lane.
  const left =
    executions.length + tasks.length === 0 ? heads : yield* acceptedHeads(batch, request.accepts);
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

/** Whether something is due, and when the next thing becomes due. */
export function* peek(
  batch: Batch,
  accepts: ClaimRequest["accepts"],
): Procedure<Awaited<ReturnType<Store["peek"]>>> {
  const { now } = batch;
  const heads = yield* acceptedHeads(batch, accepts);
  return { due: heads.some((head) => head.dueAt <= now), nextDueAt: nextOf(heads, now), now };
}

/** When the next thing becomes due. */
function nextOf(heads: readonly Head[], now: number): number | undefined {
  let next = Infinity;
  for (const { dueAt } of heads) if (dueAt > now && dueAt < next) next = dueAt;
  return next === Infinity ? undefined : next;
}

/** What has been taken so far. */
interface Taken {
  readonly executions: ClaimedExecution[];
  readonly tasks: ClaimedTask[];
  more: boolean;
  /** A suspect may still be taken. */
  suspects: boolean;
  /** Something is due that others are changing just now. */
  passedOver: boolean;
}

function* take(
  batch: Batch,
  session: number,
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
  if (!marked && candidates.every(({ head }) => head.of !== "task")) {
    yield* takeExecutions(batch, session, candidates.slice(0, limit), taken, undefined);
    taken.more ||= candidates.length > limit;
    return;
  }
  let room = limit;
  for (const candidate of candidates) {
    if (room <= 0) {
      taken.more = true;
      return;
    }
    if (candidate.head.of === "task")
      room -= yield* takeTask(batch, session, candidate.key, room, taken);
    else room -= yield* takeExecution(batch, session, candidate, marked, taken);
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
    return tasks.map(({ key, due_at: dueAt }) => ({ head, key, dueAt, row: undefined }));
  }
  const { begun, unbegun } = batch.sql.executions;
  const rows = of === "begun" ? yield* begun.all(place) : yield* unbegun.all(place);
  return rows.map((row) => ({ head, key: row.key, dueAt: row.due_at ?? 0, row }));
}

/** @returns how many places it takes. */
function* takeExecution(
  batch: Batch,
  session: number,
  candidate: Candidate,
  marked: boolean,
  taken: Taken,
): Procedure<number> {
  const marks = marked ? yield* marksOf(batch, candidate.key) : 0;
  if (marks >= suspectMarks) {
    if (!taken.suspects) return 0;
    taken.suspects = false;
  }
  return yield* takeExecutions(batch, session, [candidate], taken, marks);
}

/** In one statement: of one for each, half the time goes into asking. @returns how many it took. */
function* takeExecutions(
  batch: Batch,
  session: number,
  candidates: readonly Candidate[],
  taken: Taken,
  marks = 0,
): Procedure<number> {
  if (candidates.length === 0) return 0;
  const keys = JSON.stringify(candidates.map(({ key }) => key));
  const count = yield* batch.sql.executions.take.run({ keys, session, now: batch.now });
  for (const { head, row } of candidates) {
    const lane = yield* batch.laneOf(head.lane);
    if (row !== undefined && lane !== undefined)
      taken.executions.push(takenExecution(row, lane, head, marks));
  }
  return count;
}

/** Nobody else writes between reading the row and taking it: it is one transaction. Written out beside `claimedExecution`: a spread a claim would cost more than the rest of it. */
function takenExecution(row: WaitingRow, lane: Lane, head: Head, marks: number): ClaimedExecution {
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

/** Takes a task, or the first items of a range: a suspect among them is taken by itself. @returns how many places it takes. */
function* takeTask(
  batch: Batch,
  session: number,
  key: number,
  room: number,
  taken: Taken,
): Procedure<number> {
  const { tasks, executions, journal } = batch.sql;
  const waiting = yield* tasks.byKey.get({ key });
  if (waiting === undefined || waiting.worker !== null) return 0;
  const execution = yield* executions.unchanging.get({ key: waiting.execution });
  if (execution === undefined && (yield* executions.runOf.get({ key: waiting.execution }))) {
    taken.passedOver = true;
    return 0;
  }
  const entry = yield* journal.one.get({
    execution: waiting.execution,
    run: waiting.run,
    seq: waiting.seq,
  });
  const items = entry === undefined ? [] : yield* itemsOf(batch, waiting, entry, room + 1);
  const first = items[0];
  if (execution === undefined || entry === undefined || first === undefined) {
    tasks.remove.do({ key });
    return 0;
  }
  // I10: its workflow decides first what of this is still wanted; nothing is begun behind a cancel.
  if (execution.state === "cancelling" && execution.cancel_seen === 0) return 0;
  const { marks, count } = batch.hasMarks
    ? yield* unsuspicious(batch, waiting, items, room)
    : { marks: 0, count: Math.min(room, items.length) };
  if (marks >= suspectMarks) {
    if (!taken.suspects) return 0;
    taken.suspects = false;
  }
  const rest = items[count];
  const row =
    rest?.item === undefined
      ? yield* tasks.take.get({ key, session, now: batch.now })
      : yield* splitRange(batch, session, waiting, rest.item);
  if (row === undefined) return 0;
  if (rest !== undefined) taken.more = true;
  taken.tasks.push({
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
    heartbeat: row.heartbeat ?? undefined,
    marks,
    apart: row.item_from !== null && row.path !== entry.path,
    items: rest === undefined ? items : items.slice(0, count),
  });
  return Math.min(count, items.length);
}

/** How many of the items may be taken together, and the most sessions that died while one of these was running. */
function* unsuspicious(
  batch: Batch,
  task: TaskRow,
  items: ClaimedTask["items"],
  room: number,
): Procedure<{ readonly marks: number; readonly count: number }> {
  const { execution, run, seq, item_from, item_to } = task;
  const range =
    item_from === null || item_to === null ? { from: -1, to: 0 } : { from: item_from, to: item_to };
  const rows = yield* batch.sql.sessions.itemMarks.all({ execution, run, seq, ...range });
  const byItem = new Map(rows.map((row) => [row.item, row.count]));
  const marks = items.map(({ item }) => byItem.get(item ?? -1) ?? 0);
  const suspect = marks.findIndex((count) => count >= suspectMarks);
  const count = suspect === 0 ? 1 : Math.min(room, suspect === -1 ? items.length : suspect);
  return { marks: Math.max(...marks.slice(0, count)), count };
}

type EntryRow = RowOf<Statements["journal"]["one"]>;
type TaskRow = RowOf<Statements["tasks"]["byKey"]>;

function* itemsOf(
  batch: Batch,
  row: TaskRow,
  entry: EntryRow,
  limit: number,
): Procedure<ClaimedTask["items"]> {
  if (row.item_from === null || row.item_to === null)
    return entry.input === null ? [] : [{ item: undefined, input: entry.input }];
  const place = {
    execution: row.execution,
    run: row.run,
    seq: row.seq,
    from: row.item_from,
    to: row.item_to,
  };
  // The task that an item is given for its retry has a path of its own.
  return yield* batch.sql.journal.openItems.all({
    ...place,
    alone: row.path === entry.path ? 0 : 1,
    limit,
  });
}

/** The items of a range before `end` become a task of their own. */
function* splitRange(
  batch: Batch,
  session: number,
  waiting: TaskRow,
  end: number,
): Procedure<TaskRow | undefined> {
  batch.sql.tasks.shorten.do({ key: waiting.key, from: end });
  const key = yield* batch.sql.tasks.insert.insert({
    execution: waiting.execution,
    run: waiting.run,
    seq: waiting.seq,
    path: waiting.path,
    itemFrom: waiting.item_from,
    itemTo: end,
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
    heartbeat: waiting.heartbeat,
    now: waiting.scheduled_at,
  });
  return yield* batch.sql.tasks.byKey.get({ key });
}
