import type { ExecutionFilter, ExecutionSummary, Stent } from "stentjs";
import type { Body } from "../body.ts";
import { countOption } from "../count-option.ts";
import { withStent } from "../database.ts";
import { filterOf, filterOptions, type FilterArguments } from "../filters.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printList } from "../output.ts";
import { spanText, timeTextOf } from "../time.ts";

interface Arguments extends GlobalArguments, FilterArguments {
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
  readonly all: boolean | undefined;
}

const pageSize = 500;
const defaultLimit = 20;

/** `stent list`: executions, newest first. */
export const list: Body<Arguments> = {
  builder: (yargs) =>
    filterOptions(yargs)
      .option("limit", {
        alias: "n",
        type: "string",
        requiresArg: true,
        coerce: countOption("limit"),
        describe: `How many [${defaultLimit}]`,
      })
      .option("cursor", {
        type: "string",
        requiresArg: true,
        conflicts: "all",
        describe: "Where the page before ended",
      })
      .option("all", { type: "boolean", describe: "All of them" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const time = timeTextOf(given);
      printList<ExecutionSummary>(given, await read(stent, given, await filterOf(given)), {
        head: ["ID", "WORKFLOW", "STATE", "CREATED", "TOOK"],
        row: ({ id, workflow, state, createdAt, startedAt, completedAt }) => [
          id,
          workflow,
          state,
          time(createdAt),
          spanText(startedAt, completedAt),
        ],
        id: ({ id }) => id,
      });
    }),
};

async function read(
  stent: Stent,
  { all, limit = defaultLimit, cursor }: Arguments,
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
