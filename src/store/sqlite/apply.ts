import type { Transition, Transitions } from "../store.ts";
import type { Batch } from "./batch.ts";
import { claim } from "./verbs/claim.ts";
import { dispatch } from "./verbs/dispatch.ts";
import { cancel, expire } from "./verbs/ending.ts";
import { send } from "./verbs/message.ts";
import { remove } from "./verbs/removal.ts";
import { retry } from "./verbs/retry.ts";
import { heartbeat, reap, register } from "./verbs/session.ts";
import { task, writeFanoutProgress } from "./verbs/task.ts";
import { turn } from "./verbs/turn.ts";

/** Writes one transition within the batch's transaction. */
export function apply(
  batch: Batch,
  transition: Transition,
): Transitions[keyof Transitions]["answer"] {
  // All but outcomes may look at the fan-outs and tasks that this batch's outcomes have counted on.
  if (transition.kind !== "task") {
    batch.range = undefined;
    if (batch.fanouts.size > 0) writeFanoutProgress(batch);
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
    case "discardDeadLetter":
      return batch.sql.sessions.removeLetter.run(transition.request) > 0;
    default:
      return transition satisfies never;
  }
}
