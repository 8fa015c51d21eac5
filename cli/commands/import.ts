import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { onStdin } from "../arguments.ts";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printOne } from "../output.ts";
import { UsageError } from "../usage-error.ts";

interface Arguments extends GlobalArguments {
  readonly file: string;
  readonly id: string | undefined;
}

/** `stent executions import`: puts a bundle into this database. */
export const importBundle: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("file", {
        type: "string",
        demandOption: true,
        describe: "What was exported, or - for stdin",
      })
      .option("id", {
        type: "string",
        requiresArg: true,
        describe: "Under this id instead of its own; its children's follow",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const lines = (await contentOf(given.file)).split("\n");
      const id = await stent.admin.import(lines, given.id === undefined ? {} : { id: given.id });
      printOne(given, { id }, { id, text: () => `${id}\n` });
    }),
};

/** Of a file, or of stdin. @throws UsageError */
export async function contentOf(file: string): Promise<string> {
  if (file === onStdin) return text(process.stdin);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}
