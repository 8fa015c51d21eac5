import type { CommandModule } from "yargs";
import { withStent, type GlobalArguments } from "../database.ts";
import { actOnEach, idsOf } from "../executions.ts";

interface Arguments extends GlobalArguments {
  readonly ids: readonly string[];
  readonly reason: string | undefined;
  readonly force: boolean | undefined;
}

/** `stent cancel`: asks executions to end. */
export const cancel: CommandModule<GlobalArguments, Arguments> = {
  command: "cancel <ids..>",
  describe: "Cancel executions",
  builder: (yargs) =>
    yargs
      .positional("ids", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "Ids, latest, or - for ids on stdin",
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
