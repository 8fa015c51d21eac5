import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { facts } from "../facts.ts";
import { timeOf } from "../filters.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printOne } from "../output.ts";

interface Arguments extends GlobalArguments {
  readonly since: string | undefined;
}

/** `stent stats`: counts over everything. */
export const stats: Body<Arguments> = {
  builder: (yargs) =>
    yargs.option("since", {
      type: "string",
      requiresArg: true,
      describe: "For the rates: an ISO time, or a duration ago [1h]",
    }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const since = given.since === undefined ? undefined : await timeOf(given.since);
      const found = await stent.admin.stats(since === undefined ? {} : { since });
      printOne(given, found, {
        id: "stats",
        text: () => {
          const counts = Object.entries(found.byState).map(([state, count]) => [
            state,
            String(count),
          ]);
          const rates = {
            "completed a minute": found.completedPerMinute.toFixed(1),
            "failed a minute": found.failedPerMinute.toFixed(1),
            "dead letters": String(found.deadLetters),
          };
          return `${facts({ ...Object.fromEntries(counts), ...rates })}\n`;
        },
      });
    }),
};
