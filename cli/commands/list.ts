import type { ExecutionFilter, ExecutionStatus, ExecutionSummary, Stent } from "stentjs";
import type { Body } from "../body.ts";
import { withStent, type GlobalArguments } from "../database.ts";
import { toJson } from "../json.ts";
import { table } from "../table.ts";
import { spanText, timeText } from "../time.ts";
import { UsageError } from "../usage-error.ts";

type Output = "table" | "json" | "jsonl" | "ids";

interface Arguments extends GlobalArguments {
  readonly output: Output | undefined;
  readonly state: readonly string[] | undefined;
  readonly workflow: string | undefined;
  readonly queue: string | undefined;
  readonly tag: string | undefined;
  readonly parent: string | undefined;
  readonly error: string | undefined;
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly all: boolean | undefined;
}

const pageSize = 500;

/** `stent list`: executions, newest first. */
export const list: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .option("state", {
        alias: "s",
        type: "string",
        array: true,
        requiresArg: true,
        coerce: states,
        describe: "Only in these states; commas separate several",
      })
      .option("workflow", {
        alias: "w",
        type: "string",
        requiresArg: true,
        describe: "Only of this function",
      })
      .option("queue", {
        type: "string",
        requiresArg: true,
        describe: "Only of this queue; default names the unqueued",
      })
      .option("tag", { type: "string", requiresArg: true, describe: "Only with this tag" })
      .option("parent", {
        type: "string",
        requiresArg: true,
        describe: "Only children of this execution",
      })
      .option("error", {
        type: "string",
        requiresArg: true,
        describe: "Only those whose error contains this",
      })
      .option("since", {
        type: "string",
        requiresArg: true,
        describe: "Created then or later: an ISO time, or a duration ago (2h)",
      })
      .option("until", { type: "string", requiresArg: true, describe: "Created then or before" })
      .option("limit", {
        alias: "n",
        type: "string",
        requiresArg: true,
        default: "20",
        coerce: limitOf,
        describe: "How many",
      })
      .option("cursor", {
        type: "string",
        requiresArg: true,
        conflicts: "all",
        describe: "Where the page before ended",
      })
      .option("all", { type: "boolean", describe: "All of them" })
      .option("output", {
        alias: "o",
        choices: ["table", "json", "jsonl", "ids"] as const,
        describe: "How they are printed",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const output = given.output ?? (given.json === true ? "json" : "table");
      const { items, nextCursor } = await read(stent, given, await filterOf(given));
      process.stdout.write(printed(output, items, nextCursor));
      if (nextCursor !== undefined && output !== "json")
        process.stderr.write(`more: --cursor ${nextCursor}\n`);
    }),
};

async function read(
  stent: Stent,
  { all, limit, cursor }: Arguments,
  filter: ExecutionFilter,
): Promise<{ items: readonly ExecutionSummary[]; nextCursor: string | undefined }> {
  if (all !== true)
    return stent.listExecutions({ ...filter, limit, ...(cursor === undefined ? {} : { cursor }) });
  const items: ExecutionSummary[] = [];
  let next: string | undefined;
  do {
    const page = await stent.listExecutions({
      ...filter,
      limit: pageSize,
      ...(next === undefined ? {} : { cursor: next }),
    });
    items.push(...page.items);
    next = page.nextCursor;
  } while (next !== undefined);
  return { items, nextCursor: undefined };
}

function printed(
  output: Output,
  items: readonly ExecutionSummary[],
  nextCursor: string | undefined,
): string {
  switch (output) {
    case "json":
      return `${toJson({ items, nextCursor: nextCursor ?? null })}\n`;
    case "jsonl":
      return items.map((item) => `${toJson(item)}\n`).join("");
    case "ids":
      return items.map(({ id }) => `${id}\n`).join("");
    case "table":
      return `${table(["ID", "WORKFLOW", "STATE", "CREATED", "TOOK"], items.map(row))}\n`;
    default:
      return output satisfies never;
  }
}

function row({
  id,
  workflow,
  state,
  createdAt,
  startedAt,
  completedAt,
}: ExecutionSummary): string[] {
  return [id, workflow, state, timeText(createdAt), spanText(startedAt, completedAt)];
}

async function filterOf(given: Arguments): Promise<ExecutionFilter> {
  const { parseDuration } = await import("stentjs");
  const time = (text: string): Date => {
    const at = /^\d{4}-/.test(text) ? Date.parse(text) : Date.now() - parseDuration(text);
    if (Number.isNaN(at))
      throw new UsageError(
        `no time: "${text}"; write 2026-11-21T09:00:00Z, or 2h for two hours ago`,
      );
    return new Date(at);
  };
  const { workflow, queue, tag, parent, error, since, until, state } = given;
  const named = { workflow, queue, tag, parent, error };
  return {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(state === undefined ? {} : { state: state as readonly ExecutionStatus[] }),
    ...(since === undefined ? {} : { since: time(since) }),
    ...(until === undefined ? {} : { until: time(until) }),
  };
}

function states(given: readonly string[]): string[] {
  return given.flatMap((text) => text.split(",")).filter((text) => text !== "");
}

function limitOf(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new UsageError(`--limit takes a whole number from 1, got "${text}"`);
}
