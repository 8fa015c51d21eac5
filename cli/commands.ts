import type { Argv, CommandModule } from "yargs";
import type { Body } from "./body.ts";
import type { GlobalArguments } from "./database.ts";

type Head = Pick<CommandModule, "command" | "aliases" | "describe">;

/** Adds what `stent` can do, in the order in which help has it. */
export function addCommands(program: Argv<GlobalArguments>): Argv<GlobalArguments> {
  return program
    .command(
      lazily(
        { command: "list", aliases: ["ls"], describe: "Executions, newest first" },
        async () => (await import("./commands/list.ts")).list,
      ),
    )
    .command(
      lazily(
        {
          command: "show <id>",
          describe: "One execution: its steps, what it waits for, its result",
        },
        async () => (await import("./commands/show.ts")).show,
      ),
    )
    .command(
      lazily(
        { command: "why <id>", describe: "Why an execution is not moving, and what would move it" },
        async () => (await import("./commands/why.ts")).why,
      ),
    )
    .command(
      lazily(
        { command: "signal <id> <name> [payload]", describe: "Send a signal to an execution" },
        async () => (await import("./commands/signal.ts")).signal,
      ),
    )
    .command(
      lazily(
        { command: "cancel <ids..>", describe: "Cancel executions" },
        async () => (await import("./commands/cancel.ts")).cancel,
      ),
    )
    .command(
      lazily(
        { command: "retry <ids..>", describe: "Let failed, timed-out or blocked executions go on" },
        async () => (await import("./commands/retry.ts")).retry,
      ),
    )
    .command(
      lazily(
        {
          command: "worker <modules..>",
          describe: "Serve the functions that these modules define",
        },
        async () => (await import("./commands/worker.ts")).worker,
      ),
    )
    .command(
      lazily(
        { command: "migrate", describe: "Create the database, or upgrade its tables" },
        async () => (await import("./commands/migrate.ts")).migrate,
      ),
    );
}

/** A command whose options and body are loaded when it is the one that is named (X3). */
function lazily<A extends GlobalArguments>(
  head: Head,
  load: () => Promise<Body<A>>,
): CommandModule<GlobalArguments, A> {
  return {
    ...head,
    builder: async (yargs) => (await load()).builder(yargs),
    handler: async (given) => (await load()).handler(given),
  };
}
