#!/usr/bin/env node
/**
 * The command line of Stent: reads the arguments, runs a command, and turns what goes wrong into a message and an exit code.
 *
 *   X1  stdout is data; everything else goes to stderr.
 *   X2  What inspects creates nothing: no file, no table.
 *   X3  A command's body, and with it the engine, is loaded when it runs: `--help` is quick.
 */
import { createRequire } from "node:module";
import yargs from "yargs";
import { marked, optionsAmong, unmark } from "./arguments.ts";
import { addCommands } from "./commands.ts";
import { exitCodes, report } from "./failure.ts";
import { UsageError } from "./usage-error.ts";

// `stent list | head` ends quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? exitCodes.ok : exitCodes.failed);
});

const given = process.argv.slice(2);
try {
  await commandLine().parseAsync(marked(given));
} catch (error) {
  const parameters = optionsAmong(given);
  process.exitCode = report(error, {
    json: /(?:^| )(?:--json|(?:-o|--output)[ =]?json)(?: |$)/.test(parameters.join(" ")),
    verbose: parameters.includes("-v") || parameters.includes("--verbose"),
  });
}

function commandLine() {
  const { version } = createRequire(import.meta.url)("stentjs/package.json") as { version: string };
  const program = yargs()
    .scriptName("stent")
    .usage(
      "$0 <command>\n\nDurable functions for TypeScript: look at executions, act on them, and serve them.",
    )
    .option("database", {
      alias: "d",
      type: "string",
      requiresArg: true,
      global: true,
      describe: "Path or URL of the database [$STENT_DATABASE_URL, then ./stent.db if it exists]",
    })
    .option("json", { type: "boolean", global: true, describe: "Print JSON" })
    .option("verbose", {
      alias: "v",
      type: "boolean",
      global: true,
      describe: "Show stack traces",
    });
  return addCommands(program)
    .demandCommand(1, "name a command")
    .strict()
    .recommendCommands()
    .detectLocale(false)
    .parserConfiguration({ "greedy-arrays": false })
    .middleware(unmark, true)
    .middleware(refuseTwice)
    .help()
    .alias("help", "h")
    .version(version)
    .exitProcess(false)
    .wrap(null)
    .epilogue("Exit codes: 0 ok, 1 failed, 2 usage, 3 database, 4 not found, 5 wrong state")
    .fail((message: string | null, error: Error | undefined) => {
      // Of several lines, as its list of choices has them.
      throw error ?? new UsageError(message?.replaceAll(/\s*\n\s*/g, " ") ?? "wrong arguments");
    });
}

/** An option that is given twice is an array, where one text is expected. (To let yargs take the last one would take only the last id as well.) */
function refuseTwice(given: Readonly<Record<string, unknown>>): void {
  const [command] = given["_"] as readonly unknown[];
  const repeatable = [
    "_",
    "ids",
    "modules",
    "state",
    "s",
    ...(command === "worker" ? ["queue", "tag"] : []),
  ];
  for (const [name, value] of Object.entries(given)) {
    if (Array.isArray(value) && !repeatable.includes(name))
      throw new UsageError(`--${name} was given twice`);
  }
}
