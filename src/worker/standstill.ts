/** What becomes of a held execution without a turn or an attempt of it: blocked, ended before it began, or ended since its code is no workflow. */
import {
  DeadlockError,
  NonDeterminismError,
  PoisonError,
  type CancelledError,
  type ExpiryError,
} from "../core/errors.ts";
import type { Done } from "../core/interpreter/turn.ts";
import { showsMessage } from "../core/payload.ts";
import { resultPlace, storedResultPlace } from "../core/places.ts";
import type { EntryChange, Next, StoredResult } from "../store/store.ts";
import { deadLetterOf } from "./dead-letter.ts";
import { EmptyTurn } from "./empty-turn.ts";
import { Ending } from "./ending.ts";
import type { Held, Hold } from "./hold.ts";
import type { NoGeneratorError } from "./replica.ts";
import { nameOf, reasonOf } from "./verdict.ts";

/** Under which the deaths of the turn itself are counted. */
export const turnItself = -1;

/** What keeps killing its process is not run again by itself. @returns whether it was blocked */
export async function blockIfPoison(hold: Hold): Promise<boolean> {
  const ofTurn = hold.deaths.get(turnItself) ?? 0;
  if (ofTurn < hold.host.maxClaims) return false;
  const { id, name } = hold.execution;
  const message = `a turn of workflow "${name}" was running in ${ofTurn} worker sessions when they died; look for an endless loop or an exhausted memory in its code, then: stent retry ${id}`;
  await block(hold, "poison", new PoisonError(message));
  return true;
}

/** Cancelled or timed out before its run has begun: it ends without running any of its code. @returns whether it was so */
export async function endIfUnbegun(
  hold: Hold,
  reason: CancelledError | ExpiryError,
): Promise<boolean> {
  const { host, execution } = hold;
  const begun = await host.deps.store.newestEntries(execution.key, execution.run, 1);
  if (begun.length > 0) return false;
  await storeOnly(
    hold,
    new Ending(hold).next({ kind: "closed", reason, errors: [] }, new Map(), false),
  );
  return true;
}

/** It need not run, since a result stands for it, or never can, since those it waits for wait for it. @returns whether it was so */
export async function endAtGate(hold: Hold): Promise<boolean> {
  const { deadlock, stored } = hold.execution;
  if (deadlock === undefined && stored === undefined) return false;
  const done: Done =
    stored === undefined
      ? { kind: "failed", error: new DeadlockError(deadlock ?? ""), failedBy: 0 }
      : { kind: "completed", value: valueOf(hold, stored) };
  await storeOnly(hold, new Ending(hold).next(done, new Map(), false));
  return true;
}

function valueOf({ host }: Hold, { name, value }: StoredResult): unknown {
  return host.deps.codec.decode(value, storedResultPlace(name));
}

/** What cannot begin has failed; what had begun waits for code that can go on. */
export async function endWithoutGenerator(
  hold: Hold,
  { hadBegun, cause }: NoGeneratorError,
): Promise<void> {
  if (!hadBegun) {
    const next = new Ending(hold).next(
      { kind: "failed", error: cause, failedBy: 0 },
      new Map(),
      false,
    );
    await storeOnly(hold, next);
    return;
  }
  const payload = hold.host.deps.codec.encodeFailure(cause, resultPlace(hold.execution.id));
  const threw = showsMessage(payload, cause) ? reasonOf(cause) : nameOf(cause);
  const message = `the code of workflow "${hold.execution.name}" threw before its first effect, which it did not when this run began: ${threw}. The execution is blocked, nothing is lost; put the code right`;
  await block(hold, "non-determinism", new Error(message, { cause }));
}

/** It stays where it is until the code or the journal has been put right: nothing is lost, and others go on. `kept`: outcomes that came meanwhile. */
export async function block(
  held: Held,
  kind: "non-determinism" | "poison" | "unreadable",
  error: Error,
  kept: readonly EntryChange[] = [],
): Promise<void> {
  const { host, execution } = held;
  const { codec, observer, clock } = host.deps;
  const payload = codec.encodeFailure(error, resultPlace(execution.id));
  const clear = showsMessage(payload, error);
  const effect = (shown: object): object => (clear ? shown : { ...shown, args: undefined });
  const details =
    error instanceof NonDeterminismError
      ? { path: error.path, recorded: effect(error.recorded), yielded: effect(error.yielded) }
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
    payload,
  };
  const deadLetter = kind === "poison" ? deadLetterOf(letter) : undefined;
  await storeOnly(held, { kind: "block", reason, deadLetter }, kept);
  host.steps.deadLettered(deadLetter);
  observer.emit({
    type: "executionBlocked",
    executionId: execution.id,
    workerId: host.workerId,
    workflow: execution.name,
    reason: error.message,
  });
}

/** Stores what becomes of the execution, and nothing else but these outcomes. */
async function storeOnly(held: Held, next: Next, kept: readonly EntryChange[] = []): Promise<void> {
  const { host } = held;
  const request = new EmptyTurn(held, true, next);
  request.changes = kept;
  const answer = await host.storing(() => host.deps.committer.submit("turn", request));
  if (answer?.kind === "refused" && answer.reason === "session") host.sessionLost();
}
