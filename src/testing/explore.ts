import type { HistoryEntry } from "../client/history.ts";
import type { Workflow } from "../core/durable.ts";
import { signalName, type SignalDefinition } from "../core/effects/signal.ts";
import { asError } from "../core/entry-outcome.ts";
import { knownOptions, show } from "../core/option.ts";
import type { Answer } from "./exploration/decision.ts";
import { ExploredPath, type Explored, type TakenPath } from "./exploration/explored-path.ts";
import { ObservedGraph } from "./exploration/observed-graph.ts";
import { formatHistory } from "./format-history.ts";
import { listOption } from "./kit-option.ts";
import type { Mock } from "./mock.ts";
import { valueOf } from "./simulation/entry-codec.ts";
import { World } from "./simulation/world.ts";
import type { Simulation } from "./simulate.ts";
import { testedWorkflow } from "./tested-workflow.ts";

/** One path: how it ended, what was wanted on it, and what was called. */
export interface PathOutcome<R> {
  readonly outcome: Simulation<R>["outcome"];
  readonly history: readonly HistoryEntry[];
  readonly calls: readonly {
    readonly name: string;
    readonly args: readonly unknown[];
    readonly ok: boolean;
  }[];
}

/** What is tried, and what has to hold. */
export interface ExploreOptions<R> {
  /** Stand-ins by reference; what has none runs for real, on every path anew. */
  mocks?: readonly Mock[];
  /** Payloads by signal name, in order; what has none is answered with undefined. */
  // oxlint-disable-next-line typescript/no-explicit-any -- of any type
  signals?: readonly { name: string | SignalDefinition<any, any>; payload: unknown }[];
  /**
   * Answers tried: the normal one everywhere; a failure where one can come (call, map, child, run, transaction, a signal's timeout);
   * cancellation where the workflow waits. Default all three.
   */
  answers?: readonly Answer[];
  /** Called at the end of every path, and waited for; throw to report that path. */
  check: (path: PathOutcome<R>) => unknown;
  /** Default 10,000. Hitting it is reported as `truncated`. */
  maxPaths?: number;
}

/** What was explored. */
export interface Exploration {
  readonly paths: number;
  /** There are more paths, or one had no end. */
  readonly truncated: boolean;
  /** What followed what on the paths that were taken, as mermaid text. */
  readonly graph: string;
}

/**
 * Tries every combination of answers, those with the fewest failures first: "on every path, what was reserved is released".
 * @throws Error with the shortest failing path, and what `check` threw as its cause; TypeError or RangeError for a wrong option
 */
export async function explore<A extends readonly unknown[], R>(
  workflow: Workflow<A, R>,
  args: NoInfer<A>,
  options: ExploreOptions<R>,
): Promise<Exploration> {
  const { mocks, maxPaths, check } = settingOf(options);
  const explored = exploredOf(workflow, args, options);
  const waiting: (readonly number[])[] = [[]];
  let paths = 0;
  let truncated = false;
  let shortest: FailingPath | undefined;
  for (let prefix = waiting.shift(); prefix !== undefined; prefix = waiting.shift()) {
    const world = new World({ mocks, startAt: undefined, seed: 0, crash: 0, duplicate: 0 });
    const taken = await new ExploredPath(explored, world, prefix).take();
    paths += 1;
    if (taken.outcome === undefined) truncated = true;
    else shortest = shorter(shortest, await failureOf(check, taken, paths));
    for (const next of branchesOff(taken, prefix)) {
      if (paths + waiting.length < maxPaths) waiting.push(next);
      else truncated = true;
    }
  }
  if (shortest !== undefined) throw reported(workflow.functionName, shortest, { paths, truncated });
  return { paths, truncated, graph: String(explored.graph) };
}

interface FailingPath {
  readonly taken: TakenPath;
  readonly number: number;
  readonly error: unknown;
}

/** The same path with another decision at one place, and the normal ones after it. */
function* branchesOff({ decisions }: TakenPath, prefix: readonly number[]): Generator<number[]> {
  for (let at = prefix.length; at < decisions.length; at += 1) {
    const before = decisions.slice(0, at).map(({ index }) => index);
    for (let index = 1; index < (decisions[at]?.of ?? 0); index += 1) yield [...before, index];
  }
}

async function failureOf<R>(
  check: ExploreOptions<R>["check"],
  taken: TakenPath,
  number: number,
): Promise<FailingPath | undefined> {
  const { outcome, history, calls } = taken;
  try {
    const ended: Simulation<R>["outcome"] =
      outcome?.ok === true
        ? { ok: true, value: valueOf<R>(outcome.value) }
        : { ok: false, error: asError(outcome?.error) };
    await check({ outcome: ended, history, calls });
    return undefined;
  } catch (error) {
    return { taken, number, error };
  }
}

function shorter(a: FailingPath | undefined, b: FailingPath | undefined): FailingPath | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.taken.decisions.length < a.taken.decisions.length ? b : a;
}

function reported(
  name: string,
  { taken, number, error }: FailingPath,
  { paths, truncated }: { readonly paths: number; readonly truncated: boolean },
): Error {
  const { told, outcome, history } = taken;
  const of = `${paths}${truncated ? " (there are more)" : ""}`;
  const end = outcome?.ok === true ? "it completed" : `it ended with ${String(outcome?.error)}`;
  return new Error(
    `a path of workflow "${name}" fails (number ${number} of ${of}, the shortest that does): ${asError(error).message}\n\n` +
      `${told.length === 0 ? "every answer was the normal one" : `not the normal answers:\n${told.join("\n")}`}\n\n` +
      `its history:\n${formatHistory(history)}${end}`,
    { cause: error },
  );
}

function exploredOf<A extends readonly unknown[], R>(
  workflow: Workflow<A, R>,
  args: A,
  { signals = [], answers = allAnswers }: ExploreOptions<R>,
): Explored {
  const byName = new Map<string, unknown[]>();
  for (const signal of listOption("signals", signals)) {
    // Those of a simulation do too: what comes, comes when it is waited for.
    knownOptions("a signal of explore", signal, ["at", "name", "payload"]);
    const name = signalName(signal.name);
    byName.set(name, [...(byName.get(name) ?? []), signal.payload]);
  }
  return {
    ...testedWorkflow("explore", workflow, args),
    signals: byName,
    allowed: new Set(answers),
    graph: new ObservedGraph(),
  };
}

const known = ["mocks", "signals", "answers", "check", "maxPaths"];
const allAnswers: readonly Answer[] = ["ok", "fail", "cancel"];

function settingOf<R>(options: ExploreOptions<R>): {
  readonly mocks: readonly Mock[] | undefined;
  readonly maxPaths: number;
  readonly check: ExploreOptions<R>["check"];
} {
  knownOptions("explore", options, known);
  const { mocks, maxPaths = 10_000, check, answers = allAnswers } = options;
  if (typeof check !== "function")
    throw new TypeError("explore needs a check: a function of each path");
  if (!Number.isSafeInteger(maxPaths) || maxPaths < 1)
    throw new RangeError(`maxPaths must be a whole number from 1, got ${show(maxPaths)}`);
  if (!Array.isArray(answers) || answers.length === 0)
    throw new TypeError(`answers must be a list of some, got ${show(answers)}`);
  for (const answer of answers) {
    if (!allAnswers.includes(answer))
      throw new TypeError(`answers are "ok", "fail" and "cancel", got ${show(answer)}`);
  }
  return { mocks, maxPaths, check };
}
