import type { Body } from "../body.ts";
import { confirm } from "../confirmation.ts";
import { withStent } from "../database.ts";
import { timeOf } from "../filters.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printOne } from "../output.ts";
import { UsageError } from "../usage-error.ts";

interface Arguments extends GlobalArguments {
  readonly "older-than": string;
  readonly executions: boolean | undefined;
  readonly dlq: boolean | undefined;
  readonly "dry-run": boolean | undefined;
}

const pageSize = 500;

/** `stent cleanup`: deletes what ended long ago. */
export const cleanup: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .option("older-than", {
        type: "string",
        requiresArg: true,
        default: "30d",
        describe: "What ended, or was given up, longer ago than this",
      })
      .option("executions", { type: "boolean", describe: "Executions; the default" })
      .option("dlq", { type: "boolean", describe: "Dead letters" })
      .option("dry-run", { type: "boolean", describe: "Say how many it would be, and do nothing" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const before = (await timeOf(given["older-than"])).getTime();
      if (/^\d{4}-/.test(given["older-than"]))
        throw new UsageError("--older-than takes a duration, such as 30d");
      const letters = given.dlq === true ? await lettersBefore(before) : [];
      const wantsExecutions = given.executions === true || given.dlq !== true;
      const dry = given["dry-run"] === true;
      // To count them takes as long as they are many: not where nobody wants to know.
      const told = dry || given.yes !== true;
      const finished = wantsExecutions && told ? await endedBefore(before) : 0;
      if (!dry && finished + letters.length > 0) {
        const question = `delete ${finished} executions with their children, and ${letters.length} dead letters?`;
        await confirm(given, { question, rows: [], count: 0 });
        for (const id of letters) await stent.discardDeadLetter(id);
      }
      const executions =
        dry || !wantsExecutions
          ? finished
          : (await stent.cleanup({ olderThan: given["older-than"] })).executions;
      const found = { executions, deadLetters: letters.length };
      const text = `${executions} executions, ${letters.length} dead letters\n`;
      printOne(given, found, { id: "cleanup", text: () => text });

      async function lettersBefore(time: number): Promise<string[]> {
        const ids: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await stent.listDeadLetters({
            limit: pageSize,
            ...(cursor === undefined ? {} : { cursor }),
          });
          for (const { task, movedAt } of page.items)
            if (movedAt.getTime() < time) ids.push(task.id);
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        return ids;
      }

      /** Roots among them: children go with theirs. What was made later has ended later. */
      async function endedBefore(time: number): Promise<number> {
        let count = 0;
        let cursor: string | undefined;
        do {
          const page = await stent.listExecutions({
            state: ["completed", "failed", "timed_out", "cancelled"],
            until: new Date(time),
            limit: pageSize,
            ...(cursor === undefined ? {} : { cursor }),
          });
          for (const { completedAt, parentId } of page.items)
            if (parentId === undefined && completedAt !== undefined && completedAt.getTime() < time)
              count += 1;
          cursor = page.nextCursor;
        } while (cursor !== undefined);
        return count;
      }
    }),
};
