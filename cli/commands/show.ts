import type {
  ExecutionState,
  HistoryEntry,
  ProgressEntry,
  Stent,
  TaskRecord,
  WaitReason,
} from "stentjs";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { idText, onExecution } from "../executions.ts";
import { facts } from "../facts.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { toJson } from "../json.ts";
import { printOne } from "../output.ts";
import { paintOf, type Paint } from "../paint.ts";
import { printable, shortened } from "../printable.ts";
import { table } from "../table.ts";
import { spanText, timeTextOf, type TimeText } from "../time.ts";
import { timeline } from "../timeline.ts";
import { reasonText } from "../wait-reason.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
}

/** A run with more steps than this is shown by its newest. */
const mostInTree = 200;

/** `stent show`: one execution as it stands. */
export const show: Body<Arguments> = {
  builder: (yargs) =>
    yargs.positional("id", {
      type: "string",
      demandOption: true,
      describe: idText,
    }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const state = await onExecution(stent, given.id, (id) => stent.stateOf(id));
      const run = await runOf(stent, state);
      printOne(given, state, {
        id: state.id,
        text: () => text(state, run, { time: timeTextOf(given), paint: paintOf(given) }),
      });
    }),
};

/** What of a run is shown as a tree. */
interface Run {
  readonly entries: readonly HistoryEntry[];
  readonly tasks: readonly TaskRecord[];
}

async function runOf(stent: Stent, state: ExecutionState): Promise<Run | undefined> {
  if (state.progressTotal > mostInTree) return undefined;
  const entries: HistoryEntry[] = [];
  try {
    for await (const entry of stent.history(state.id)) entries.push(entry);
    const { items } = await stent.listTasks({ execution: state.id, limit: mostInTree });
    return entries.length === 0 ? undefined : { entries, tasks: items };
  } catch (error) {
    const { SerializationError } = await import("stentjs");
    if (error instanceof SerializationError) return undefined; // the newest steps tell what can be told
    throw error;
  }
}

/** How it is told. */
interface Telling {
  readonly time: TimeText;
  readonly paint: Paint;
}

function text(state: ExecutionState, run: Run | undefined, telling: Telling): string {
  const { progress, progressTotal, waitingFor, counters, customState } = state;
  const left = progressTotal - progress.length;
  const parts = [
    factsOf(state, telling.time),
    run === undefined
      ? section(
          left > 0 ? `steps (the newest ${progress.length} of ${progressTotal})` : "steps",
          steps(progress, telling.paint),
        )
      : section("steps", tree(run, telling.paint)),
    section(
      "waits for",
      waitingFor
        .map((reason: WaitReason) => printable(reasonText(reason, telling.time)))
        .join("\n"),
    ),
    section("counters", named(counters)),
    section("state", named(customState)),
    section("result", result(state)),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function factsOf(state: ExecutionState, time: TimeText): string {
  const { id, workflow, version, startedAt, completedAt, queue, priority, tags, retries } = state;
  return facts({
    id,
    workflow: version === undefined ? workflow : `${workflow} (version ${version})`,
    state: state.state,
    created: time(state.createdAt),
    started: time(startedAt),
    ended:
      completedAt === undefined
        ? "-"
        : `${time(completedAt)}, took ${spanText(startedAt, completedAt)}`,
    queue,
    priority: priority === 0 ? undefined : String(priority),
    tags: tags.length === 0 ? undefined : tags.join(", "),
    parent: state.parentId,
    retries: retries === 0 ? undefined : String(retries),
  });
}

function tree({ entries, tasks }: Run, paint: Paint): string {
  const rows = timeline(entries, tasks, Date.now());
  return table(
    ["STEP", "STATUS", "TOOK", "WHEN", "DETAIL"],
    rows.map(({ depth, name, status, took, bar, detail }) => [
      `${"  ".repeat(depth)}${name}`,
      status,
      took,
      bar,
      shortened(detail),
    ]),
    paint,
  );
}

function steps(progress: readonly ProgressEntry[], paint: Paint): string {
  if (progress.length === 0) return "";
  return table(
    ["STEP", "STATUS", "TOOK", "DETAIL"],
    progress.map(({ step, status, startedAt, completedAt, detail }) => [
      step,
      status,
      spanText(startedAt, completedAt),
      detail ?? "",
    ]),
    paint,
  );
}

function named(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${printable(name)} = ${printable(shortened(toJson(value)))}`)
    .join("\n");
}

function result({ result }: ExecutionState): string {
  if (result === undefined) return "";
  return result.ok
    ? printable(shortened(toJson(result.value)))
    : printable(shortened(`${result.error.name}: ${result.error.message}`));
}

function section(title: string, body: string): string {
  return body === "" ? "" : `${title}\n${body.replaceAll(/^/gm, "  ")}`;
}
