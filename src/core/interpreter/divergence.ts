import { NonDeterminismError } from "../errors.ts";
import type { Entry } from "../journal.ts";

/** What of an effect names it. */
interface Yielded {
  readonly kind: string;
  readonly name?: unknown;
}

/** What the journal has at a path, as messages show it. */
function recordedEffect(entry: Entry): object {
  return {
    kind: entry.kind === "child" ? "call" : entry.kind,
    ...(entry.name === undefined ? {} : { name: entry.name }),
    path: entry.path,
  };
}

/** What the workflow yielded there today. */
function yieldedEffect(effect: Yielded, path: string): object {
  return {
    kind: effect.kind,
    ...(typeof effect.name === "string" ? { name: effect.name } : {}),
    path,
  };
}

const nothing = (path: string): object => ({ kind: "nothing", path });

/** The workflow yields at a path what the journal does not have there. `below`: where it has none, one that it has in a branch below. */
export function unexpected(
  effect: Yielded,
  path: string,
  recorded: Entry | undefined,
  below?: Entry,
): NonDeterminismError {
  if (recorded !== undefined) {
    return new NonDeterminismError({
      path,
      recorded: recordedEffect(recorded),
      yielded: yieldedEffect(effect, path),
    });
  }
  const branches =
    below === undefined ? nothing(path) : { kind: "branches", path, first: recordedEffect(below) };
  return new NonDeterminismError({
    path,
    recorded: branches,
    yielded: yieldedEffect(effect, path),
  });
}

/** The journal has an entry that the workflow never came to, or did not wait for when its outcome came. */
export function missing(recorded: Entry): NonDeterminismError {
  return new NonDeterminismError({
    path: recorded.path,
    recorded: recordedEffect(recorded),
    yielded: nothing(recorded.path),
  });
}

/** The workflow comes to the same effect as before, but earlier or later than something else. */
export function reordered(effect: Yielded, recorded: Entry, number: number): NonDeterminismError {
  const told = `${effect.kind}${typeof effect.name === "string" ? ` "${effect.name}"` : ""} at path ${recorded.path}`;
  return new NonDeterminismError({
    path: recorded.path,
    recorded: { ...recordedEffect(recorded), delivery: recorded.delivery },
    yielded: { ...yieldedEffect(effect, recorded.path), delivery: number },
    message:
      `the workflow is not deterministic: its journal holds ${told} as number ${recorded.delivery} in the order of what the workflow ` +
      `was given, but the code now comes to it as number ${number}. The execution is blocked, nothing is lost. Put the code back, ` +
      `guard the change with patched(), or register it under a new version.`,
  });
}

/** The same effect as before, but it carries something else. */
export function otherInput(effect: Yielded, recorded: Entry): NonDeterminismError {
  const told = `${effect.kind}${typeof effect.name === "string" ? ` "${effect.name}"` : ""}`;
  return new NonDeterminismError({
    path: recorded.path,
    recorded: { ...recordedEffect(recorded), args: recorded.input },
    yielded: {
      ...yieldedEffect(effect, recorded.path),
      ...("args" in effect ? { args: effect.args } : {}),
    },
    message:
      `the workflow is not deterministic: at path ${recorded.path} its journal holds ${told} with other arguments than those that the ` +
      `code now gives it. Does something it is computed from change between runs (a time, a random number, a setting)?`,
  });
}
