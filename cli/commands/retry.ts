import type { Body } from "../body.ts";
import { withStent, type GlobalArguments } from "../database.ts";
import { actOnEach, idsOf, idsText } from "../executions.ts";

interface Arguments extends GlobalArguments {
  readonly ids: readonly string[];
  readonly from: "failure" | "start";
  readonly force: boolean | undefined;
}

/** `stent retry`: lets executions that have stopped go on. */
export const retry: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("ids", {
        type: "string",
        array: true,
        demandOption: true,
        describe: idsText,
      })
      .option("from", {
        choices: ["failure", "start"] as const,
        default: "failure" as const,
        describe: "From the step that failed, or from the top",
      })
      .option("force", {
        type: "boolean",
        describe: "Also where clean-up has been done since",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { from, force = false, json = false } = given;
      await actOnEach(stent, await idsOf(given.ids), json, (id) =>
        stent.retry(id, { from, force }),
      );
    }),
};
