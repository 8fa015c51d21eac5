import type { ExecutionState, ProgressEntry, WaitReason } from "stentjs";
import type { Body } from "../body.ts";
import { withStent, type GlobalArguments } from "../database.ts";
import { idText, onExecution } from "../executions.ts";
import { toJson } from "../json.ts";
import { printable } from "../printable.ts";
import { table } from "../table.ts";
import { spanText, timeText } from "../time.ts";
import { reasonText } from "../wait-reason.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
}

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
      process.stdout.write(given.json === true ? `${toJson(state)}\n` : text(state));
    }),
};

function text(state: ExecutionState): string {
  const { progress, progressTotal, waitingFor, counters, customState } = state;
  const left = progressTotal - progress.length;
  const parts = [
    facts(state),
    section(
      left > 0 ? `steps (the newest ${progress.length} of ${progressTotal})` : "steps",
      steps(progress),
    ),
    section(
      "waits for",
      waitingFor.map((reason: WaitReason) => printable(reasonText(reason))).join("\n"),
    ),
    section("counters", named(counters)),
    section("state", named(customState)),
    section("result", result(state)),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function facts(state: ExecutionState): string {
  const {
    id,
    workflow,
    version,
    createdAt,
    startedAt,
    completedAt,
    queue,
    priority,
    tags,
    parentId,
    retries,
  } = state;
  const rows = [
    ["id", id],
    ["workflow", version === undefined ? workflow : `${workflow} (version ${version})`],
    ["state", state.state],
    ["created", timeText(createdAt)],
    ["started", timeText(startedAt)],
    [
      "ended",
      completedAt === undefined
        ? "-"
        : `${timeText(completedAt)}, took ${spanText(startedAt, completedAt)}`,
    ],
    ...(queue === undefined ? [] : [["queue", queue]]),
    ...(priority === 0 ? [] : [["priority", String(priority)]]),
    ...(tags.length === 0 ? [] : [["tags", tags.join(", ")]]),
    ...(parentId === undefined ? [] : [["parent", parentId]]),
    ...(retries === 0 ? [] : [["retries", String(retries)]]),
  ];
  return rows.map(([name = "", value = ""]) => `${name.padEnd(10)}${printable(value)}`).join("\n");
}

function steps(progress: readonly ProgressEntry[]): string {
  if (progress.length === 0) return "";
  return table(
    ["STEP", "STATUS", "TOOK", "DETAIL"],
    progress.map(({ step, status, startedAt, completedAt, detail }) => [
      step,
      status,
      spanText(startedAt, completedAt),
      detail ?? "",
    ]),
  );
}

function named(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${printable(name)} = ${printable(toJson(value))}`)
    .join("\n");
}

function result({ result }: ExecutionState): string {
  if (result === undefined) return "";
  return result.ok
    ? printable(toJson(result.value))
    : printable(`${result.error.name}: ${result.error.message}`);
}

function section(title: string, body: string): string {
  return body === "" ? "" : `${title}\n${body.replaceAll(/^/gm, "  ")}`;
}
