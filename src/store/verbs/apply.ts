import type { Transition, Transitions } from "../store.ts";
import type { Batch } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { claim } from "./claim.ts";
import { dispatch } from "./dispatch.ts";
import { cancel, expire } from "./ending.ts";
import { writeFanoutProgress } from "./fanout-progress.ts";
import { leave } from "./leaving.ts";
import { send } from "./message.ts";
import { replay } from "./replay.ts";
import { remove, sweep, trim } from "./removal.ts";
import { retry } from "./retry.ts";
import { heartbeat, reap, register } from "./session.ts";
import { task } from "./task.ts";
import { turn } from "./turn.ts";

/**
 * Whether it may look at the fan-outs that this batch's outcomes have counted on. All but outcomes do, and those turns that only add to
 * their journal or end: the children of a map end by a turn each, and many of them in one batch.
 */
function looksAtFanouts({ kind, request }: Transition): boolean {
  return (
    kind !== "turn" ||
    request.withdrawn.length > 0 ||
    request.told.length > 0 ||
    request.next.kind === "again" ||
    request.next.kind === "continue"
  );
}

/** Writes one transition within the batch's transaction, after all those before it. */
export function* apply(
  batch: Batch,
  transition: Transition,
): Procedure<Transitions[keyof Transitions]["answer"]> {
  if (transition.kind !== "task") {
    batch.range = undefined;
    if (batch.fanouts.size > 0 && looksAtFanouts(transition)) yield* writeFanoutProgress(batch);
  }
  return yield* carryOut(batch, transition);
}

/** The same beside others that touch nothing that it touches. */
export function* carryOut(
  batch: Batch,
  transition: Transition,
): Procedure<Transitions[keyof Transitions]["answer"]> {
  switch (transition.kind) {
    case "dispatch":
      return yield* dispatch(batch, transition.request);
    case "turn":
      return yield* turn(batch, transition.request);
    case "claim":
      return yield* claim(batch, transition.request);
    case "task":
      return yield* task(batch, transition.request);
    case "signal":
      return yield* send(batch, transition.request);
    case "cancel":
      return yield* cancel(batch, transition.request);
    case "retry":
      return yield* retry(batch, transition.request);
    case "replay":
      return yield* replay(batch, transition.request);
    case "register":
      return yield* register(batch, transition.request);
    case "heartbeat":
      return yield* heartbeat(batch, transition.request);
    case "reap":
      return yield* reap(batch, transition.request);
    case "expire":
      return yield* expire(batch, transition.request);
    case "remove":
      return yield* remove(batch, transition.request);
    case "trim":
      return yield* trim(batch);
    case "sweep":
      return yield* sweep(batch, transition.request);
    case "discardDeadLetter":
      return (yield* batch.sql.sessions.removeLetter.run(transition.request)) > 0;
    case "leave":
      return yield* leaveJob(batch, transition.request);
    default:
      return transition satisfies never;
  }
}

function* leaveJob(
  batch: Batch,
  { session, execution }: Transitions["leave"]["request"],
): Procedure<boolean> {
  if (!(yield* batch.isLive(session))) return false;
  yield* leave(batch, -execution);
  return true;
}
