/** What becomes of a held execution without a turn or an attempt of it: blocked, ended before it began, or ended since its code is no workflow. */
import type { Workflow } from "../core/durable.ts";
import {
  NonDeterminismError,
  PoisonError,
  type CancelledError,
  type ExpiryError,
} from "../core/errors.ts";
import { resultPlace } from "../core/places.ts";
import type { ClaimedExecution, EntryChange, Next } from "../store/store.ts";
import { deadLetterOf } from "./dead-letter.ts";
import { EmptyTurn } from "./empty-turn.ts";
import { Ending } from "./ending.ts";
import type { NoGeneratorError } from "./replica.ts";
import type { RunHost } from "./run-host.ts";
import { reasonOf } from "./verdict.ts";

/** A held execution, as it stands now. */
export interface Held {
  readonly host: RunHost;
  readonly execution: ClaimedExecution;
  readonly session: number;
  readonly wakeSeq: number;
}

/** One of a workflow. */
export interface HeldRun extends Held {
  readonly fn: Workflow<unknown[], unknown>;
}

/** Sessions that died while an attempt of it was running, by the entry's seq; of its turn, under `turnItself`. */
export async function deathsOf({ host, execution }: HeldRun): Promise<ReadonlyMap<number, number>> {
  const deaths = new Map<number, number>();
  for (const mark of await host.deps.store.marks(execution.key, execution.run)) {
    if (mark.item === -1) deaths.set(mark.seq, (deaths.get(mark.seq) ?? 0) + 1);
  }
  return deaths;
}

/** Under which the deaths of the turn itself are counted. */
export const turnItself = -1;

/** What keeps killing its process is not run again by itself. @returns whether it was blocked */
export async function blockIfPoison(
  run: HeldRun,
  deaths: ReadonlyMap<number, number>,
): Promise<boolean> {
  const ofTurn = deaths.get(turnItself) ?? 0;
  if (ofTurn < run.host.maxClaims) return false;
  const { id, name } = run.execution;
  const message = `a turn of workflow "${name}" was running in ${ofTurn} worker sessions when they died; look for an endless loop or an exhausted memory in its code, then: stent retry ${id}`;
  await block(run, "poison", new PoisonError(message));
  return true;
}

/** Cancelled or timed out before its run has begun: it ends without running any of its code. @returns whether it was so */
export async function endIfUnbegun(
  run: HeldRun,
  reason: CancelledError | ExpiryError,
): Promise<boolean> {
  const { host, execution } = run;
  const begun = await host.deps.store.newestEntries(execution.key, execution.run, 1);
  if (begun.length > 0) return false;
  await storeOnly(
    run,
    endingOf(run).next({ kind: "closed", reason, errors: [] }, new Map(), false),
  );
  return true;
}

/** What cannot begin has failed; what had begun waits for code that can go on. */
export async function endWithoutGenerator(
  run: HeldRun,
  { hadBegun, cause }: NoGeneratorError,
): Promise<void> {
  if (!hadBegun) {
    const next = endingOf(run).next(
      { kind: "failed", error: cause, failedBy: 0 },
      new Map(),
      false,
    );
    await storeOnly(run, next);
    return;
  }
  const message = `the code of workflow "${run.execution.name}" threw before its first effect, which it did not when this run began: ${reasonOf(cause)}. The execution is blocked, nothing is lost; put the code right`;
  await block(run, "non-determinism", new Error(message, { cause }));
}

/** It stays where it is until the code or the journal has been put right: nothing is lost, and others go on. `kept`: outcomes that came meanwhile. */
export async function block(
  run: Held,
  kind: "non-determinism" | "poison" | "unreadable",
  error: Error,
  kept: readonly EntryChange[] = [],
): Promise<void> {
  const { host, execution } = run;
  const { codec, observer, clock } = host.deps;
  const details =
    error instanceof NonDeterminismError
      ? { path: error.path, recorded: error.recorded, yielded: error.yielded }
      : {};
  const reason = JSON.stringify({ kind, message: error.message, since: clock.now(), ...details });
  const letter = {
    execution,
    placement: execution,
    path: "turn",
    seq: turnItself,
    item: -1,
    name: execution.name,
    attempt: execution.attempt,
    maxAttempts: host.maxClaims,
    error,
    payload: codec.encodeFailure(error, resultPlace(execution.id)),
  };
  const deadLetter = kind === "poison" ? deadLetterOf(letter) : undefined;
  await storeOnly(run, { kind: "block", reason, deadLetter }, kept);
  host.steps.deadLettered(deadLetter);
  observer.emit({
    type: "executionBlocked",
    executionId: execution.id,
    workflow: execution.name,
    reason: error.message,
  });
}

/** Stores what becomes of the execution, and nothing else but these outcomes. */
async function storeOnly(
  { host, execution, session, wakeSeq }: Held,
  next: Next,
  kept: readonly EntryChange[] = [],
): Promise<void> {
  const { claim, key, run } = execution;
  const of = { session, claim, execution: key, run, wakeSeq };
  const request = new EmptyTurn(of, true, next);
  request.changes = kept;
  const answer = await host.storing(() => host.deps.committer.submit("turn", request));
  if (answer?.kind === "refused" && answer.reason === "session") host.sessionLost();
}

function endingOf({ host, execution, fn }: HeldRun): Ending {
  return new Ending(host, execution, fn);
}
