import type { Body } from "../body.ts";
import { completionFor, shells } from "../completion.ts";
import type { Commands } from "../entry.ts";
import type { GlobalArguments } from "../global-arguments.ts";
import { UsageError } from "../usage-error.ts";

interface Arguments extends GlobalArguments {
  readonly shell: string | undefined;
}

/** `stent completion`: a script for the shell. */
export const completionOf = (commands: Commands): Body<Arguments> => ({
  builder: (yargs) =>
    yargs.positional("shell", {
      type: "string",
      describe: "bash, zsh or fish [that of $SHELL]",
    }),
  handler: async (given) => {
    const named = given.shell ?? process.env["SHELL"]?.split("/").at(-1);
    const shell = shells.find((each) => each === named);
    if (shell === undefined)
      throw new UsageError(`which shell? Name one of ${shells.join(", ")}: stent completion bash`);
    process.stdout.write(await completionFor(shell, commands));
  },
});
