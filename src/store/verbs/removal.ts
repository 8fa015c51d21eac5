/**
 * Removing what is over.
 *
 *   D1  Only finished executions go, each with all that belongs to it; a child of its parent's current run stays for as long as its root goes
 *       on, and a child under way keeps its tree: replay may ask for it.
 *   D2  A transaction removes about as many rows as `mostRows`. A tree that has more is removed from the top: its root is gone at once, what
 *       belonged to it is left to `trim`, and its children have no parent any more and are removed by themselves.
 */
import type { RemoveRequest, Removed, SweepRequest } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { allBelongings, type Belonging } from "../statements/removal.ts";
import { fanoutId } from "./fanout.ts";
import { leave } from "./leaving.ts";
import type { EntryKey } from "./outcome.ts";

/** How many rows are removed in one transaction, more or less. */
const mostRows = 1_000;
/** An execution's own row, with its places in the indexes, counts as so many. */
const ownRows = 4;
/** Trees that are looked at side by side. */
const side = 25;
/** In `stent_left_runs`: every run. */
const everyRun = 0;

/** Removes every task, arrival and fan-out of an execution. Whoever runs one of the tasks is told. */
export function* removeWork(batch: Batch, execution: number): Procedure<void> {
  const { journal, tasks } = batch.sql;
  const any = batch.knownWork(execution) ?? (yield* journal.anyWork.get({ execution }))?.any;
  if (any === 0) return;
  for (const task of yield* tasks.ofExecution.all({ execution })) {
    if (task.worker !== null) batch.hintStopped(task.key);
    else if (task.gates !== null) yield* leave(batch, task.key);
  }
  tasks.removeAll.do({ execution });
  journal.removeArrivals.do({ execution });
  journal.removeAllFanouts.do({ execution });
  if (batch.fanouts.size > 0) batch.forgetFanouts(execution);
}

/** Removes the tasks and the fan-out of one entry, whose outcome is known. Whoever runs one of them is told. */
export function* removeTasks(batch: Batch, entry: EntryKey): Procedure<void> {
  for (const task of yield* batch.sql.tasks.ofEntry.all(entry)) {
    // What runs keeps its place until it has answered.
    if (task.worker !== null) batch.hintStopped(task.key);
    else if (task.gates !== null) yield* leave(batch, task.key);
    batch.sql.tasks.remove.do({ key: task.key });
  }
  batch.sql.journal.removeFanout.do(entry);
  batch.fanouts.delete(fanoutId(entry));
}

/** Removes finished executions, in the order of their keys in the request, until it is enough for one transaction. */
export function* remove(batch: Batch, request: RemoveRequest): Procedure<Removed> {
  const removed: string[] = [];
  let [looked, rows] = [0, 0];
  let left = false;
  if (request.onDuty !== undefined && !(yield* hasDuty(batch, request.onDuty)))
    return { removed, looked: request.keys.length, left };
  while (looked < request.keys.length && rows < mostRows) {
    const some = request.keys.slice(looked, looked + side);
    for (const tree of yield* batch.each(some, (key) => treeOf(batch, key))) {
      if (rows >= mostRows) break;
      looked += 1;
      if (tree === undefined) continue;
      rows += tree.rows;
      left ||= tree.rows > mostRows;
      for (const member of tree.members) removed.push(yield* removeOne(batch, member));
    }
  }
  return { removed, looked, left };
}

interface Member {
  readonly key: number;
  readonly id: string;
  /** Undefined: as much as is left to `trim`. */
  readonly weight: Readonly<Record<Belonging, number>> | undefined;
}

/** What goes together; of a tree that is too large only its root. */
interface Tree {
  readonly members: readonly Member[];
  readonly rows: number;
}

/** The tree below an execution; undefined if it stays, by D1. */
function* treeOf(batch: Batch, key: number): Procedure<Tree | undefined> {
  return (yield* isKept(batch, key)) ? undefined : yield* branchOf(batch, key, mostRows);
}

function* branchOf(batch: Batch, key: number, room: number): Procedure<Tree | undefined> {
  const { executions, removal } = batch.sql;
  const row = yield* executions.byKey.get({ key });
  if (row === undefined || row.ended_at === null) return undefined;
  const limit = mostRows + 1;
  const [weight, open] = yield* batch.both(
    () => removal.weight.get({ execution: key, limit }),
    () => removal.openChild.get({ parent: key }),
  );
  if (open !== undefined || weight === undefined) return undefined;
  let rows = allBelongings.reduce((sum, one) => sum + weight[one], ownRows);
  const members: Member[] = [{ key, id: row.id, weight }];
  const whole = (): Tree => ({ members: [{ key, id: row.id, weight: undefined }], rows: limit });
  if (rows > room) return whole();
  const children = yield* removal.children.all({
    parent: key,
    limit: Math.ceil(room / ownRows) + 1,
  });
  if (rows + children.length * ownRows > room) return whole();
  for (const child of children) {
    const branch = yield* branchOf(batch, child.key, room - rows);
    if (branch === undefined) return undefined;
    rows += branch.rows;
    if (rows > room) return whole();
    members.push(...branch.members);
  }
  return { members, rows };
}

/** A child of its parent's current run stays for as long as its root goes on. */
function* isKept(batch: Batch, key: number): Procedure<boolean> {
  let child = yield* batch.sql.executions.standing.get({ key });
  while (child !== undefined && child.parent !== null) {
    const parent = yield* batch.sql.executions.standing.get({ key: child.parent });
    if (parent === undefined || parent.run !== child.parent_run) return false;
    if (parent.ended_at === null) return true;
    child = parent;
  }
  return false;
}

/** @returns its id */
function* removeOne(batch: Batch, { key, id, weight }: Member): Procedure<string> {
  const { executions, journal } = batch.sql;
  yield* removeWork(batch, key);
  journal.removeLeftRuns.do({ execution: key });
  if (weight === undefined) journal.leaveRun.do({ execution: key, run: everyRun });
  else removeBelongings(batch, key, weight);
  executions.remove.do({ key });
  return id;
}

function removeBelongings(
  batch: Batch,
  execution: number,
  weight: Readonly<Record<Belonging, number>>,
): void {
  for (const one of allBelongings) {
    const limit = weight[one];
    if (limit > 0) batch.sql.removal[one].do({ execution, limit });
  }
}

/** Removes some of what runs that are over, or executions that were removed, have left behind. @returns whether there is more */
export function* trim(batch: Batch): Procedure<boolean> {
  const { journal, removal } = batch.sql;
  const left = yield* journal.leftRun.get({});
  if (left === undefined) return false;
  const { execution, run } = left;
  const place = { execution, run, limit: mostRows };
  const removed =
    run === everyRun
      ? yield* batch.each(allBelongings, function* (one) {
          return yield* removal[one].run(place);
        })
      : yield* batch.both(
          () => journal.removeRun.run(place),
          () => journal.removeItemsOfRun.run(place),
        );
  if (removed.every((rows) => rows < place.limit)) journal.removeLeftRun.do({ execution, run });
  return true;
}

/** Removes some of what has been kept long enough beside executions. */
export function* sweep(
  batch: Batch,
  { onDuty, ...request }: SweepRequest,
): Procedure<{ readonly gatesAfter: number | undefined; readonly more: boolean }> {
  const done = { gatesAfter: undefined, more: false };
  if (onDuty !== undefined && !(yield* takeDuty(batch, onDuty))) return done;
  const { removal } = batch.sql;
  const { limit, lettersBefore, sessionsBefore } = request;
  const { now } = batch;
  const removed = [yield* removal.expiredResults.run({ now, limit })];
  if (lettersBefore !== undefined)
    removed.push(yield* removal.oldLetters.run({ before: lettersBefore, limit }));
  if (sessionsBefore !== undefined)
    removed.push(yield* removal.deadSessions.run({ before: sessionsBefore, limit }));
  const gates = yield* removal.gates.all({ after: request.gatesAfter, limit });
  for (const gate of gates) if (isFull(gate, now)) removal.idleGate.do({ key: gate.key });
  const full = removed.some((rows) => rows === limit);
  return {
    gatesAfter: gates.length === limit ? gates.at(-1)?.key : undefined,
    more: full || gates.length === limit,
  };
}

/** A bucket that is full again is as one that was never there. Of places it is seen as they are counted. */
function isFull({ per, at }: RowOf<Statements["removal"]["gates"]>, now: number): boolean {
  return per === null || at + per < now;
}

/** What one worker does for all. */
const duty = { name: "cleanup" };

/** The session has the duty, or whoever had it is dead. */
function* takeDuty(batch: Batch, session: number): Procedure<boolean> {
  const { removal } = batch.sql;
  const row = yield* removal.duty.get(duty);
  if (row?.session === session) return true;
  if (row !== undefined && (yield* batch.isLive(row.session))) return false;
  if (!(yield* batch.isLive(session))) return false;
  removal.takeDuty.do({ ...duty, session });
  return true;
}

function* hasDuty(batch: Batch, session: number): Procedure<boolean> {
  return (yield* batch.sql.removal.duty.get(duty))?.session === session;
}
