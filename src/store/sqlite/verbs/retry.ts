import { unqueued } from "../../../core/step-options.ts";
import { cutJournal, type Cut } from "../../../core/cut.ts";
import { entryStatus } from "../../../core/status.ts";
import type { EntryRow, RetryAnswer, RetryRequest } from "../../store.ts";
import { tagsColumn, tagsOf, type Batch, type Statements } from "../batch.ts";
import { entryRow } from "../rows.ts";
import { cancelExecution } from "./ending.ts";
import { forgetRun, removeWork } from "./removal.ts";

type Row = NonNullable<ReturnType<Statements["executions"]["byKey"]["get"]>>;

/** Thrown within the verb, so that one refusal refuses all that would be reopened together. */
class Refused extends Error {
  readonly answer: RetryAnswer;
  constructor(answer: RetryAnswer) {
    super("refused");
    this.answer = answer;
  }
}

/** Opens an execution again, with the children by which it failed and the parents that failed by it: all of them or none. */
export function retry(batch: Batch, request: RetryRequest): RetryAnswer {
  const row = batch.sql.executions.byId.get({ id: request.executionId });
  if (row === undefined) return { kind: "not-found" };
  if (row.blocked !== null) return retryBlocked(batch, row, request);
  if (row.ended_at === null) return { kind: "running" };
  if (row.state === "completed" || (row.state === "cancelled" && request.from === "failure"))
    return { kind: "finished" };
  const plan: (() => void)[] = [];
  try {
    if (request.from === "start") plan.push(() => startAnew(batch, row));
    else planReopening(batch, row, request.force, plan);
    planParents(batch, row, request.force, plan);
  } catch (error) {
    if (error instanceof Refused) return error.answer;
    throw error;
  }
  for (const act of plan) act();
  return { kind: "done" };
}

function retryBlocked(batch: Batch, row: Row, request: RetryRequest): RetryAnswer {
  // I10: from the top, the cancel would be forgotten.
  if (request.from === "start" && row.state === "cancelling") return { kind: "running" };
  batch.sql.sessions.removeMarks.run({ execution: row.key });
  batch.sql.sessions.removeLettersOfRun.run({ execution: row.key, run: row.run });
  if (request.from === "start") startAnew(batch, row);
  else {
    batch.sql.executions.unblock.run({ key: row.key });
    batch.wake(row.key, row.worker !== null);
  }
  return { kind: "done" };
}

/** The next run, from the top, with the last input. Children of the former one that are still under way are not waited for any more. */
function startAnew(batch: Batch, row: Row): void {
  forgetRun(batch, row.key);
  forgetOutcome(batch, row);
  batch.sql.sessions.removeLettersOfRun.run({ execution: row.key, run: row.run });
  batch.sql.executions.reopen.run({
    key: row.key,
    state: "pending",
    startedAt: null,
    run: row.run + 1,
    cut: row.cut,
    now: batch.now,
    deadline: row.max_duration === null ? null : batch.now + row.max_duration,
  });
  if (row.worker === null) batch.hintReady();
  else batch.hintWoken(row.key);
  for (const child of batch.sql.executions.childrenOf.all({ parent: row.key })) {
    cancelExecution(batch, child.key, "its parent began a new run");
  }
}

/** Its former end is not delivered to its parent any more, if it has not been yet. */
function forgetOutcome(batch: Batch, row: Row): void {
  if (row.parent === null) return;
  batch.sql.journal.removeArrivalsOf.run({
    execution: row.parent,
    run: row.parent_run,
    seq: row.parent_seq,
  });
}

/** The same run, from the effect that stopped it. Decides and refuses now; acts when the plan is carried out. */
function planReopening(
  batch: Batch,
  row: Row,
  force: boolean,
  plan: (() => void)[],
  except?: number,
): void {
  const entries = batch.sql.journal.page
    .all({ execution: row.key, run: row.run, after: -1, limit: Number.MAX_SAFE_INTEGER })
    .map((entry) => entryRow(entry));
  const stoppedBy =
    entries.find((entry) => entry.kind === "cancel")?.delivery ?? row.failed_by ?? 0;
  const cut = cutJournal(entries, row.kind === "workflow" ? stoppedBy : Infinity);
  if (cut.doneSince.length > 0 && !force)
    throw new Refused({ kind: "cleaned-up", executionId: row.id, steps: cut.doneSince });
  for (const entry of cut.askedAnew) {
    if (entry.kind === "child" && entry.seq !== except) planChild(batch, row, entry, force, plan);
  }
  plan.push(() => reopen(batch, row, cut));
}

/** A child that failed goes on from its failure; one that was cancelled along with its parent begins a new run. */
function planChild(
  batch: Batch,
  row: Row,
  entry: EntryRow,
  force: boolean,
  plan: (() => void)[],
): void {
  const child = batch.sql.executions.childOf.get({ parent: row.key, run: row.run, seq: entry.seq });
  // Its end is yet to come, and would be taken for that of its new run.
  if (child?.state === "cancelling") throw new Refused({ kind: "running" });
  if (child === undefined || child.ended_at === null) return;
  if (child.state === "completed" || child.state === "cancelled")
    plan.push(() => startAnew(batch, child));
  else planReopening(batch, child, force, plan);
}

/** A parent that failed by this execution goes on as well, up to the root. */
function planParents(batch: Batch, row: Row, force: boolean, plan: (() => void)[]): void {
  if (row.parent === null || row.parent_run === null || row.parent_seq === null) return;
  const parent = batch.sql.executions.byKey.get({ key: row.parent });
  if (parent === undefined || parent.state !== "failed" || parent.run !== row.parent_run) return;
  const entry = batch.sql.journal.one.get({
    execution: parent.key,
    run: parent.run,
    seq: row.parent_seq,
  });
  if (entry === undefined || entry.delivery === null || entry.delivery !== parent.failed_by) return;
  planReopening(batch, parent, force, plan, row.parent_seq);
  planParents(batch, parent, force, plan);
}

function reopen(batch: Batch, row: Row, cut: Cut<EntryRow>): void {
  const stoodEnded = batch.now - (row.ended_at ?? batch.now);
  const { journal, sessions, executions } = batch.sql;
  removeWork(batch, row.key);
  forgetOutcome(batch, row);
  sessions.removeMarks.run({ execution: row.key });
  sessions.removeLettersOfRun.run({ execution: row.key, run: row.run });
  for (const entry of cut.removed) takeBack(batch, row, entry);
  for (const entry of cut.redelivered) {
    const { status, value, attempt, failures, startedAt, endedAt, dueAt } = entry;
    journal.undeliver.run({
      ...placeOf(row, entry),
      status,
      value,
      attempt,
      failures,
      startedAt,
      endedAt,
      dueAt,
    });
  }
  for (const entry of cut.askedAnew) {
    const dueAt =
      entry.dueAt === undefined
        ? null
        : entry.dueAt + (entry.kind === "sleep" || entry.kind === "sleepUntil" ? 0 : stoodEnded);
    journal.undeliver.run({
      ...placeOf(row, entry),
      status: entryStatus.pending,
      value: null,
      attempt: 0,
      failures: 0,
      startedAt: null,
      endedAt: null,
      dueAt,
    });
    if (entry.kind === "signal") sessions.returnMessage.run(placeOf(row, entry));
    if (entry.kind === "map") reopenMap(batch, row, entry);
  }
  executions.reopen.run({
    key: row.key,
    state: row.kind === "workflow" ? "running" : "pending",
    startedAt: row.started_at,
    run: row.run,
    cut: row.cut + 1,
    now: batch.now,
    deadline: row.max_duration === null ? null : batch.now + row.max_duration,
  });
  batch.hintReady();
}

/** Removes an entry, and undoes what it left in counters and state. */
function takeBack(batch: Batch, row: Row, entry: EntryRow): void {
  const { journal, sessions } = batch.sql;
  const place = placeOf(row, entry);
  if (entry.kind === "counters.add" && entry.name !== undefined) {
    const before = entry.input === undefined ? undefined : Number(entry.input);
    if (before === undefined) journal.removeCounter.run({ execution: row.key, name: entry.name });
    else journal.setCounter.run({ execution: row.key, name: entry.name, value: before });
  } else if (entry.kind === "state.set" && entry.name !== undefined) {
    if (entry.input === undefined)
      journal.removeState.run({ execution: row.key, name: entry.name });
    else journal.setState.run({ execution: row.key, name: entry.name, value: entry.input });
  } else if (entry.kind === "signal") sessions.returnMessage.run(place);
  else if (entry.kind === "map") journal.removeItems.run(place);
  journal.removeEntry.run(place);
}

/** Items that have a result keep it; the others wait again. */
function reopenMap(batch: Batch, row: Row, entry: EntryRow): void {
  const { journal } = batch.sql;
  const place = placeOf(row, entry);
  const items = journal.items.all(place);
  const open = items
    .filter((item) => item.status !== entryStatus.completed)
    .map((item) => item.item);
  if (open.length === 0) return;
  for (const item of open) journal.reopenItem.run({ ...place, item });
  const options = JSON.parse(entry.options ?? "{}") as MapColumns;
  journal.insertFanout.run({
    ...place,
    total: items.length,
    next: items.length,
    left: open.length,
    tolerated: options.tolerated === undefined ? 0 : options.tolerated,
  });
  for (const [from, to] of rangesOf(open)) {
    const lane = {
      kind: "activity" as const,
      name: entry.name ?? "",
      version: undefined,
      queue: options.queue === unqueued ? undefined : (options.queue ?? row.queue ?? undefined),
      tags: options.tags ?? tagsOf(row.tags),
    };
    batch.sql.tasks.insert.run({
      ...place,
      path: entry.path,
      itemFrom: from,
      itemTo: to,
      name: entry.name,
      lane: batch.lane(lane),
      queue: lane.queue,
      rank: options.priority === undefined ? row.rank : -options.priority,
      tags: tagsColumn(lane.tags),
      dueAt: batch.now,
      claim: 0,
      attempt: 0,
      failures: 0,
      now: batch.now,
    });
  }
}

/** What the journal keeps of where the items of a map run. */
interface MapColumns {
  readonly queue?: string;
  readonly priority?: number;
  readonly tags?: readonly string[];
  readonly tolerated?: number | null;
}

/** Ascending numbers as ranges [from, to). */
function rangesOf(numbers: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last?.[1] === number) last[1] = number + 1;
    else ranges.push([number, number + 1]);
  }
  return ranges;
}

function placeOf(
  row: { readonly key: number; readonly run: number },
  entry: { readonly seq: number },
): { execution: number; run: number; seq: number } {
  return { execution: row.key, run: row.run, seq: entry.seq };
}
