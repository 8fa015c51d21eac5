import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { outputOf, type GlobalArguments } from "../global-arguments.ts";
import { idText, onExecution } from "../executions.ts";
import { note } from "../note.ts";
import { printList } from "../output.ts";
import { printable, shortened } from "../printable.ts";
import { timeTextOf } from "../time.ts";
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
      if (outputOf(given) === "table") {
        const time = timeTextOf(given);
        for (const reason of items)
          process.stdout.write(`${printable(shortened(reasonText(reason, time)))}\n`);
      } else printList(given, { items }, { head: [], row: () => [], id: ({ name }) => name });
      if (items.length > 0) return;
      const { state } = await stent.stateOf(id);
      note(given, `nothing holds it up: it is ${state}`);
    }),
};
