import { actInBulk, bulkOptions, type BulkArguments } from "../bulk.ts";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";

interface Arguments extends BulkArguments {
  readonly from: "failure" | "start";
  readonly force: boolean | undefined;
}

/** `stent retry`: lets executions that have stopped go on. */
export const retry: Body<Arguments> = {
  builder: (yargs) =>
    bulkOptions(yargs)
      .option("from", {
        choices: ["failure", "start"] as const,
        default: "failure" as const,
        describe: "From the step that failed, or from the top",
      })
      .option("force", { type: "boolean", describe: "Also where clean-up has been done since" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { from, force = false } = given;
      await actInBulk(stent, given, {
        verb: "retry",
        states: ["failed", "timed_out"],
        act: (id) => stent.retry(id, { from, force }),
      });
    }),
};
