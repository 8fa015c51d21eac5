import type { TaskFilter, TaskRecord } from "stentjs";
import type { Body } from "../body.ts";
import { countOption } from "../count-option.ts";
import { withStent } from "../database.ts";
import { idText, onExecution } from "../executions.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printList } from "../output.ts";
import { spanText, timeTextOf } from "../time.ts";

interface Arguments extends GlobalArguments {
  readonly execution: string | undefined;
  readonly state: TaskRecord["state"] | undefined;
  readonly queue: string | undefined;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
}

/** `stent tasks list`: what waits and runs; of one execution also what has ended. */
export const tasksList: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("execution", { type: "string", describe: idText })
      .option("state", {
        alias: "s",
        choices: ["pending", "running", "completed", "failed", "cancelled"] as const,
        describe: "Only in this state",
      })
      .option("queue", {
        type: "string",
        requiresArg: true,
        describe: "Only of this queue; default names the unqueued",
      })
      .option("limit", {
        alias: "n",
        type: "string",
        requiresArg: true,
        coerce: countOption("limit"),
        describe: "How many [50]",
      })
      .option("cursor", {
        type: "string",
        requiresArg: true,
        describe: "Where the page before ended",
      }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const { state, queue, limit, cursor, execution } = given;
      const filter: TaskFilter = {
        ...(execution === undefined
          ? {}
          : {
              execution: await onExecution(stent, execution, async (id) => {
                await stent.stateOf(id);
                return id;
              }),
            }),
        ...(state === undefined ? {} : { state }),
        ...(queue === undefined ? {} : { queue }),
        ...(limit === undefined ? {} : { limit }),
        ...(cursor === undefined ? {} : { cursor }),
      };
      const time = timeTextOf(given);
      printList(given, await stent.listTasks(filter), {
        head: ["ID", "NAME", "KIND", "STATE", "ATTEMPT", "QUEUE", "WORKER", "DUE", "TOOK"],
        row: (task) => [
          task.id,
          task.name,
          task.kind,
          task.state,
          `${task.attempt}/${task.maxAttempts}`,
          task.queue ?? "-",
          task.workerId ?? "-",
          time(task.scheduledFor),
          spanText(task.startedAt, task.completedAt),
        ],
        id: ({ id }) => id,
      });
    }),
};
