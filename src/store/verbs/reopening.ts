/** How executions that have ended go on: from the effect that stopped them, or as a new run from the top. */
import { cutJournal, type Cut } from "../../core/cut.ts";
import { isUndo } from "../../core/journal.ts";
import { entryStatus } from "../../core/status.ts";
import type { EntryRow, RetryAnswer } from "../store.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { entryRow } from "../rows.ts";
import { cancelExecution } from "./ending.ts";
import type { EntryKey } from "./outcome.ts";
import { forgetRun } from "./next-run.ts";
import { removeWork } from "./removal.ts";
import { reopenMap, takeBackItem } from "./reopen-map.ts";

/** An execution with everything that is known of it. */
export type Row = RowOf<Statements["executions"]["byKey"]>;

/** What is to be done once nothing has refused. */
export type Plan = (() => Procedure<void>)[];

/** Thrown within a verb, so that one refusal refuses all that would be reopened together. */
export class Refused extends Error {
  readonly answer: RetryAnswer;
  constructor(answer: RetryAnswer) {
    super("refused");
    this.answer = answer;
  }
}

/** What is reopened already: the child at an entry, or at one item of a map. */
interface Exempt {
  readonly seq: number;
  readonly item: number | null;
}

/** Lets a child that has ended go on, as its map was found to be able to reopen. @returns false if something stands in the way after all. */
export function* goesOn(batch: Batch, row: Row): Procedure<boolean> {
  if (row.state === "cancelled") {
    yield* startAnew(batch, row);
    return true;
  }
  const plan: Plan = [];
  try {
    yield* planReopening(batch, row, true, plan);
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
  for (const act of plan) yield* act();
  return true;
}

/** The next run, from the top, with the last input. Children of the former one that are still under way are not waited for any more. */
export function* startAnew(batch: Batch, row: Row): Procedure<void> {
  yield* forgetRun(batch, row.key, row.run, "base");
  yield* forgetOutcome(batch, row);
  batch.sql.sessions.removeLettersOfRun.do({ execution: row.key, run: row.run });
  batch.sql.executions.reopen.do({
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
  for (const child of yield* batch.sql.executions.childrenOf.all({ parent: row.key })) {
    yield* cancelExecution(batch, child.key, "its parent began a new run");
  }
}

/** Its former end is not delivered to its parent any more, if it has not been yet. */
function* forgetOutcome(batch: Batch, row: Row): Procedure<void> {
  if (row.parent === null || row.parent_run === null || row.parent_seq === null) return;
  const entry = { execution: row.parent, run: row.parent_run, seq: row.parent_seq };
  if (row.parent_item === null) batch.sql.journal.removeArrivalsOf.do(entry);
  else yield* takeBackItem(batch, entry, row.parent_item);
}

/** The same run, from the effect that stopped it. Decides and refuses now; acts when the plan is carried out. */
export function* planReopening(
  batch: Batch,
  row: Row,
  force: boolean,
  plan: Plan,
  exempt?: Exempt,
): Procedure<void> {
  const entries = (yield* batch.sql.journal.page.all({
    execution: row.key,
    run: row.run,
    after: -1,
    limit: Number.MAX_SAFE_INTEGER,
  })).map((entry) => entryRow(entry));
  const stoppedBy = Math.min(
    entries.find((entry) => entry.kind === "cancel")?.delivery ?? row.failed_by ?? 0,
    // A cancel or deadline may have come while undo steps ran.
    ...entries.filter((entry) => isUndo(entry)).map((entry) => entry.reached),
  );
  const cut = cutJournal(entries, row.kind === "workflow" ? stoppedBy : Infinity);
  if (cut.doneSince.length > 0 && !force)
    throw new Refused({ kind: "cleaned-up", executionId: row.id, steps: cut.doneSince });
  for (const entry of cut.askedAnew) {
    const item = entry.seq === exempt?.seq ? exempt.item : undefined;
    if (entry.kind === "child" && item === undefined)
      yield* planChild(batch, row, entry, force, plan);
    else if (entry.kind === "map") yield* planItems(batch, row, entry, force, item ?? undefined);
  }
  plan.push(() => reopen(batch, row, cut));
}

/** A child that failed goes on from its failure; one that was cancelled along with its parent begins a new run. */
function* planChild(
  batch: Batch,
  row: Row,
  entry: EntryRow,
  force: boolean,
  plan: Plan,
): Procedure<void> {
  const child = yield* batch.sql.executions.childOf.get({
    parent: row.key,
    run: row.run,
    seq: entry.seq,
  });
  // Its end is yet to come, and would be taken for that of its new run.
  if (child?.state === "cancelling") throw new Refused({ kind: "running" });
  if (child === undefined || child.ended_at === null) return;
  if (child.state === "completed" || child.state === "cancelled")
    plan.push(() => startAnew(batch, child));
  else yield* planReopening(batch, child, force, plan);
}

/** Its children begin as the map lets them; what refuses one refuses all now. */
function* planItems(
  batch: Batch,
  row: Row,
  entry: EntryRow,
  force: boolean,
  exemptItem: number | undefined,
): Procedure<void> {
  for (const child of yield* batch.sql.executions.stoppedChildrenOf.all(placeOf(row, entry))) {
    if (child.state === "cancelling") throw new Refused({ kind: "running" });
    if (child.parent_item !== exemptItem) yield* planReopening(batch, child, force, []);
  }
}

/** A timer keeps its time. A deadline that was open goes on by what was left of it, and one that had passed, or has been met, begins anew. */
function dueAnew(entry: EntryRow, now: number, stoodEnded: number): number | null {
  if (entry.dueAt === undefined) return null;
  if (entry.kind === "sleep" || entry.kind === "sleepUntil") return entry.dueAt;
  const hadEnded = entry.status === entryStatus.completed || entry.status === entryStatus.failed;
  return hadEnded ? now + entry.dueAt - entry.scheduledAt : entry.dueAt + stoodEnded;
}

function* reopen(batch: Batch, row: Row, cut: Cut<EntryRow>): Procedure<void> {
  const stoodEnded = batch.now - (row.ended_at ?? batch.now);
  const { journal, sessions, executions } = batch.sql;
  yield* removeWork(batch, row.key);
  yield* forgetOutcome(batch, row);
  sessions.removeMarks.do({ execution: row.key });
  sessions.removeLettersOfRun.do({ execution: row.key, run: row.run });
  for (const entry of cut.removed) takeBack(batch, row, entry);
  for (const entry of cut.redelivered) {
    const { status, value, attempt, failures, startedAt, endedAt, dueAt } = entry;
    journal.undeliver.do({
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
    journal.undeliver.do({
      ...placeOf(row, entry),
      status: entryStatus.pending,
      value: null,
      attempt: 0,
      failures: 0,
      startedAt: null,
      endedAt: null,
      dueAt: dueAnew(entry, batch.now, stoodEnded),
    });
    if (entry.kind === "signal") sessions.returnMessage.do(placeOf(row, entry));
    if (entry.kind === "map") yield* reopenMap(batch, row, placeOf(row, entry), entry);
  }
  executions.reopen.do({
    key: row.key,
    state: row.kind === "workflow" ? "running" : "pending",
    startedAt: row.started_at,
    run: row.run,
    // A job is one step, which keeps its name; new steps of a workflow are not those that were taken out of its journal.
    cut: row.kind === "workflow" ? row.cut + 1 : row.cut,
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
    if (before === undefined) journal.removeCounter.do({ execution: row.key, name: entry.name });
    else journal.setCounter.do({ execution: row.key, name: entry.name, amount: before });
  } else if (entry.kind === "state.set" && entry.name !== undefined) {
    if (entry.input === undefined) journal.removeState.do({ execution: row.key, name: entry.name });
    else journal.setState.do({ execution: row.key, name: entry.name, value: entry.input });
  } else if (entry.kind === "signal") sessions.returnMessage.do(place);
  else if (entry.kind === "map") journal.removeItems.do(place);
  if (entry.kind === "map" || entry.kind === "child") batch.sql.executions.letGoChildren.do(place);
  journal.removeEntry.do(place);
}

function placeOf(
  row: { readonly key: number; readonly run: number },
  entry: { readonly seq: number },
): EntryKey {
  return { execution: row.key, run: row.run, seq: entry.seq };
}
