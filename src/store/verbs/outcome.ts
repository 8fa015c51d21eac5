import { entryStatus } from "../../core/status.ts";
import type { Batch, RowOf, Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";

/** Which entry of which run. */
export type EntryKey = Readonly<Record<"execution" | "run" | "seq", number>>;

type Standing = RowOf<Statements["executions"]["standing"]>;
type Entry = RowOf<Statements["journal"]["one"]>;

/** Nothing but the key of an entry: a row may be one. */
export function keyOf({ execution, run, seq }: EntryKey): EntryKey {
  return { execution, run, seq };
}

/** The execution of an entry, if it is in that run and has not ended. */
export function* underWay(
  batch: Batch,
  { execution, run }: EntryKey,
): Procedure<Standing | undefined> {
  const standing = yield* batch.sql.executions.standing.get({ key: execution });
  return standing?.ended_at === null && standing.run === run ? standing : undefined;
}

/** An entry that waits for its outcome. */
export function* waitingEntry(batch: Batch, entry: EntryKey): Procedure<Entry | undefined> {
  const row = yield* batch.sql.journal.one.get(entry);
  return row?.status === entryStatus.pending ? row : undefined;
}

/** Leaves an outcome for the holder of an execution and wakes it, if the entry still waits for one. */
export function* leaveOutcome(
  batch: Batch,
  entry: EntryKey,
  outcome: Readonly<Record<string, unknown>>,
): Procedure<void> {
  const target = yield* underWay(batch, entry);
  if (target !== undefined && (yield* waitingEntry(batch, entry)) !== undefined)
    handOver(batch, entry, target, outcome);
}

/** Leaves the outcome of an entry that is known to wait for it. */
export function handOver(
  batch: Batch,
  { execution, run, seq }: EntryKey,
  target: Standing,
  outcome: Readonly<Record<string, unknown>>,
): void {
  batch.sql.journal.insertArrival.do({
    kind: "outcome",
    execution,
    run,
    seq,
    ...outcome,
    now: batch.now,
  });
  batch.wake(execution, target.worker !== null);
}
