import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { idText, onExecution } from "../executions.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { waitFor } from "../waiting.ts";

interface Arguments extends GlobalArguments {
  readonly id: string;
  readonly timeout: string | undefined;
}

/** `stent wait`: until it has ended; its result on stdout. */
export const wait: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("id", { type: "string", demandOption: true, describe: idText })
      .option("timeout", {
        type: "string",
        requiresArg: true,
        describe: "Leave off after this long, with exit code 124 [never]",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { timeout } = given;
      const id = await onExecution(stent, given.id, async (found) => {
        await stent.stateOf(found);
        return found;
      });
      await waitFor(stent, given, id, timeout === undefined ? {} : { timeout });
    }),
};
