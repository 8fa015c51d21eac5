/** The next run of an execution, and what the earlier ones left behind. */
import type { Next, TurnRequest } from "../store.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { removeWork } from "./removal.ts";

/** Journal entries that are removed together with the end of their run; what is more than that is left to maintenance. */
const trimmedAtOnce = 500;

/** Which counters and state the next run begins with. */
type HandedOn =
  /** Those that its input began with: it is begun again from the top. */
  | "base"
  /** None: its input is new. */
  | "none";

/** Removes what the last run left behind beside its journal, before another run begins from the top: work, arrivals, counters, state. */
export function* forgetRun(
  batch: Batch,
  execution: number,
  run: number,
  handedOn: HandedOn,
): Procedure<void> {
  const { journal, sessions } = batch.sql;
  yield* removeWork(batch, execution);
  if (handedOn === "base") {
    journal.removeNewCounters.do({ execution });
    journal.removeNewStates.do({ execution });
    journal.resetCounters.do({ execution });
    journal.resetStates.do({ execution });
  } else {
    journal.removeCounters.do({ execution });
    journal.removeStates.do({ execution });
  }
  sessions.removeMarks.do({ execution });
  journal.leaveRun.do({ execution, run });
}

/**
 * Begins the next run by continueAsNew: counters, state and unread messages stay, and are what a retry from the top goes back to.
 * @returns whether the execution is not held any more
 */
export function* continueRun(
  batch: Batch,
  { execution, run }: TurnRequest,
  next: Extract<Next, { kind: "continue" }>,
): Procedure<boolean> {
  const { journal, sessions, executions } = batch.sql;
  yield* removeWork(batch, execution);
  sessions.removeMarks.do({ execution });
  sessions.removeConsumed.do({ execution });
  if (next.handsOn) {
    journal.keepCounters.do({ execution });
    journal.keepStates.do({ execution });
  }
  journal.removeRun.do({ execution, run, limit: trimmedAtOnce });
  if ((yield* journal.anyOfRun.get({ execution, run }))?.any === 1)
    journal.leaveRun.do({ execution, run });
  const { name, version, queue, tags } = next;
  executions.continueRun.do({
    key: execution,
    run: run + 1,
    input: next.input,
    version,
    lane: yield* batch.lane({ kind: "workflow", name, version, queue, tags }),
    released: next.hold ? 0 : 1,
    now: batch.now,
  });
  if (!next.hold) batch.hintReady();
  return !next.hold;
}
