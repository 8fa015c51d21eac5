import { unqueued } from "../core/step-options.ts";
import type { Lane, SessionRow } from "../store/store.ts";

/** Whether a session is live as far as its last heartbeat tells. */
export function isLive({ state, seenAt, leaseMs }: SessionRow, now: number): boolean {
  return state === "live" && now - seenAt <= leaseMs;
}

/** Whether a session takes work of that queue with those tags. */
export function takesFrom(
  { queues, tags }: SessionRow,
  lane: Pick<Lane, "queue" | "tags">,
): boolean {
  const queue = queues === undefined || queues.includes(lane.queue ?? unqueued);
  return (
    queue &&
    (tags === undefined || lane.tags.length === 0 || lane.tags.some((tag) => tags.includes(tag)))
  );
}

/** A version binds no worker for activities. */
export function hasCode(
  { functions }: SessionRow,
  { kind, name, version }: Pick<Lane, "kind" | "name" | "version">,
): boolean {
  return functions.some(
    (known) =>
      known.kind === kind &&
      known.name === name &&
      (kind === "activity" || known.version === version),
  );
}
