import type { Body } from "../body.ts";
import { withStent, type GlobalArguments } from "../database.ts";
import { actOnEach, idsOf, idsText } from "../executions.ts";

interface Arguments extends GlobalArguments {
  readonly ids: readonly string[];
  readonly reason: string | undefined;
  readonly force: boolean | undefined;
}

/** `stent cancel`: asks executions to end. */
export const cancel: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("ids", {
        type: "string",
        array: true,
        demandOption: true,
        describe: idsText,
      })
      .option("reason", {
        type: "string",
        requiresArg: true,
        describe: "Text of the CancelledError",
      })
      .option("force", {
        type: "boolean",
        describe: "End it at once, and run no more of its code",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { reason, force = false, json = false } = given;
      const options = { force, ...(reason === undefined ? {} : { reason }) };
      await actOnEach(stent, await idsOf(given.ids), json, (id) => stent.cancel(id, options));
    }),
};
