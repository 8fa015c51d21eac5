import { tagsColumn, type Batch } from "./batch.ts";
import type { Prepare } from "./reader.ts";
import type { Procedure } from "./procedure.ts";
import type { RestoredEntry, RestoredExecution } from "./restored.ts";
import { restoreStatements } from "./statements/restore.ts";

/** Writes an execution with all that it has. @returns false if there is one of that id */
export function* restore(
  batch: Batch,
  prepare: Prepare,
  execution: RestoredExecution,
): Procedure<boolean> {
  const { id, kind, name, version, queue, tags, priority, run, parentId, blocked } = execution;
  if ((yield* batch.sql.executions.byId.get({ id })) !== undefined) return false;
  const parent =
    parentId === undefined ? undefined : yield* batch.sql.executions.byId.get({ id: parentId });
  const { startedAt, endedAt, createdAt } = execution;
  const key = yield* prepare(restoreStatements.execution).insert({
    id,
    kind,
    name,
    version,
    queue,
    startedAt,
    endedAt,
    createdAt,
    run,
    state: execution.state,
    input: execution.input,
    result: execution.result,
    attempt: execution.attempt,
    rank: priority === 0 ? 0 : -priority,
    tags: tagsColumn(tags),
    lane: yield* batch.lane({ kind, name, version, queue, tags }),
    parent: parent?.key,
    parentRun: parent?.run,
    root: parent === undefined ? undefined : (parent.root ?? parent.key),
    reason: blocked,
  });
  for (const [seq, entry] of execution.entries.entries())
    writeEntry(batch, prepare, { execution: key, run, seq, now: createdAt }, entry);
  for (const counter of execution.counters)
    prepare(restoreStatements.counter).do({
      execution: key,
      name: counter.name,
      amount: counter.value,
    });
  for (const value of execution.values)
    prepare(restoreStatements.value).do({ execution: key, ...value });
  return true;
}

type Place = {
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
  readonly now: number;
};

function writeEntry(batch: Batch, prepare: Prepare, place: Place, entry: RestoredEntry): void {
  const { items, message, ...columns } = entry;
  const common = { reached: 0, step: place.seq + 1, attempt: 1, failures: 0, cut: 0 };
  batch.sql.journal.insert.do({ ...columns, ...common, startedAt: entry.scheduledAt }, place);
  for (const [item, columnsOfItem] of items.entries())
    prepare(restoreStatements.item).do({ ...columnsOfItem, item, endedAt: entry.endedAt }, place);
  if (message !== undefined)
    prepare(restoreStatements.message).do({ name: entry.name, payload: message }, place);
}
