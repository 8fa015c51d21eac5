import { entryStatus } from "../../core/status.ts";
import type { EntryChange, NewTask, TurnAnswer, TurnRequest, Unwanted } from "../store.ts";
import { standingBits } from "../statements/executions.ts";
import type { Values } from "../statements/statement.ts";
import { tagsColumn, type Batch, type HeldRow, type RowOf, type Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { dispatch, insertChild } from "./dispatch.ts";
import { cancelChildren, cancelExecution, endExecution, keepLetter } from "./ending.ts";
import { fanoutOf } from "./fanout.ts";
import { resumeChildMaps, writeFanoutProgress } from "./fanout-progress.ts";
import { storedFor } from "./entrance.ts";
import { leave } from "./leaving.ts";
import { send } from "./message.ts";
import { leaveOutcome, type EntryKey } from "./outcome.ts";
import { continueRun, forgetRun } from "./next-run.ts";
import { removeTasks } from "./removal.ts";
import { notWaitedFor, tellMap, tellTasks } from "./told.ts";

type Fence = RowOf<Statements["executions"]["fence" | "fenceOfEnd"]>;

/** How its execution stands, unpacked. */
interface Standing {
  readonly cancelling: boolean;
  readonly cancelSeen: boolean;
  readonly blocked: boolean;
  readonly hasDeadline: boolean;
  readonly gated: boolean;
  readonly cut: number;
}

function standingOf({ standing }: Fence): Standing {
  return {
    cancelling: (standing & standingBits.cancelling) !== 0,
    cancelSeen: (standing & standingBits.cancelSeen) !== 0,
    blocked: (standing & standingBits.blocked) !== 0,
    hasDeadline: (standing & standingBits.deadline) !== 0,
    gated: (standing & standingBits.gated) !== 0,
    cut: Math.floor(standing / standingBits.cut),
  };
}

/** Stores one turn of an execution: all of it, or nothing if its holder does not hold it any more. */
export function* turn(batch: Batch, request: TurnRequest): Procedure<TurnAnswer> {
  const { session } = request;
  if (!(batch.knownLive(session) ?? (yield* batch.isLive(session))))
    return { kind: "refused", reason: "session" };
  const { fence, fenceOfEnd } = batch.sql.executions;
  const values = request as unknown as Values;
  const known = batch.known(request.execution);
  const ending =
    request.next.kind === "end" ? (known ?? (yield* fenceOfEnd.get(values))) : undefined;
  const held = request.next.kind === "end" ? ending : (known ?? (yield* fence.get(values)));
  if (held === undefined || (known !== undefined && !isHolder(known, request)))
    return { kind: "refused", reason: "lost" };
  const standing = standingOf(held);
  if (standing.cancelling && !request.knowsCancel && endsOrBegins(request))
    return { kind: "refused", reason: "cancelled" };
  const answer = yield* store(batch, request, standing);
  if (request.next.kind === "end" && ending !== undefined) {
    const { execution: key, run } = request;
    const { id, parent, parent_run, parent_seq } = ending;
    const { gated } = standing;
    yield* endExecution(
      batch,
      { key, run, id, parent, parent_run, parent_seq, gated },
      request.next.end,
    );
  }
  return answer;
}

function isHolder({ worker, claim, run }: HeldRow, request: TurnRequest): boolean {
  return worker === request.session && claim === request.claim && run === request.run;
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

function* store(batch: Batch, request: TurnRequest, standing: Standing): Procedure<TurnAnswer> {
  const seesCancel = standing.cancelling && !standing.cancelSeen && request.knowsCancel;
  if (seesCancel) batch.sql.executions.seeCancel.do({ key: request.execution });
  writeJournal(batch, request, standing.cut);
  for (const unwanted of request.withdrawn) yield* withdraw(batch, request, unwanted);
  for (const unwanted of request.told) yield* tell(batch, request, unwanted);
  writeRecords(batch, request);
  if (request.fanouts.length > 0) yield* writeFanouts(batch, request);
  if (request.tasks.length + request.fanouts.length + request.dispatches.length > 0)
    batch.noteWork(request.execution);
  // Not with the batch: what maps that begin or are told come to at once is for this turn's holder to see (S3).
  if (seesCancel) yield* resumeChildMaps(batch, request);
  if (seesCancel || request.fanouts.length > 0 || request.told.length > 0)
    yield* writeFanoutProgress(batch, request.execution);
  const taken =
    request.tasks.length === 0
      ? none
      : (yield* batch.each(request.tasks, (task) => writeTask(batch, request, task))).flatMap(
          (task) => task ?? [],
        );
  const strangers =
    request.children.length === 0
      ? none
      : (yield* batch.each(request.children, (child) => startChild(batch, request, child))).flatMap(
          (started, index) => (started ? [] : (request.children[index]?.seq ?? [])),
        );
  if (request.dispatches.length > 0)
    yield* batch.each(request.dispatches, (one) => startSeparate(batch, request, one));
  const sends =
    request.sends.length === 0
      ? none
      : yield* batch.each(request.sends, (message) => send(batch, message));
  // Its holder has answers to deliver.
  const answered = strangers.length > 0 || sends.length > 0;
  const released = yield* settle(batch, request, standing, answered);
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
    sessions.clearMarks.do({
      execution: request.execution,
      run: request.run,
      seq: -1,
      item: -1,
    });
  for (const key of request.arrived) journal.removeArrival.do({ key });
  consume(batch, request);
}

function consume(batch: Batch, { execution, run, consumed }: TurnRequest): void {
  for (const { signal, seq } of consumed)
    batch.sql.sessions.consume.must({ key: signal, execution, run, seq }, undefined, consumedOnce);
}

/** I6 */
function consumedOnce({ key, execution }: Values): Error {
  return new Error(`message ${String(key)} of execution ${String(execution)} is consumed already`);
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
    journal.insert.do(entry as unknown as Values, common);
  }
  for (const change of request.changes) {
    common.worker = change.here ? session : null;
    journal.change.must(change as unknown as Values, common, deliveredOnce);
    if (isAttemptOver(change) && batch.hasMarks)
      sessions.clearMarks.do({ execution, run, seq: change.seq, item: -1 });
  }
}

/** I1 */
function deliveredOnce({ seq }: Values, of: Values = {}): Error {
  return new Error(
    `entry ${String(seq)} of execution ${String(of["execution"])}, run ${String(of["run"])}, has been delivered already`,
  );
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
    batch.sql.journal.setCounter.do({ execution, name, amount: value });
  for (const { name, value } of request.state)
    batch.sql.journal.setState.do({ execution, name, value });
  for (const letter of request.deadLetters)
    keepLetter(batch, { key: execution, run: request.run }, letter);
}

function* writeFanouts(batch: Batch, request: TurnRequest): Procedure<void> {
  const { execution, run } = request;
  for (const fanout of request.fanouts) {
    const { seq, inputs, tolerated, released, children = false } = fanout;
    batch.sql.journal.insertFanout.do({
      execution,
      run,
      seq,
      total: inputs.length,
      next: children ? 0 : released,
      left: inputs.length,
      tolerated,
    });
    inputs.forEach((input, item) =>
      batch.sql.journal.insertItem.do({
        execution,
        run,
        seq,
        item,
        input,
        gates: fanout.gates?.[item],
      }),
    );
    if (children) yield* letChildrenBegin(batch, { execution, run, seq }, released);
  }
}

function* letChildrenBegin(batch: Batch, entry: EntryKey, released: number): Procedure<void> {
  const fanout = yield* fanoutOf(batch, entry, undefined);
  if (fanout !== undefined) fanout.released = released;
}

function* writeTask(
  batch: Batch,
  request: TurnRequest,
  task: NewTask,
): Procedure<{ key: number; claim: number } | undefined> {
  const { here, name, queue, tags, totalTimeoutMs, gates } = task;
  if (gates !== undefined && task.itemFrom === undefined && (yield* isStored(batch, request, task)))
    return undefined;
  const placed = {
    execution: request.execution,
    run: request.run,
    rank: -task.priority,
    tags: tagsColumn(tags),
    lane: yield* batch.lane({ kind: "activity", name, version: undefined, queue, tags }),
    dueAt: batch.now + task.delayMs,
    worker: here ? request.session : null,
    claim: here ? 1 : 0,
    attempt: here ? task.attempt + 1 : task.attempt,
    startedAt: here ? batch.now : null,
    now: batch.now,
    giveUpAt: totalTimeoutMs === undefined ? null : batch.now + totalTimeoutMs,
  };
  const key = yield* batch.sql.tasks.insert.insert(placed, task as unknown as Values);
  if (here) return { key, claim: 1 };
  batch.hintReady();
  return undefined;
}

/** A call whose result is there already needs no task. */
function* isStored(
  batch: Batch,
  { execution, run }: TurnRequest,
  { seq, gates = "{}" }: NewTask,
): Procedure<boolean> {
  const stored = yield* storedFor(batch, gates);
  if (stored === undefined) return false;
  yield* leaveOutcome(
    batch,
    { execution, run, seq },
    {
      kind: "stored",
      status: entryStatus.completed,
      value: stored.value,
      records: stored.name,
      attempt: 0,
      failures: 0,
    },
  );
  return true;
}

/** I11: a child's id is made of its parent, run and path, so that it is started once; a stranger under that id is left alone. */
function* startChild(
  batch: Batch,
  { execution, run }: TurnRequest,
  child: TurnRequest["children"][number],
): Procedure<boolean> {
  const taken = yield* batch.sql.executions.byId.get({ id: child.id });
  if (taken !== undefined) {
    return taken.parent === execution && taken.parent_run === run && taken.parent_seq === child.seq;
  }
  const root = (yield* batch.sql.executions.standing.get({ key: execution }))?.root ?? execution;
  yield* insertChild(batch, child, {
    parent: execution,
    parentRun: run,
    parentSeq: child.seq,
    root,
  });
  return true;
}

/** In the same commit as its entry: after a crash it is neither started again nor found to be there by itself. */
function* startSeparate(
  batch: Batch,
  { execution: key, run }: TurnRequest,
  { seq, ifExists, execution }: TurnRequest["dispatches"][number],
): Procedure<void> {
  const [answer] = yield* dispatch(batch, { executions: [execution], ifExists, adopt: [] });
  const refused = answer?.kind === "refused" ? answer : undefined;
  yield* leaveOutcome(
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

function* withdraw(batch: Batch, request: TurnRequest, { seq, kind }: Unwanted): Procedure<void> {
  const entry = { execution: request.execution, run: request.run, seq };
  batch.sql.journal.withdraw.do({ ...entry, now: batch.now, delivery: lastDelivery(request) });
  if (kind === "child") yield* cancelChild(batch, entry);
  else if (kind === "call" || kind === "map") {
    yield* removeTasks(batch, entry);
    batch.sql.journal.removeArrivalsOf.do(entry);
    if (kind === "map") yield* cancelChildren(batch, entry, notWaitedFor);
  }
}

/** Work that has begun is told to stop, and its outcome is waited for; work that has not is removed. */
function* tell(batch: Batch, request: TurnRequest, { seq, kind }: Unwanted): Procedure<void> {
  const entry = { execution: request.execution, run: request.run, seq };
  if (kind === "child") yield* cancelChild(batch, entry);
  else if (kind === "map") yield* tellMap(batch, entry);
  else yield* tellTasks(batch, entry, kind);
}

function* cancelChild(
  batch: Batch,
  entry: { readonly execution: number; readonly run: number; readonly seq: number },
): Procedure<void> {
  const child = yield* batch.sql.executions.childOf.get({
    parent: entry.execution,
    run: entry.run,
    seq: entry.seq,
  });
  if (child !== undefined) yield* cancelExecution(batch, child.key, notWaitedFor);
}

/** @returns whether the execution is not held any more. */
function* settle(
  batch: Batch,
  request: TurnRequest,
  standing: Standing,
  answered: boolean,
): Procedure<boolean> {
  const { executions } = batch.sql;
  const { next, execution: key } = request;
  if (standing.blocked && next.kind !== "block") executions.unblock.do({ key });
  switch (next.kind) {
    case "hold":
      return false;
    case "park": {
      if (answered) return false;
      const deadline =
        standing.hasDeadline && !standing.cancelling && !request.knowsCancel
          ? (yield* executions.standing.get({ key }))?.deadline
          : undefined;
      const dueAt = Math.min(next.dueAt ?? Infinity, deadline ?? Infinity);
      return (
        (yield* executions.park.runLast({
          key,
          dueAt: dueAt === Infinity ? null : dueAt,
          wakeSeq: request.wakeSeq,
        })) > 0
      );
    }
    case "end":
      return true;
    case "again":
      if (next.newRun) yield* forgetRun(batch, key, request.run, "base");
      // A workflow keeps its place until it ends.
      else if (standing.gated) yield* leave(batch, -key, "again");
      executions.again.do({
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
      return yield* continueRun(batch, request, next);
    case "block":
      executions.block.do({ key, reason: next.reason });
      if (next.deadLetter !== undefined)
        keepLetter(batch, { key, run: request.run }, next.deadLetter);
      return true;
    default:
      return next satisfies never;
  }
}
