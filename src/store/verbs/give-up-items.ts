/** Items of maps whose totalTimeout has passed while nobody held them: each fails as if a worker had found it. */
import type { Payload } from "../../core/payload.ts";
import { entryStatus } from "../../core/status.ts";
import type { Batch, FanoutProgress, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { countFailure, fanoutOf } from "./fanout.ts";
import { leave } from "./leaving.ts";
import { keyOf, leaveOutcome } from "./outcome.ts";
import { removeTasks } from "./removal.ts";

type Row = RowOf<Statements["tasks"]["byKey"]>;

/** At most `limit` of them. One after the other: tasks of one map are not independent. @returns how many there were */
export function* giveUpItems(batch: Batch, limit: number): Procedure<number> {
  if (limit === 0) return 0;
  const due = yield* batch.sql.deadlines.itemsOutOfTime.all({ now: batch.now, limit });
  let left = limit;
  for (const { key, execution } of due.toSorted((a, b) => a.execution - b.execution)) {
    if (left === 0) break;
    // First its execution, by whose row whoever decides about its work is kept apart.
    const of = yield* batch.sql.executions.standing.get({ key: execution });
    const row = yield* batch.sql.tasks.byKey.get({ key });
    if (row !== undefined && isOutOfTime(batch, row))
      left -= yield* giveUpTask(batch, row, of?.id, left);
  }
  return limit - left;
}

/** Still so: its map may have failed by another one, and somebody may have taken it. */
function isOutOfTime(batch: Batch, { worker, give_up_at }: Row): boolean {
  return worker === null && give_up_at !== null && give_up_at <= batch.now;
}

/** The first items of a task that have no outcome yet, up to the one by which their map fails. @returns how many */
function* giveUpTask(
  batch: Batch,
  row: Row,
  executionId: string | undefined,
  limit: number,
): Procedure<number> {
  const { journal, tasks } = batch.sql;
  const fanout = yield* fanoutOf(batch, row, row);
  const entry = yield* journal.one.get(keyOf(row));
  if (executionId === undefined || fanout === undefined || entry === undefined) {
    tasks.remove.do({ key: row.key });
    return 0;
  }
  const borne = fanout.tolerated === null ? Infinity : fanout.tolerated - fanout.failed + 1;
  const most = Math.min(limit, borne);
  const open = yield* journal.openItemNumbers.all({
    ...keyOf(row),
    from: row.item_from,
    to: row.item_to,
    // The task that an item is given for its retry has a path of its own.
    alone: row.path === entry.path ? 0 : 1,
    limit: most + 1,
  });
  const failing = open.slice(0, most).map(({ item }) => item);
  const { run, name } = row;
  const failure = batch.failures.itemOutOfTime({ executionId, run, path: entry.path, name });
  failItems(batch, row, failing, failure);
  if (count(fanout, failing.length)) yield* failMap(batch, row, failure);
  else if (open.length <= most) {
    tasks.remove.do({ key: row.key });
    if (row.gates !== null) yield* leave(batch, row.key);
  }
  return failing.length;
}

/** The number under which the attempt waited counts as theirs, as it does where a worker takes them too late. */
function failItems(batch: Batch, row: Row, items: readonly number[], failure: Payload): void {
  for (const item of items) {
    const place = { ...keyOf(row), item };
    if (batch.hasMarks) batch.sql.sessions.clearMarks.do(place);
    batch.sql.journal.endItem.do({
      ...place,
      status: entryStatus.failed,
      value: failure,
      attempt: row.attempt + 1,
      now: batch.now,
    });
  }
}

/** @returns whether the map fails by the last of them. */
function count(fanout: FanoutProgress, items: number): boolean {
  fanout.left -= items;
  fanout.released += items;
  let fails = false;
  for (let counted = 0; counted < items; counted += 1) fails = countFailure(fanout);
  return fails;
}

/** What runs of it is told, and the rest never starts. */
function* failMap(batch: Batch, row: Row, failure: Payload): Procedure<void> {
  yield* leaveOutcome(batch, keyOf(row), {
    kind: "map",
    status: entryStatus.failed,
    value: failure,
    attempt: row.attempt + 1,
    failures: row.failures + 1,
    startedAt: batch.now,
  });
  yield* removeTasks(batch, keyOf(row));
}
