import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { idsOf, idsText, onExecution } from "../executions.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { UsageError } from "../usage-error.ts";

interface Arguments extends GlobalArguments {
  readonly ids: readonly string[];
  readonly out: string | undefined;
  readonly children: boolean | undefined;
}

/** `stent executions export`: bundles for another database, or for a replay. */
export const exportBundle: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("ids", { type: "string", array: true, demandOption: true, describe: idsText })
      .option("out", {
        alias: "O",
        type: "string",
        requiresArg: true,
        describe: "Into this file, which may not be there yet [stdout]",
      })
      .option("children", { type: "boolean", describe: "Their children as well" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { children = false, out } = given;
      const lines: string[] = [];
      // All of it is read before the first byte is written, so that what is not there leaves no file.
      for (const { id, whole } of await idsOf(given.ids)) {
        const read = async (found: string): Promise<void> => {
          for await (const line of stent.admin.export(found, { children })) lines.push(line);
        };
        await (whole ? read(id) : onExecution(stent, id, read));
      }
      const text = lines.map((line) => `${line}\n`).join("");
      if (out === undefined) process.stdout.write(text);
      else await write(out, text);
    }),
};

async function write(path: string, text: string): Promise<void> {
  const file = createWriteStream(path, { flags: "wx" });
  try {
    await once(file, "open");
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
  file.end(text);
  await finished(file);
}
