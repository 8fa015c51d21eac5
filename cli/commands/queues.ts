import type { QueueDepth } from "stentjs";
import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { facts } from "../facts.ts";
import { NotFoundError } from "../failure.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printList, printOne } from "../output.ts";
import { timeTextOf, type TimeText } from "../time.ts";

/** `stent queues list`: how much is in each. */
export const queuesList: Body<GlobalArguments> = {
  builder: (yargs) => yargs,
  handler: (given) =>
    withStent(given, async (stent) => {
      const time = timeTextOf(given);
      printList(
        given,
        { items: await stent.admin.queues() },
        {
          head: ["QUEUE", "READY", "DELAYED", "RUNNING", "HELD", "OLDEST", "WORKERS"],
          row: (queue) => rowOf(queue, time),
          id: ({ name }) => name,
        },
      );
    }),
};

interface Arguments extends GlobalArguments {
  readonly queue: string;
}

/** `stent queues show`: one of them. */
export const queuesShow: Body<Arguments> = {
  builder: (yargs) =>
    yargs.positional("queue", {
      type: "string",
      demandOption: true,
      describe: "Its name; default is that of the unqueued",
    }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const all = await stent.admin.queues();
      const queue = all.find(({ name }) => name === given.queue);
      if (queue === undefined) {
        const known = all.map(({ name }) => name).join(", ") || "none";
        throw new NotFoundError(`no queue "${given.queue}"; there are: ${known}`);
      }
      const [, ready, delayed, running, held, oldest, workers] = rowOf(queue, timeTextOf(given));
      printOne(given, queue, {
        id: queue.name,
        text: () =>
          `${facts({ queue: queue.name, ready, delayed, running, held, oldest, workers })}\n`,
      });
    }),
};

function rowOf(queue: QueueDepth, time: TimeText): string[] {
  const { name, ready, delayed, running, held, oldestReady, workers } = queue;
  const counts = [ready, delayed, running, held].map(String);
  return [name, ...counts, time(oldestReady), String(workers)];
}
