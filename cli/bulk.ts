import type { Argv } from "yargs";
import type { ExecutionFilter, ExecutionStatus, Stent } from "stentjs";
import { confirm } from "./confirmation.ts";
import { actOnEach, idsOf, idsText, type Asked } from "./executions.ts";
import { filterOf, filterOptions, hasFilter, type FilterArguments } from "./filters.ts";
import { outputOf, type GlobalArguments } from "./global-arguments.ts";
import { toJson } from "./json.ts";
import { UsageError } from "./usage-error.ts";

/** Acts on executions that are named, or that a filter finds. */
export interface BulkArguments extends GlobalArguments, FilterArguments {
  readonly ids: readonly string[] | undefined;
  readonly all: boolean | undefined;
  readonly "dry-run": boolean | undefined;
}

/** Declares what such an act is told. */
export function bulkOptions(yargs: Argv<GlobalArguments>): Argv<BulkArguments> {
  return filterOptions(yargs)
    .positional("ids", { type: "string", array: true, describe: idsText })
    .option("all", { type: "boolean", describe: "All that it can be done to" })
    .option("dry-run", { type: "boolean", describe: "Say how many it would be, and do nothing" });
}

/** What is done, and to what where nothing says it. */
export interface BulkAct {
  readonly verb: "cancel" | "retry";
  readonly states: readonly ExecutionStatus[];
  readonly act: (id: string) => Promise<void>;
}

/** Does it to those that are meant; where those were not named one by one, only after asking. @throws UsageError */
export async function actInBulk(
  stent: Stent,
  given: BulkArguments,
  { verb, states, act }: BulkAct,
): Promise<void> {
  const ids = given.ids ?? [];
  const filtered = hasFilter(given) || given.all === true;
  if (ids.length > 0 && filtered) throw new UsageError("name executions or a filter, not both");
  if (ids.length === 0 && !filtered)
    throw new UsageError(`name executions, or a filter, or --all, to ${verb}`);
  if (ids.length > 0) return actOnNamed(stent, given, await idsOf(ids), act);
  const filter = {
    ...(await filterOf(given)),
    ...(given.state === undefined ? { state: states } : {}),
  };
  const { matched } = await stent.bulk(verb, filter, { dryRun: true });
  if (given["dry-run"] === true) return tellCount(given, matched);
  if (matched === 0) return;
  const { items } = await stent.listExecutions({ ...filter, limit: 5 });
  const rows = items.map(({ id, workflow, state }) => `${id}  ${workflow}  ${state}`);
  const what = `${matched} execution${matched === 1 ? "" : "s"}`;
  await confirm(given, { question: `${verb} ${what}?`, rows, count: matched });
  return actOnEach(stent, await matching(stent, filter), given, act);
}

async function actOnNamed(
  stent: Stent,
  given: BulkArguments,
  asked: readonly Asked[],
  act: (id: string) => Promise<void>,
): Promise<void> {
  if (given["dry-run"] === true) {
    const looked = async (id: string): Promise<void> => void (await stent.stateOf(id));
    return actOnEach(stent, asked, given, looked);
  }
  return actOnEach(stent, asked, given, act);
}

function tellCount(given: GlobalArguments, matched: number): void {
  const json = outputOf(given) === "json" || outputOf(given) === "jsonl";
  process.stdout.write(json ? `${toJson({ matched })}\n` : `${matched}\n`);
}

const pageSize = 500;

/** Read before the first is acted on: what is done changes what a filter finds. */
async function matching(stent: Stent, filter: ExecutionFilter): Promise<Asked[]> {
  const found: Asked[] = [];
  let cursor: string | undefined;
  do {
    const page = await stent.listExecutions({
      ...filter,
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(...page.items.map(({ id }) => ({ id, whole: true })));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found;
}
