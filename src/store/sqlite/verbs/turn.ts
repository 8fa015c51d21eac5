import { entryStatus } from "../../../core/status.ts";
import type { EntryChange, NewTask, TurnAnswer, TurnRequest, Unwanted } from "../../store.ts";
import { standingBits } from "../../statements/executions.ts";
import type { Values } from "../../statements/statement.ts";
import { tagsColumn, type Batch, type Statements } from "../batch.ts";
import { dispatch, insertExecution } from "./dispatch.ts";
import { cancelChildren, cancelExecution, endExecution, keepLetter } from "./ending.ts";
import { fanoutOf } from "./fanout.ts";
import { resumeChildMaps, writeFanoutProgress } from "./fanout-progress.ts";
import { send } from "./message.ts";
import { leaveOutcome, type EntryKey } from "./outcome.ts";
import { continueRun, forgetRun } from "./next-run.ts";
import { removeTasks } from "./removal.ts";
import { notWaitedFor, tellMap, tellTasks } from "./told.ts";

type Fence = NonNullable<ReturnType<Statements["executions"]["fence" | "fenceOfEnd"]["get"]>>;

/** How its execution stands, unpacked. */
interface Standing {
  readonly cancelling: boolean;
  readonly cancelSeen: boolean;
  readonly blocked: boolean;
  readonly hasDeadline: boolean;
  readonly cut: number;
}

function standingOf({ standing }: Fence): Standing {
  return {
    cancelling: (standing & standingBits.cancelling) !== 0,
    cancelSeen: (standing & standingBits.cancelSeen) !== 0,
    blocked: (standing & standingBits.blocked) !== 0,
    hasDeadline: (standing & standingBits.deadline) !== 0,
    cut: Math.floor(standing / standingBits.cut),
  };
}

/** Stores one turn of an execution: all of it, or nothing if its holder does not hold it any more. */
export function turn(batch: Batch, request: TurnRequest): TurnAnswer {
  if (!batch.isLive(request.session)) return { kind: "refused", reason: "session" };
  const { fence, fenceOfEnd } = batch.sql.executions;
  const values = request as unknown as Values;
  const ending = request.next.kind === "end" ? fenceOfEnd.get(values) : undefined;
  const held = request.next.kind === "end" ? ending : fence.get(values);
  if (held === undefined) return { kind: "refused", reason: "lost" };
  const standing = standingOf(held);
  if (standing.cancelling && !request.knowsCancel && endsOrBegins(request))
    return { kind: "refused", reason: "cancelled" };
  const answer = store(batch, request, standing);
  if (request.next.kind === "end" && ending !== undefined) {
    const { execution: key, run } = request;
    const { id, parent, parent_run, parent_seq } = ending;
    endExecution(batch, { key, run, id, parent, parent_run, parent_seq }, request.next.end);
  }
  return answer;
}

function endsOrBegins(request: TurnRequest): boolean {
  return (
    request.next.kind === "end" ||
    request.next.kind === "again" ||
    request.next.kind === "continue" ||
    request.tasks.length > 0 ||
    request.children.length > 0 ||
    request.fanouts.length > 0 ||
    request.sends.length > 0 ||
    request.dispatches.length > 0 ||
    request.entries.some((entry) => entry.here) ||
    request.changes.some((change) => change.here)
  );
}

function store(batch: Batch, request: TurnRequest, standing: Standing): TurnAnswer {
  const seesCancel = standing.cancelling && !standing.cancelSeen && request.knowsCancel;
  if (seesCancel) batch.sql.executions.seeCancel.run({ key: request.execution });
  writeJournal(batch, request, standing.cut);
  for (const unwanted of request.withdrawn) withdraw(batch, request, unwanted);
  for (const unwanted of request.told) tell(batch, request, unwanted);
  writeRecords(batch, request);
  writeFanouts(batch, request);
  // Not with the batch: what maps that begin or are told come to at once is for this turn's holder to see (S3).
  if (seesCancel) resumeChildMaps(batch, request);
  if (seesCancel || request.fanouts.length > 0 || request.told.length > 0)
    writeFanoutProgress(batch);
  const taken =
    request.tasks.length === 0
      ? none
      : request.tasks.flatMap((task) => writeTask(batch, request, task) ?? []);
  const strangers =
    request.children.length === 0
      ? none
      : request.children.flatMap((child) => (startChild(batch, request, child) ? [] : [child.seq]));
  for (const dispatched of request.dispatches) startSeparate(batch, request, dispatched);
  const sends =
    request.sends.length === 0 ? none : request.sends.map((message) => send(batch, message));
  // Its holder has answers to deliver.
  const answered = strangers.length > 0 || sends.length > 0;
  const released = settle(batch, request, standing, answered);
  return {
    kind: "stored",
    released,
    wakeSeq: request.wakeSeq,
    sends,
    taken,
    strangers,
    now: batch.now,
  };
}

/** Most turns answer with nothing, and there are one or two a step. */
const none: readonly never[] = [];

function writeJournal(batch: Batch, request: TurnRequest, cut: number): void {
  const { journal, sessions } = batch.sql;
  // Where the next run begins with this turn, nobody will read what this one has added.
  if (request.next.kind !== "continue") writeEntries(batch, request, cut);
  if (request.clearMarks)
    sessions.clearMarks.run({
      execution: request.execution,
      run: request.run,
      seq: -1,
      item: -1,
    });
  for (const key of request.arrived) journal.removeArrival.run({ key });
  consume(batch, request);
}

function consume(batch: Batch, { execution, run, consumed }: TurnRequest): void {
  for (const { signal, seq } of consumed) {
    const changes = batch.sql.sessions.consume.run({ key: signal, execution, run, seq });
    if (changes === 0)
      throw new Error(`message ${signal} of execution ${execution} has been consumed already`); // I6
  }
}

function writeEntries(batch: Batch, request: TurnRequest, cut: number): void {
  const { journal, sessions } = batch.sql;
  const { execution, run, session } = request;
  const common = {
    execution,
    run,
    cut,
    now: batch.now,
    worker: null as number | null,
    withdrawn: null as number | null,
  };
  for (const entry of request.entries) {
    common.worker = entry.here ? session : null;
    common.withdrawn = entry.status === entryStatus.withdrawn ? lastDelivery(request) : null;
    journal.insert.run(entry as unknown as Values, common);
  }
  for (const change of request.changes) {
    common.worker = change.here ? session : null;
    const changes = journal.change.run(change as unknown as Values, common);
    if (changes === 0)
      throw new Error(
        `entry ${change.seq} of execution ${execution}, run ${run}, has been delivered already`,
      ); // I1
    if (isAttemptOver(change) && batch.hasMarks())
      sessions.clearMarks.run({ execution, run, seq: change.seq, item: -1 });
  }
}

function lastDelivery(request: TurnRequest): number {
  let last = 0;
  for (const { delivery } of request.entries)
    if (delivery !== undefined && delivery > last) last = delivery;
  for (const { delivery } of request.changes)
    if (delivery !== undefined && delivery > last) last = delivery;
  return last;
}

/** Not one that was lost, and is begun or queued anew: its marks are what tells a poison. */
function isAttemptOver(change: EntryChange): boolean {
  return change.status !== entryStatus.pending || (!change.here && change.value !== undefined);
}

function writeRecords(batch: Batch, request: TurnRequest): void {
  const { execution } = request;
  for (const { name, value } of request.counters)
    batch.sql.journal.setCounter.run({ execution, name, value });
  for (const { name, value } of request.state)
    batch.sql.journal.setState.run({ execution, name, value });
  for (const letter of request.deadLetters)
    keepLetter(batch, { key: execution, run: request.run }, letter);
}

function writeFanouts(batch: Batch, request: TurnRequest): void {
  const { execution, run } = request;
  for (const fanout of request.fanouts) {
    const { seq, inputs, tolerated, released, children = false } = fanout;
    batch.sql.journal.insertFanout.run({
      execution,
      run,
      seq,
      total: inputs.length,
      next: children ? 0 : released,
      left: inputs.length,
      tolerated,
    });
    inputs.forEach((input, item) =>
      batch.sql.journal.insertItem.run({ execution, run, seq, item, input }),
    );
    if (children) letChildrenBegin(batch, { execution, run, seq }, released);
  }
}

function letChildrenBegin(batch: Batch, entry: EntryKey, released: number): void {
  const fanout = fanoutOf(batch, entry, undefined);
  if (fanout !== undefined) fanout.released = released;
}

function writeTask(
  batch: Batch,
  request: TurnRequest,
  task: NewTask,
): { key: number; claim: number } | undefined {
  const { here, name, queue, tags } = task;
  const placed = {
    execution: request.execution,
    run: request.run,
    rank: -task.priority,
    tags: tagsColumn(tags),
    lane: batch.lane({ kind: "activity", name, version: undefined, queue, tags }),
    dueAt: batch.now + task.delayMs,
    worker: here ? request.session : null,
    claim: here ? 1 : 0,
    attempt: here ? task.attempt + 1 : task.attempt,
    startedAt: here ? batch.now : null,
    now: batch.now,
  };
  const key = batch.sql.tasks.insert.insert(placed, task as unknown as Values);
  if (here) return { key, claim: 1 };
  batch.hintReady();
  return undefined;
}

/** I11: a child's id is made of its parent, run and path, so that it is started once; a stranger under that id is left alone. */
function startChild(
  batch: Batch,
  { execution, run }: TurnRequest,
  child: TurnRequest["children"][number],
): boolean {
  const taken = batch.sql.executions.byId.get({ id: child.id });
  if (taken !== undefined) {
    return taken.parent === execution && taken.parent_run === run && taken.parent_seq === child.seq;
  }
  const root = batch.sql.executions.standing.get({ key: execution })?.root ?? execution;
  insertExecution(
    batch,
    child,
    { parent: execution, parentRun: run, parentSeq: child.seq, root },
    undefined,
  );
  return true;
}

/** In the same commit as its entry: after a crash it is neither started again nor found to be there by itself. */
function startSeparate(
  batch: Batch,
  { execution: key, run }: TurnRequest,
  { seq, ifExists, execution }: TurnRequest["dispatches"][number],
): void {
  const [answer] = dispatch(batch, { executions: [execution], ifExists, adopt: [] });
  const refused = answer?.kind === "refused" ? answer : undefined;
  leaveOutcome(
    batch,
    { execution: key, run, seq },
    {
      kind: "dispatched",
      status: refused === undefined ? entryStatus.completed : entryStatus.failed,
      value:
        refused === undefined
          ? null
          : JSON.stringify({ reason: refused.reason, name: refused.name }),
      attempt: 1,
      failures: 0,
      startedAt: batch.now,
    },
  );
}

function withdraw(batch: Batch, request: TurnRequest, { seq, kind }: Unwanted): void {
  const entry = { execution: request.execution, run: request.run, seq };
  batch.sql.journal.withdraw.run({ ...entry, now: batch.now, delivery: lastDelivery(request) });
  if (kind === "child") cancelChild(batch, entry);
  else if (kind === "call" || kind === "map") {
    removeTasks(batch, entry);
    batch.sql.journal.removeArrivalsOf.run(entry);
    if (kind === "map") cancelChildren(batch, entry, notWaitedFor);
  }
}

/** Work that has begun is told to stop, and its outcome is waited for; work that has not is removed. */
function tell(batch: Batch, request: TurnRequest, { seq, kind }: Unwanted): void {
  const entry = { execution: request.execution, run: request.run, seq };
  if (kind === "child") cancelChild(batch, entry);
  else if (kind === "map") tellMap(batch, entry);
  else tellTasks(batch, entry, kind);
}

function cancelChild(
  batch: Batch,
  entry: { readonly execution: number; readonly run: number; readonly seq: number },
): void {
  const child = batch.sql.executions.childOf.get({
    parent: entry.execution,
    run: entry.run,
    seq: entry.seq,
  });
  if (child !== undefined) cancelExecution(batch, child.key, notWaitedFor);
}

/** @returns whether the execution is not held any more. */
function settle(
  batch: Batch,
  request: TurnRequest,
  standing: Standing,
  answered: boolean,
): boolean {
  const { executions } = batch.sql;
  const { next, execution: key } = request;
  if (standing.blocked && next.kind !== "block") executions.unblock.run({ key });
  switch (next.kind) {
    case "hold":
      return false;
    case "park": {
      if (answered) return false;
      const deadline =
        standing.hasDeadline && !standing.cancelling && !request.knowsCancel
          ? executions.standing.get({ key })?.deadline
          : undefined;
      const dueAt = Math.min(next.dueAt ?? Infinity, deadline ?? Infinity);
      return (
        executions.park.run({
          key,
          dueAt: dueAt === Infinity ? null : dueAt,
          wakeSeq: request.wakeSeq,
        }) > 0
      );
    }
    case "end":
      return true;
    case "again":
      if (next.newRun) forgetRun(batch, key, request.run, "base");
      executions.again.run({
        key,
        dueAt: batch.now + next.delayMs,
        failures: next.failures,
        result: next.result,
        heartbeat: next.heartbeat,
        run: next.newRun ? request.run + 1 : request.run,
      });
      batch.hintReady();
      return true;
    case "continue":
      return continueRun(batch, request, next);
    case "block":
      executions.block.run({ key, reason: next.reason });
      if (next.deadLetter !== undefined)
        keepLetter(batch, { key, run: request.run }, next.deadLetter);
      return true;
    default:
      return next satisfies never;
  }
}
