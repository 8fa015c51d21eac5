#!/usr/bin/env node
/**
 * The command line of Stent: reads the arguments, runs a command, and turns what goes wrong into a message and an exit code.
 *
 *   X1  stdout is data; everything else goes to stderr.
 *   X2  What inspects creates nothing: no file, no table.
 *   X3  A command's body, and with it the engine, is loaded when it runs: `--help` is quick.
 *   X4  No password is ever printed, the driver's own messages included.
 */
import { createRequire } from "node:module";
import { marked, optionsAmong } from "./arguments.ts";
import { exitCodes, report } from "./failure.ts";
import { programOf } from "./program.ts";

// `stent list | head` ends quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? exitCodes.ok : exitCodes.failed);
});

const given = process.argv.slice(2);
const { version } = createRequire(import.meta.url)("stentjs/package.json") as { version: string };
try {
  await programOf(version).parseAsync(marked(given));
} catch (error) {
  const parameters = optionsAmong(given);
  process.exitCode = report(error, {
    json: /(?:^| )(?:--json|(?:-o|--output)[ =]?jsonl?)(?: |$)/.test(parameters.join(" ")),
    verbose: parameters.includes("-v") || parameters.includes("--verbose"),
  });
}
