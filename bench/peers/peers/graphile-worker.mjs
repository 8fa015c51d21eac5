/** A queue of jobs: it fetches 500 at a time, and stores what has completed in batches. Jobs that are over leave nothing. */
import { EventEmitter } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Logger, makeWorkerUtils, run } from "graphile-worker";

const quiet = new Logger(() => () => undefined);

export async function open({ address }) {
  const utils = await makeWorkerUtils({ connectionString: address, logger: quiet });
  await utils.migrate();
  const events = new EventEmitter();
  let completed = 0;
  let wanted = 0;
  let told = () => undefined;
  events.on("job:complete", () => {
    completed += 1;
    if (completed === wanted) told();
  });
  const runner = await run({
    taskList: { echo: async (payload) => payload },
    events,
    logger: quiet,
    noHandleSignals: true,
    preset: {
      worker: {
        connectionString: address,
        concurrentJobs: 100,
        maxPoolSize: 20,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
      },
    },
  });
  return {
    does: {
      jobs: async (n) => {
        wanted += n;
        const all = new Promise((resolve) => {
          told = resolve;
        });
        const jobs = Array.from({ length: n }, (_, n) => ({ identifier: "echo", payload: { n } }));
        await utils.addJobs(jobs);
        await all;
        // They are told of before their batch is stored.
        while ((await left(utils)) > 0) await pause(5);
      },
    },
    close: async () => {
      await runner.stop();
      await utils.release();
    },
  };
}

function left(utils) {
  return utils.withPgClient(async (client) => {
    const { rows } = await client.query("select count(*) as left from graphile_worker.jobs");
    return Number(rows[0].left);
  });
}
