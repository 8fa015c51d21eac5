import { actInBulk, bulkOptions, type BulkArguments } from "../bulk.ts";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";

interface Arguments extends BulkArguments {
  readonly reason: string | undefined;
  readonly force: boolean | undefined;
}

/** `stent cancel`: asks executions to end. */
export const cancel: Body<Arguments> = {
  builder: (yargs) =>
    bulkOptions(yargs)
      .option("reason", { type: "string", requiresArg: true, describe: "Why, for who reads it" })
      .option("force", {
        type: "boolean",
        describe: "End them at once and run none of their code: for what is blocked",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { reason, force = false } = given;
      const options = { force, ...(reason === undefined ? {} : { reason }) };
      await actInBulk(stent, given, {
        verb: "cancel",
        states: ["pending", "running", "cancelling"],
        act: (id) => stent.cancel(id, options),
      });
    }),
};
