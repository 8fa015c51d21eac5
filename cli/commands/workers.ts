import type { Body } from "../body.ts";
import { withStent } from "../database.ts";
import { facts } from "../facts.ts";
import { NotFoundError } from "../failure.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { printList, printOne } from "../output.ts";
import { timeTextOf } from "../time.ts";

/** `stent workers list`: who serves. */
export const workersList: Body<GlobalArguments> = {
  builder: (yargs) => yargs,
  handler: (given) =>
    withStent(given, async (stent) => {
      const time = timeTextOf(given);
      printList(
        given,
        { items: await stent.admin.workers() },
        {
          head: ["ID", "STATE", "HOST", "PID", "STARTED", "SEEN", "RUNNING", "QUEUES"],
          row: (worker) => [
            worker.id,
            worker.state,
            worker.host,
            String(worker.pid),
            time(worker.startedAt),
            time(worker.seenAt),
            String(worker.running),
            worker.queues.join(", ") || "all",
          ],
          id: ({ id }) => id,
        },
      );
    }),
};

interface Arguments extends GlobalArguments {
  readonly worker: string;
}

/** `stent workers show`: one of them, with what it serves. */
export const workersShow: Body<Arguments> = {
  builder: (yargs) =>
    yargs.positional("worker", { type: "string", demandOption: true, describe: "Its id" }),
  handler: (given) =>
    withStent(given, async (stent) => {
      const worker = (await stent.admin.workers()).findLast(({ id }) => id === given.worker);
      if (worker === undefined) throw new NotFoundError(`no worker has the id "${given.worker}"`);
      const time = timeTextOf(given);
      printOne(given, worker, {
        id: worker.id,
        text: () =>
          `${facts({
            id: worker.id,
            state: worker.state,
            host: worker.host,
            process: String(worker.pid),
            started: time(worker.startedAt),
            seen: time(worker.seenAt),
            running: String(worker.running),
            queues: worker.queues.join(", ") || "all",
            tags: worker.tags.join(", ") || "all",
            functions: worker.functions.join(", "),
          })}\n`,
      });
    }),
};
