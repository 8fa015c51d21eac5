/** Removing what is over, transaction by transaction: each is short, and whatever waits is written between two of them. */
import { monotonicMs } from "../runtime/clock.ts";
import type { Committer } from "./committer.ts";
import type { Finished, Store } from "./store.ts";

/** Candidates that are looked for at a time, and removed in one transaction. */
const pageSize = 25;
/** After each transaction it rests for as long as that took, but not longer: half of the time is for others, on SQLite also for other processes. */
const longestRestMs = 50;
/** What is removed of each kind at once beside executions. */
const sweptAtOnce = 500;

/** Who cleans up. */
export interface Cleaner {
  readonly store: Store;
  readonly committer: Committer;
  /** Cleans up for all, while it has the duty; undefined: at a person's word. */
  readonly session?: number | undefined;
  /** Whether to go on. */
  readonly goesOn?: () => boolean;
  /** Resolves after so long. Undefined: it does not rest. */
  readonly rest?: (ms: number) => Promise<void>;
}

/** Removes these executions, with their children, as far as they may go. @returns the ids of what was removed; whether something of it is left to be removed */
export async function removeExecutions(
  { committer, session, goesOn = always, rest: resting }: Omit<Cleaner, "store">,
  keys: readonly number[],
): Promise<{ readonly removed: readonly string[]; readonly left: boolean }> {
  const removed: string[] = [];
  let left = false;
  for (let rest = keys; rest.length > 0 && goesOn();) {
    const startedAt = monotonicMs();
    const answer = await committer.submit("remove", { keys: rest, ...duty(session) });
    await resting?.(Math.min(longestRestMs, monotonicMs() - startedAt));
    removed.push(...answer.removed);
    left ||= answer.left;
    rest = rest.slice(answer.looked);
  }
  return { removed, left };
}

/** Removes the executions that had ended by that time, with all that belongs to them. @returns how many they were */
export async function removeEnded(cleaner: Cleaner, before: number): Promise<number> {
  const { store, goesOn = always } = cleaner;
  let count = 0;
  // Children of a large tree are found once their parent is gone.
  for (let again = true; again && goesOn();) {
    again = false;
    for (let after: Finished = { endedAt: -1, key: 0 }; goesOn();) {
      const page = await store.finishedBefore(before, after, pageSize);
      const last = page.at(-1);
      if (last === undefined) break;
      const keys = page.map(({ key }) => key);
      const { removed, left } = await removeExecutions(cleaner, keys);
      count += removed.length;
      again ||= left;
      after = last;
    }
  }
  return count;
}

/** Removes what executions that were too large for one transaction have left behind. */
export async function trimAll({ committer, goesOn = always }: Cleaner): Promise<void> {
  while (goesOn() && (await committer.submit("trim", {})));
}

/** Removes old dead letters, dead sessions, expired results, and gates that nobody uses. */
export async function sweepAll(
  { committer, session, goesOn = always }: Cleaner,
  kept: { readonly lettersBefore?: number; readonly sessionsBefore?: number },
): Promise<void> {
  let gatesAfter = 0;
  for (let more = true; more && goesOn();) {
    const request = { ...kept, gatesAfter, limit: sweptAtOnce, ...duty(session) };
    const swept = await committer.submit("sweep", request);
    ({ more } = swept);
    gatesAfter = swept.gatesAfter ?? Number.MAX_SAFE_INTEGER;
  }
}

function duty(session: number | undefined): { onDuty?: number } {
  return session === undefined ? {} : { onDuty: session };
}

function always(): boolean {
  return true;
}
