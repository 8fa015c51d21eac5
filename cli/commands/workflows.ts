import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printList } from "../output.ts";

/** `stent workflows list`: what has been dispatched, and who has its code. */
export const workflowsList: Body<GlobalArguments> = {
  builder: (yargs) => yargs,
  handler: (given) =>
    withStent(given, async (stent) => {
      const functions = await stent.admin.functions();
      printList(
        given,
        { items: functions },
        {
          head: ["NAME", "VERSION", "KIND", "WORKERS"],
          row: ({ name, version, kind, workers }) => [name, version ?? "-", kind, String(workers)],
          id: ({ name }) => name,
        },
      );
    }),
};
