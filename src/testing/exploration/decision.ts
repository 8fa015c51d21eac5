import type { Coroutine } from "../../core/interpreter/coroutine.ts";
import type { Leaf } from "../../core/interpreter/leaf.ts";

/** What an effect may be answered with. */
export type Answer = "ok" | "fail" | "cancel";

/** One thing that may happen next. */
export interface Choice {
  readonly leaf: Leaf;
  readonly answer: Answer;
}

/** Paths of the composites in which the first branch to end decides. */
export type Contests = ReadonlySet<string>;

/**
 * What may happen next, the normal thing first. Effects are answered in the order in which they were reached; where branches race each
 * other, or a deadline, each of them may be the first.
 */
export function choices(
  coroutine: Coroutine,
  contests: Contests,
  allowed: ReadonlySet<Answer>,
): readonly Choice[] {
  const pending = [...coroutine.pending()];
  const first = pending.find((leaf) => leaf.kind !== "within") ?? pending[0];
  if (first === undefined) return [];
  const rivals = rivalsOf(first, pending, contests);
  const answers = (leaf: Leaf): Choice[] =>
    endings(leaf)
      .filter((answer) => answer === "ok" || leaf.late || allowed.has(answer))
      .map((answer) => ({ leaf, answer }));
  const open = coroutine.closingReason === undefined && allowed.has("cancel");
  const cancel: Choice[] = open && mayWait(first) ? [{ leaf: first, answer: "cancel" }] : [];
  return [...answers(first), ...cancel, ...rivals.flatMap(answers)];
}

/** How an effect may end. One that has been told to stop ends with nothing, or has done all the same what it was to do. */
function endings({ effect, late }: Leaf): readonly Answer[] {
  if (late) return ["fail", "ok"];
  switch (effect.kind) {
    case "call":
    case "map":
    case "run":
    case "transaction":
      return ["ok", "fail"];
    case "signal":
      return effect.timeout === undefined ? ["ok"] : ["ok", "fail"];
    default:
      return ["ok"];
  }
}

/** What is committed with the step that asks for it is over at once. */
function mayWait({ effect }: Leaf): boolean {
  return effect.kind !== "sendSignal" && effect.kind !== "dispatch";
}

/** Of every branch that stands against this one, what would happen first there. */
function rivalsOf(leaf: Leaf, pending: readonly Leaf[], contests: Contests): readonly Leaf[] {
  const rivals = new Map<string, Leaf>();
  for (const contest of contests) {
    const own = branchIn(contest, leaf.path);
    if (own === undefined) continue;
    for (const other of pending) {
      const branch = other.path === contest ? other.path : branchIn(contest, other.path);
      if (branch !== undefined && branch !== own && !rivals.has(branch)) rivals.set(branch, other);
    }
  }
  return [...rivals.values()];
}

/** In which branch of it a path stands: "2.1" for the path 2.1.3 in 2; undefined if it stands elsewhere. */
function branchIn(composite: string, path: string): string | undefined {
  if (!path.startsWith(`${composite}.`)) return undefined;
  const [number = ""] = path.slice(composite.length + 1).split(".");
  return `${composite}.${number}`;
}
