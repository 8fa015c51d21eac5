import type { CommandModule } from "yargs";
import { withStent, type GlobalArguments } from "../database.ts";
import { idOf } from "../executions.ts";
import { toJson } from "../json.ts";
import { printable } from "../printable.ts";
import { reasonText } from "../wait-reason.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
}

/** `stent why`: what would move it. */
export const why: CommandModule<GlobalArguments, Arguments> = {
  command: "why <id>",
  describe: "Why an execution is not moving, and what would move it",
  builder: (yargs) =>
    yargs.positional("id", {
      type: "string",
      demandOption: true,
      describe: "Its id, or latest",
    }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const id = await idOf(stent, given.id);
      const items = await stent.why(id);
      if (given.json === true) process.stdout.write(`${toJson({ items })}\n`);
      else for (const reason of items) process.stdout.write(`${printable(reasonText(reason))}\n`);
      if (items.length > 0 || given.json === true) return;
      const { state } = await stent.stateOf(id);
      process.stderr.write(`nothing holds it up: it is ${state}\n`);
    }),
};
