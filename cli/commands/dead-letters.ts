import type { DeadLetter, Stent } from "stentjs";
import type { Body } from "../body.ts";
import { confirm } from "../confirmation.ts";
import { countOption } from "../count-option.ts";
import { withStent } from "../database.ts";
import { idsOf } from "../executions.ts";
import { facts } from "../facts.ts";
import { exitCodes, NotFoundError, report } from "../failure.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { toJson } from "../json.ts";
import { printList, printOne } from "../output.ts";
import { printable } from "../printable.ts";
import { timeTextOf } from "../time.ts";
import { UsageError } from "../usage-error.ts";
import { taskFacts } from "./tasks-show.ts";

interface ListArguments extends GlobalArguments {
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
}

/** `stent dlq list`: what has used up its attempts. */
export const dlqList: Body<ListArguments> = {
  builder: (yargs) =>
    yargs
      .option("limit", {
        alias: "n",
        type: "string",
        requiresArg: true,
        coerce: countOption("limit"),
        describe: "How many [50]",
      })
      .option("cursor", {
        type: "string",
        requiresArg: true,
        describe: "Where the page before ended",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { limit, cursor } = given;
      const time = timeTextOf(given);
      const page = await stent.listDeadLetters({
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      printList(given, page, {
        head: ["TASK", "NAME", "ATTEMPTS", "MOVED", "REASON"],
        row: ({ task, movedAt, reason }) => [
          task.id,
          task.name,
          String(task.attempt),
          time(movedAt),
          reason,
        ],
        id: ({ task }) => task.id,
      });
    }),
};

interface ShowArguments extends GlobalArguments {
  readonly task: string;
}

/** `stent dlq show`: one of them. */
export const dlqShow: Body<ShowArguments> = {
  builder: (yargs) =>
    yargs.positional("task", { type: "string", demandOption: true, describe: "The task's id" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const letter = await stent.getDeadLetter(given.task);
      if (letter === undefined) throw new NotFoundError(`no dead letter of a task "${given.task}"`);
      const time = timeTextOf(given);
      const { reason, movedAt, task } = letter;
      printOne(given, letter, {
        id: task.id,
        text: () => `${facts({ ...taskFacts(task, time), moved: time(movedAt), reason })}\n`,
      });
    }),
};

interface ActArguments extends GlobalArguments {
  readonly ids: readonly string[] | undefined;
  readonly all: boolean | undefined;
  readonly workflow: string | undefined;
  readonly "dry-run": boolean | undefined;
}

interface ReplayArguments extends ActArguments {
  readonly queue: string | undefined;
  readonly "keep-retries": boolean | undefined;
}

const which = {
  ids: { type: "string", array: true, describe: "Ids of tasks, or - for ids on stdin" },
  all: { type: "boolean", describe: "All of them" },
  workflow: { alias: "w", type: "string", requiresArg: true, describe: "Only of this function" },
  dryRun: { type: "boolean", describe: "Say how many it would be, and do nothing" },
} as const;

/** `stent dlq replay`: lets their executions go on from the step that was given up. */
export const dlqReplay: Body<ReplayArguments> = {
  builder: (yargs) =>
    yargs
      .positional("ids", which.ids)
      .option("all", which.all)
      .option("workflow", which.workflow)
      .option("dry-run", which.dryRun)
      .option("queue", { type: "string", requiresArg: true, describe: "Into this queue" })
      .option("keep-retries", { type: "boolean", describe: "Attempts are counted on" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { queue, "keep-retries": keep = false } = given;
      const options = { resetRetries: !keep, ...(queue === undefined ? {} : { queue }) };
      await actOnLetters(stent, given, "replay", async (id) => {
        await stent.replayDeadLetter(id, options);
      });
    }),
};

/** `stent dlq replay-all`. */
export const dlqReplayAll: Body<ReplayArguments> = {
  builder: (yargs) => dlqReplay.builder(yargs),
  handler: (given) => dlqReplay.handler({ ...given, ids: [], all: true }),
};

/** `stent dlq discard`: takes them from the list; their executions stay as they are. */
export const dlqDiscard: Body<ActArguments> = {
  builder: (yargs) =>
    yargs
      .positional("ids", which.ids)
      .option("all", which.all)
      .option("workflow", which.workflow)
      .option("dry-run", which.dryRun),
  handler: (given) =>
    withStent(given, (stent) =>
      actOnLetters(stent, given, "discard", async (id) => {
        if (!(await stent.discardDeadLetter(id)))
          throw new NotFoundError(`no dead letter of a task "${id}"`);
      }),
    ),
};

async function actOnLetters(
  stent: Stent,
  given: ActArguments,
  verb: string,
  act: (id: string) => Promise<void>,
): Promise<void> {
  const named = given.ids ?? [];
  const many = given.all === true || given.workflow !== undefined;
  if (named.length === 0 && !many) throw new UsageError(`name tasks, or --all, to ${verb}`);
  if (named.length > 0 && many) throw new UsageError("name tasks or --all, not both");
  const ids =
    named.length > 0 ? (await idsOf(named)).map(({ id }) => id) : await all(stent, given.workflow);
  const json = outputOf(given) === "json" || outputOf(given) === "jsonl";
  if (given["dry-run"] === true) {
    process.stdout.write(json ? `${toJson({ matched: ids.length })}\n` : `${ids.length}\n`);
    return;
  }
  if (ids.length === 0) return;
  const question = `${verb} ${ids.length} dead letters?`;
  if (many) await confirm(given, { question, rows: ids, count: ids.length });
  const refused: number[] = [];
  for (const id of ids) {
    try {
      await act(id);
      process.stdout.write(json ? `${toJson({ id })}\n` : `${printable(id)}\n`);
    } catch (error) {
      refused.push(report(error, { json, verbose: given.verbose === true }));
    }
  }
  if (refused.length > 0) process.exitCode = ids.length === 1 ? refused[0] : exitCodes.failed;
}

async function all(stent: Stent, workflow: string | undefined): Promise<string[]> {
  const found: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const page = await stent.listDeadLetters({
      limit: 500,
      ...(cursor === undefined ? {} : { cursor }),
    });
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return found
    .filter(({ task }) => workflow === undefined || task.name === workflow)
    .map(({ task }) => task.id);
}
