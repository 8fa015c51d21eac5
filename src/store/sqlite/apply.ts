import type { Transition, Transitions } from "../store.ts";
import type { Batch } from "./batch.ts";
import { claim } from "./verbs/claim.ts";
import { dispatch } from "./verbs/dispatch.ts";
import { cancel, expire } from "./verbs/ending.ts";
import { writeFanoutProgress } from "./verbs/fanout-progress.ts";
import { send } from "./verbs/message.ts";
import { trimRuns } from "./verbs/next-run.ts";
import { remove } from "./verbs/removal.ts";
import { retry } from "./verbs/retry.ts";
import { heartbeat, reap, register } from "./verbs/session.ts";
import { task } from "./verbs/task.ts";
import { turn } from "./verbs/turn.ts";

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

/** Writes one transition within the batch's transaction. */
export function apply(
  batch: Batch,
  transition: Transition,
): Transitions[keyof Transitions]["answer"] {
  if (transition.kind !== "task") {
    batch.range = undefined;
    if (batch.fanouts.size > 0 && looksAtFanouts(transition)) writeFanoutProgress(batch);
  }
  switch (transition.kind) {
    case "dispatch":
      return dispatch(batch, transition.request);
    case "turn":
      return turn(batch, transition.request);
    case "claim":
      return claim(batch, transition.request);
    case "task":
      return task(batch, transition.request);
    case "signal":
      return send(batch, transition.request);
    case "cancel":
      return cancel(batch, transition.request);
    case "retry":
      return retry(batch, transition.request);
    case "register":
      return register(batch, transition.request);
    case "heartbeat":
      return heartbeat(batch, transition.request);
    case "reap":
      return reap(batch, transition.request);
    case "expire":
      return expire(batch, transition.request);
    case "remove":
      return remove(batch, transition.request);
    case "trim":
      return trimRuns(batch);
    case "discardDeadLetter":
      return batch.sql.sessions.removeLetter.run(transition.request) > 0;
    default:
      return transition satisfies never;
  }
}
