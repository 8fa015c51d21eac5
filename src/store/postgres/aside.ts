/**
 * What an open transaction of a user's may stand in the way of: one that has dispatched under the same id, say, and has not committed.
 * It is written by itself on another connection, so that nothing else waits for that commit.
 */
import type { SettledLater, Transition } from "../store.ts";
import type { Committed } from "./committing.ts";
import { isConstraint, isLost, isTransient } from "./errors.ts";
import { pause } from "./pause.ts";

/** How long a user's transaction is waited for. */
const patienceMs = 30_000;

/** What it has stored is met by a constraint, and seen at the next try. */
const triesOfOne = 5;

export class Aside {
  readonly #tryOnce: (transition: Transition) => Promise<Committed>;

  constructor(tryOnce: (transition: Transition) => Promise<Committed>) {
    this.#tryOnce = tryOnce;
  }

  async write(transition: Transition): Promise<SettledLater> {
    const giveUpAt = performance.now() + patienceMs;
    let met = 0;
    for (let tries = 1; ; tries += 1) {
      try {
        const { settled, hints } = await this.#tryOnce(transition);
        const [one] = settled;
        if (one === undefined || "later" in one) throw new Error("it was not settled");
        return { settled: one, hints };
      } catch (error) {
        if (isConstraint(error)) met += 1;
        else if (!isTransient(error) && !isLost(error)) throw error;
        if (met >= triesOfOne || performance.now() > giveUpAt) throw error;
      }
      await pause(tries);
    }
  }
}

/** Whether a user's transaction may hold what it needs: ids, executions begun anew, keys of messages. */
export function mayMeetUsers({ kind, request }: Transition): boolean {
  switch (kind) {
    case "dispatch":
      return request.executions.some(({ ownId }) => ownId !== true);
    case "turn":
      return request.dispatches.length + request.children.length + request.sends.length > 0;
    case "signal":
    case "cancel":
    case "retry":
    case "replay":
    case "remove":
      return true;
    case "task":
    case "claim":
    case "reap":
    case "register":
    case "heartbeat":
    case "expire":
    case "sweep":
    case "trim":
    case "discardDeadLetter":
    case "leave":
      return false;
    default:
      return kind satisfies never;
  }
}
