import { statSync } from "node:fs";
import type { Stent } from "stentjs";
import type { ReplayedExecution } from "stentjs/testing";
import { onStdin } from "../arguments.ts";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { onExecution } from "../executions.ts";
import { exitCodes } from "../failure.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { toJson } from "../json.ts";
import { importModules } from "../modules.ts";
import { printable } from "../printable.ts";
import { UsageError } from "../usage-error.ts";
import { contentOf } from "./import.ts";

interface Arguments extends GlobalArguments {
  readonly files: readonly string[] | undefined;
  readonly id: string | undefined;
  readonly state: readonly string[] | undefined;
  readonly import: readonly string[];
}

/** `stent replay`: does today's code still accept yesterday's journals? */
export const replay: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("files", {
        type: "string",
        array: true,
        describe: "Exported executions, directories of them (*.ndjson, *.jsonl), or - for stdin",
      })
      .option("id", { type: "string", requiresArg: true, describe: "An execution of the database" })
      .option("state", {
        alias: "s",
        type: "string",
        array: true,
        requiresArg: true,
        describe: "All executions of the database in this state; repeatable",
      })
      .option("import", {
        type: "string",
        array: true,
        requiresArg: true,
        demandOption: true,
        describe: "Modules with the workflows of today; repeatable",
      }),
  handler: async (given) => {
    const { files = [], id, state } = given;
    if ([files.length > 0, id !== undefined, state !== undefined].filter(Boolean).length !== 1)
      throw new UsageError("name files, or --id, or --state");
    await importModules(given.import);
    const tell = teller(given);
    for (const file of files) for (const replayed of await ofFile(file)) tell(replayed);
    if (files.length > 0) return;
    await withStent(given, async (stent) => {
      for (const found of await idsIn(stent, given))
        for (const replayed of await ofDatabase(stent, found)) tell(replayed);
    });
  },
};

async function ofFile(file: string): Promise<readonly ReplayedExecution[]> {
  const { replayDirectory, replayExport } = await import("stentjs/testing");
  const isDirectory =
    file !== onStdin && statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? replayDirectory(file) : replayExport((await contentOf(file)).split("\n"));
}

async function ofDatabase(stent: Stent, id: string): Promise<readonly ReplayedExecution[]> {
  const { replayExport } = await import("stentjs/testing");
  return replayExport(stent.admin.export(id));
}

async function idsIn(stent: Stent, { id, state = [] }: Arguments): Promise<string[]> {
  if (id !== undefined)
    return [await onExecution(stent, id, async (found) => (await stent.stateOf(found)).id)];
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await stent.listExecutions({
      state: state.flatMap((each) => each.split(",")) as never,
      limit: 500,
      ...(cursor === undefined ? {} : { cursor }),
    });
    ids.push(...page.items.map((each) => each.id));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}

function teller(given: GlobalArguments): (replayed: ReplayedExecution) => void {
  return (replayed) => {
    if (!replayed.ok) process.exitCode = exitCodes.failed;
    if (outputOf(given) !== "table") {
      process.stdout.write(`${toJson(replayed)}\n`);
      return;
    }
    const { id } = replayed;
    if (replayed.ok) process.stdout.write(`${printable(id)}: the same\n`);
    else {
      const { path, recorded, yielded } = replayed;
      process.stdout.write(
        `${printable(id)}: differs at ${path}\n  recorded ${printable(toJson(recorded))}\n  yielded  ${printable(toJson(yielded))}\n`,
      );
    }
  };
}
