/** The next run of an execution, and what the earlier ones left behind. */
import type { Next, TurnRequest } from "../../store.ts";
import type { Batch } from "../batch.ts";
import { removeWork } from "./removal.ts";

/** Journal entries that are removed together with the end of their run; what is more than that is left to maintenance. */
const trimmedAtOnce = 500;
/** Rows that maintenance removes in one statement. */
const trimmedByMaintenance = 1_000;

/** Which counters and state the next run begins with. */
type HandedOn =
  /** Those that its input began with: it is begun again from the top. */
  | "base"
  /** None: its input is new. */
  | "none";

/** Removes what the last run left behind beside its journal, before another run begins from the top: work, arrivals, counters, state. */
export function forgetRun(batch: Batch, execution: number, run: number, handedOn: HandedOn): void {
  const { journal, sessions } = batch.sql;
  removeWork(batch, execution);
  if (handedOn === "base") {
    journal.removeNewCounters.run({ execution });
    journal.removeNewStates.run({ execution });
    journal.resetCounters.run({ execution });
    journal.resetStates.run({ execution });
  } else {
    journal.removeCounters.run({ execution });
    journal.removeStates.run({ execution });
  }
  sessions.removeMarks.run({ execution });
  journal.leaveRun.run({ execution, run });
}

/**
 * Begins the next run by continueAsNew: counters, state and unread messages stay, and are what a retry from the top goes back to.
 * @returns whether the execution is not held any more
 */
export function continueRun(
  batch: Batch,
  { execution, run }: TurnRequest,
  next: Extract<Next, { kind: "continue" }>,
): boolean {
  const { journal, sessions, executions } = batch.sql;
  removeWork(batch, execution);
  sessions.removeMarks.run({ execution });
  sessions.removeConsumed.run({ execution });
  if (next.handsOn) {
    journal.keepCounters.run({ execution });
    journal.keepStates.run({ execution });
  }
  journal.removeRun.run({ execution, run, limit: trimmedAtOnce });
  if (journal.anyOfRun.get({ execution, run })?.any === 1) journal.leaveRun.run({ execution, run });
  const { name, version, queue, tags } = next;
  executions.continueRun.run({
    key: execution,
    run: run + 1,
    input: next.input,
    version,
    lane: batch.lane({ kind: "workflow", name, version, queue, tags }),
    released: next.hold ? 0 : 1,
    now: batch.now,
  });
  if (!next.hold) batch.hintReady();
  return !next.hold;
}

/** Removes some of what runs that are over have left behind. @returns whether there is more */
export function trimRuns(batch: Batch): boolean {
  const { journal } = batch.sql;
  const left = journal.leftRun.get({});
  if (left === undefined) return false;
  const { execution, run } = left;
  const entries = journal.removeRun.run({ execution, run, limit: trimmedByMaintenance });
  const items = journal.removeItemsOfRun.run({ execution, run, limit: trimmedByMaintenance });
  if (entries < trimmedByMaintenance && items < trimmedByMaintenance)
    journal.removeLeftRun.run({ execution, run });
  return true;
}
