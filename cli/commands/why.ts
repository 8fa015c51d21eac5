import type { Body } from "../body.ts";
import { withStent, type GlobalArguments } from "../database.ts";
import { idText, onExecution } from "../executions.ts";
import { toJson } from "../json.ts";
import { printable } from "../printable.ts";
import { reasonText } from "../wait-reason.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
}

/** `stent why`: what would move it. */
export const why: Body<Arguments> = {
  builder: (yargs) =>
    yargs.positional("id", {
      type: "string",
      demandOption: true,
      describe: idText,
    }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { id, items } = await onExecution(stent, given.id, async (found) => ({
        id: found,
        items: await stent.why(found),
      }));
      if (given.json === true) process.stdout.write(`${toJson({ items })}\n`);
      else for (const reason of items) process.stdout.write(`${printable(reasonText(reason))}\n`);
      if (items.length > 0 || given.json === true) return;
      const { state } = await stent.stateOf(id);
      process.stderr.write(`nothing holds it up: it is ${state}\n`);
    }),
};
