import { isImmediate, isRecord, isUndo } from "./journal.ts";
import { entryStatus, type EntryStatus } from "./status.ts";

/** What cutting has to know of an entry. */
export interface CutEntry {
  readonly seq: number;
  readonly path: string;
  readonly kind: string;
  readonly name: string | undefined;
  readonly status: EntryStatus;
  readonly reached: number;
  readonly delivery: number | undefined;
  /** Of a withdrawn one: the last delivery of the turn that withdrew it. */
  readonly withdrawn?: number | undefined;
}

/** What goes back when a run goes on from just before a delivery. */
export interface Cut<E extends CutEntry> {
  /** Entries that were first reached by that delivery or later: they go. Newest first. */
  readonly removed: readonly E[];
  /** Their value stays and is delivered again to today's code. */
  readonly redelivered: readonly E[];
  /** They are asked for anew. */
  readonly askedAnew: readonly E[];
  /** What was done in the world by what goes, as "call(release)": going on could build on what it took back. */
  readonly doneSince: readonly string[];
}

const doneInTheWorld: ReadonlySet<string> = new Set([
  "call",
  "child",
  "map",
  "run",
  "transaction",
  "sendSignal",
  "dispatch",
]);

/** Cuts a run's journal back to just before delivery number `before`. An error is asked for anew, a value delivered again. */
export function cutJournal<E extends CutEntry>(entries: readonly E[], before: number): Cut<E> {
  const removed: E[] = [];
  const redelivered: E[] = [];
  const askedAnew: E[] = [];
  for (const entry of entries) {
    if (isReachedSince(entry, before)) removed.push(entry);
    else if (isRecord(entry) || isImmediate(entry) || entry.kind === "continueAsNew") continue;
    // What had lost its race before that delivery stays lost.
    else if (
      entry.status === entryStatus.withdrawn &&
      entry.withdrawn !== undefined &&
      entry.withdrawn < before
    )
      continue;
    else if (entry.status === entryStatus.withdrawn || entry.status === entryStatus.pending)
      askedAnew.push(entry);
    else if (entry.delivery !== undefined && entry.delivery < before) continue;
    else if (entry.status === entryStatus.completed && !isWait(entry)) redelivered.push(entry);
    else askedAnew.push(entry);
  }
  // An undo step has begun as soon as it is there.
  const doneSince = removed
    .filter(
      (entry) =>
        doneInTheWorld.has(entry.kind) && (entry.status === entryStatus.completed || isUndo(entry)),
    )
    .map((entry) => `${entry.kind === "child" ? "call" : entry.kind}(${entry.name ?? ""})`);
  return { removed: removed.toReversed(), redelivered, askedAnew, doneSince };
}

/** Its value is taken back: the message returns to the inbox, and a deadline begins anew. */
function isWait({ kind }: CutEntry): boolean {
  return kind === "signal" || kind === "within";
}

function isReachedSince(entry: CutEntry, before: number): boolean {
  return (
    entry.reached >= before ||
    (entry.kind === "cancel" && entry.delivery !== undefined && entry.delivery >= before)
  );
}
