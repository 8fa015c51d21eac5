import type { HistoryEntry } from "../client/history.ts";
import type { Workflow } from "../core/durable.ts";
import { NonDeterminismError } from "../core/errors.ts";
import { HistoryReplay } from "./replaying/history-replay.ts";
import { assertHistory, testedWorkflow } from "./tested-workflow.ts";

/** Whether today's code accepts a history; if not, the first place at which it wants something else. */
export type Replay =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly path: string;
      readonly recorded: object;
      readonly yielded: object;
    };

/**
 * Does today's code still accept yesterday's journal? The history of one execution, of one run or of several, is answered to the workflow
 * in the order of its delivery numbers; each effect is compared with the entry at its path, its arguments included. Nothing is run.
 * @throws ValidationError for the arguments; TypeError
 */
export function replay<A extends readonly unknown[], R>(
  workflow: Workflow<A, R>,
  args: NoInfer<A>,
  history: Iterable<HistoryEntry>,
): Replay {
  const { fn, args: first } = testedWorkflow("replay", workflow, args);
  assertHistory("replay", history);
  let next = first;
  for (const entries of runsOf(history)) {
    const difference = replayRun(fn, next, entries);
    if (difference !== undefined) return difference;
    const handedOn = entries.find(({ effect }) => effect.kind === "continueAsNew")?.effect.args;
    if (Array.isArray(handedOn)) next = handedOn;
  }
  return { ok: true };
}

/** A history does not say which changes a run had: it is accepted if there is an answer under which it fits, today's first. */
function replayRun(
  fn: Workflow<unknown[], unknown>,
  args: readonly unknown[],
  entries: readonly HistoryEntry[],
): Replay | undefined {
  const asked = new Set<string>();
  const attempt = (without: ReadonlySet<string>): Replay | undefined => {
    const patched = (id: string): boolean => {
      asked.add(id);
      return !without.has(id);
    };
    return difference(() => new HistoryReplay(fn, args, entries, patched).run());
  };
  const first = attempt(new Set());
  if (first === undefined) return undefined;
  for (const without of subsets([...asked].slice(0, maxPatches)))
    if (without.size > 0 && attempt(without) === undefined) return undefined;
  return first;
}

/** Of so many changes every combination is tried. */
const maxPatches = 8;

function difference(run: () => void): Replay | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof NonDeterminismError)) throw error;
    const { path, recorded, yielded } = error;
    return { ok: false, path, recorded, yielded };
  }
}

function* subsets(ids: readonly string[]): Generator<ReadonlySet<string>> {
  for (let mask = 0; mask < 2 ** ids.length; mask += 1)
    yield new Set(ids.filter((_, index) => Math.floor(mask / 2 ** index) % 2 === 1));
}

function runsOf(history: Iterable<HistoryEntry>): readonly (readonly HistoryEntry[])[] {
  const runs = new Map<number, HistoryEntry[]>();
  for (const entry of history) runs.set(entry.run, [...(runs.get(entry.run) ?? []), entry]);
  return [...runs].toSorted(([a], [b]) => a - b).map(([, entries]) => entries);
}
