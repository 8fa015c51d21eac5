import type { AnyEffect } from "../effects/any-effect.ts";
import type { CallEffect } from "../effects/call.ts";
import { ExpiryError } from "../errors.ts";
import type { EntryKind, Outcome } from "../journal.ts";
import { outOfTime } from "../out-of-time.ts";
import { totalTimeoutOf } from "../step-options.ts";

/** What an effect leaves in the journal, and how it ends by itself. */

/** Kinds of effects that leave no entry, and take no number. */
export const withoutPath: ReadonlySet<string> = new Set([
  "patched",
  "cancelled",
  "compensate",
  "progress",
  "counters.add",
  "state.set",
]);

/** Kinds that are answered at the yield, and leave an entry. */
const answered: ReadonlySet<string> = new Set([
  "now",
  "random",
  "uuid",
  "counters.get",
  "state.get",
]);

/** Whether an effect takes no number. */
export function hasNoPath({ kind }: { readonly kind: string }): boolean {
  return withoutPath.has(kind);
}

/** Whether it neither does nor awaits anything. */
export function isPassive({ kind }: { readonly kind: string }): boolean {
  return withoutPath.has(kind) || answered.has(kind);
}

/** The kind of its entry: a call of a workflow is a child. */
export function entryKind(effect: AnyEffect): EntryKind {
  return effect.kind === "call" && effect.fn.kind === "workflow"
    ? "child"
    : (effect.kind as EntryKind);
}

export function nameOf(effect: AnyEffect): string | undefined {
  return "name" in effect ? effect.name : undefined;
}

/** Whether it is for the host to answer. */
export function waitsForHost(effect: AnyEffect): boolean {
  switch (effect.kind) {
    case "call":
    case "map":
    case "sleep":
    case "sleepUntil":
    case "signal":
    case "sendSignal":
    case "run":
    case "transaction":
    case "dispatch":
      return true;
    default:
      return false;
  }
}

/** What it carries that has to be stored. */
export function carried(effect: AnyEffect): unknown {
  switch (effect.kind) {
    case "call":
    case "dispatch":
      return effect.args;
    case "map":
      return effect.items;
    case "sendSignal":
      return effect.payload;
    default:
      return undefined;
  }
}

/** When it ends by itself. */
export function dueTime(effect: AnyEffect, clock: { now(): number }): number | undefined {
  switch (effect.kind) {
    case "sleep":
    case "within":
      return clock.now() + effect.duration;
    case "sleepUntil":
      return effect.at;
    case "signal":
      return effect.timeout === undefined ? undefined : clock.now() + effect.timeout;
    case "call":
      return callDeadline(effect, clock);
    default:
      return undefined;
  }
}

function callDeadline(effect: CallEffect, clock: { now(): number }): number | undefined {
  const total = totalTimeoutOf(effect.fn, effect.options);
  return total === undefined ? undefined : clock.now() + total;
}

/** How it ends by itself. */
export function ownEnd(effect: AnyEffect): Outcome {
  switch (effect.kind) {
    case "signal":
      return {
        ok: false,
        error: new ExpiryError(
          "WAIT_EXPIRED",
          `no signal "${effect.name}" came within its timeout of ${effect.timeout} ms`,
        ),
      };
    case "call":
      return { ok: false, error: outOfTime(effect.name) };
    default:
      return { ok: true, value: undefined };
  }
}
