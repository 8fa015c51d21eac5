import type { ServeOptions, Stent } from "stentjs";
import type { Body } from "../body.ts";
import { databaseOf, stentOptions } from "../database.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { importModules } from "../modules.ts";
import { printable } from "../printable.ts";
import { UsageError } from "../usage-error.ts";

interface Arguments extends GlobalArguments {
  readonly modules: readonly string[];
  readonly queue: readonly string[] | undefined;
  readonly tag: readonly string[] | undefined;
  readonly concurrency: string | undefined;
  readonly lease: string | undefined;
  readonly "drain-timeout": string | undefined;
}

const signals = { SIGINT: 130, SIGTERM: 143 } as const;

/** `stent worker`: serves what the modules define, until it is told to stop. */
export const worker: Body<Arguments> = {
  builder: (yargs) =>
    yargs
      .positional("modules", {
        type: "string",
        array: true,
        demandOption: true,
        describe: "Paths of modules",
      })
      .option("queue", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "Only this queue; repeatable",
      })
      .option("tag", {
        type: "string",
        array: true,
        requiresArg: true,
        describe: "Only work with this tag, or none; repeatable",
      })
      .option("concurrency", {
        type: "string",
        requiresArg: true,
        describe: "Activities at a time [10]",
      })
      .option("lease", {
        type: "string",
        requiresArg: true,
        describe: "How long it may be silent [1m]",
      })
      .option("drain-timeout", {
        type: "string",
        requiresArg: true,
        describe: "How long activities may take at its end [30s]",
      }),
  further:
    "The first SIGINT or SIGTERM drains it: it takes nothing more, ends what runs, and exits with 0. The second ends it at once, " +
    "with 130 or 143, and so does one that comes while it is still loading its modules: nothing runs yet.",
  handler: async (given) => {
    const backend = databaseOf(given.database);
    const options = serveOptions(given);
    await importModules(given.modules);
    const { Stent, registry } = await import("stentjs");
    if (registry.names().length === 0) {
      throw new UsageError("these modules define no workflow and no activity; name those that do");
    }
    await using stent = await Stent.open(stentOptions({ ...given, quiet: false }, backend));
    drainOnSignal(stent);
    void stent.waitUntilReady().then(
      () => process.stderr.write(`serving ${registry.names().join(", ")}\n`),
      () => undefined, // `serve` tells
    );
    await stent.serve(options);
  },
};

/** The first signal drains, the second leaves at once. */
function drainOnSignal(stent: Stent): void {
  let draining = false;
  for (const [name, exitCode] of Object.entries(signals)) {
    process.on(name, () => {
      if (draining) process.exit(exitCode);
      draining = true;
      process.stderr.write("draining: takes nothing more; once more leaves at once\n");
      void tellRunning(stent);
      stent.requestWorkerDrain();
    });
  }
}

/** Of more that run, the rest is counted. */
const maxNamed = 10;

/** Tells what a drain waits for. */
async function tellRunning(stent: Stent): Promise<void> {
  const own = stent.workerStatusOverview().workers.map(({ name }) => name);
  try {
    const { items } = await stent.listTasks({ state: "running", limit: 1_000 });
    const running = items
      .filter(({ workerId }) => workerId !== undefined && own.includes(workerId))
      .map(({ name, executionId }) => `${name} of ${executionId}`);
    if (running.length === 0) return;
    const more = running.length > maxNamed ? `, and ${running.length - maxNamed} more` : "";
    process.stderr.write(
      `waiting for ${printable(running.slice(0, maxNamed).join(", "))}${more}\n`,
    );
  } catch (error) {
    const { ClosedError } = await import("stentjs");
    if (error instanceof ClosedError) return; // nothing runs any more
    process.stderr.write(`what runs cannot be told: ${printable(String(error))}\n`);
  }
}

function serveOptions({
  queue,
  tag,
  concurrency,
  lease,
  "drain-timeout": drainTimeout,
}: Arguments): ServeOptions {
  if (concurrency !== undefined && !/^[1-9]\d{0,6}$/.test(concurrency)) {
    throw new UsageError(`--concurrency takes a whole number from 1, got "${concurrency}"`);
  }
  return {
    ...(queue === undefined ? {} : { queues: queue }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(concurrency === undefined ? {} : { maxConcurrency: Number(concurrency) }),
    ...(lease === undefined ? {} : { leaseDuration: lease }),
    ...(drainTimeout === undefined ? {} : { drainTimeout }),
  };
}
