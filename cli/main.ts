#!/usr/bin/env node
/**
 * The command line of Stent: reads the arguments, runs a command, and turns what goes wrong into a message and an exit code.
 *
 *   X1  stdout is data; everything else goes to stderr.
 *   X2  What inspects creates nothing: no file, no table.
 *   X3  A command's body, and with it the engine, is loaded when it runs, and what parses when there is something to parse: `--help` is quick.
 *   X4  No password is ever printed, the driver's own messages included.
 */
import { exitCodes } from "./failure.ts";
import { run } from "./run.ts";

// `stent list | head` ends quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? exitCodes.ok : exitCodes.failed);
});

await run(process.argv.slice(2));
