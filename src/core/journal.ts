/**
 * The journal: every effect that a run has reached, with its outcome.
 *
 *   J1  An entry is addressed by its path, scoped per branch: "3" is the third yield, "3.0" the first branch of it, "3.0.2" the second
 *       yield of that branch.
 *   J2  A delivered outcome carries its delivery number: its place in the order in which the workflow saw outcomes. Replay delivers in
 *       that order, so everything the workflow can observe is recorded.
 *   J3  An entry answered at its yield (now, random, a refused argument) has `reached` equal to its own delivery number; every other one
 *       has the number of the delivery that led to it.
 */

/** How a step ended, decoded: exactly what the workflow is given. */
export type Outcome =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

/** The kinds of entries. `child` is a call of a workflow; `cancel` and `grace` are events of the whole execution. */
export type EntryKind =
  | "call"
  | "child"
  | "map"
  | "sleep"
  | "sleepUntil"
  | "signal"
  | "sendSignal"
  | "dispatch"
  | "run"
  | "transaction"
  | "continueAsNew"
  | "result"
  | "now"
  | "random"
  | "uuid"
  | "counters.get"
  | "state.get"
  | "race"
  | "within"
  | "cancel"
  | "grace"
  | RecordKind;

/** Entries without a number of their own: what a step left in the execution's counters, state and progress, that a run has a change of the code, and the middleware with which it began. */
export type RecordKind = "counters.add" | "state.set" | "progress" | "patched" | "middleware";

/** One journal entry. */
export interface Entry {
  readonly path: string;
  readonly kind: EntryKind;
  /** Of the function, signal, closure or counter; the winner's key of a race. */
  readonly name?: string | undefined;
  /** What the effect asked for, undecoded arguments included, as the host's encoder gave it; what a record replaced. */
  readonly input?: unknown;
  /** When it ends by itself, in milliseconds since 1970: a timer, a signal's timeout, an activity's totalTimeout. */
  readonly dueAt?: number | undefined;
  /** The delivery that led to it; 0 for what the start led to. */
  readonly reached: number;
  readonly outcome?: Outcome | undefined;
  readonly delivery?: number | undefined;
}

/** Path of the entry that records why and when a whole execution was closed. */
export const cancelPath = "cancel";
/** Path of the entry that records that the execution stopped waiting for attempts that were running when it was closed. */
export const gracePath = "grace";

/** Path of the entry that records that the run's result could not be stored. */
export const resultPath = "result";

/** Where the undo steps of a run stand. */
const undoPrefix = "undo.";

/** True for what an undo step did. */
export function isUndo({ path }: { readonly path: string }): boolean {
  return path.startsWith(undoPrefix);
}

/** Kinds that are answered at their yield, or stand beside a step: they show in no progress. */
export const silentKinds: readonly string[] = [
  "now",
  "random",
  "uuid",
  "counters.get",
  "state.get",
  "race",
  "within",
  "cancel",
  "grace",
  "continueAsNew",
  "result",
  "counters.add",
  "state.set",
  "patched",
  "middleware",
];

/** True for entries that show as progress. */
export function isStep(kind: string): boolean {
  return !silentKinds.includes(kind);
}

const recordKinds: ReadonlySet<string> = new Set<RecordKind>([
  "counters.add",
  "state.set",
  "progress",
  "patched",
  "middleware",
]);

/** True for entries that stand beside a step instead of being one. */
export function isRecord(entry: { readonly kind: string }): boolean {
  return recordKinds.has(entry.kind);
}

/** True for entries that were answered at their yield (J3). */
export function isImmediate(entry: {
  readonly reached: number;
  readonly delivery?: number | undefined;
}): boolean {
  return entry.delivery !== undefined && entry.reached === entry.delivery;
}
