import type { Argv } from "yargs";

/** How data is printed. */
export const outputs = ["table", "json", "jsonl", "ids"] as const;
export type Output = (typeof outputs)[number];

/** The options of every command. */
export interface GlobalArguments {
  readonly database: string | undefined;
  readonly output: Output | undefined;
  readonly json: boolean | undefined;
  readonly time: "relative" | "local" | "utc" | undefined;
  /** False by --no-color. */
  readonly color: boolean | undefined;
  readonly quiet: boolean | undefined;
  readonly verbose: boolean | undefined;
  readonly yes: boolean | undefined;
  /** False by --no-input, which the command line is told under this name: `start` has an option of the other. */
  readonly questions: boolean | undefined;
}

/** Declares them. */
export function globalOptions(program: Argv): Argv<GlobalArguments> {
  return program
    .option("database", {
      alias: "d",
      type: "string",
      requiresArg: true,
      global: true,
      describe: "Path or URL of the database [$STENT_DATABASE_URL, then ./stent.db if it exists]",
    })
    .option("output", {
      alias: "o",
      choices: outputs,
      global: true,
      describe: "How data is printed [table]",
    })
    .option("json", { type: "boolean", global: true, describe: "The same as -o json" })
    .option("time", {
      choices: ["relative", "local", "utc"] as const,
      global: true,
      describe: "How times are told in tables [relative on a terminal, else utc]",
    })
    .option("color", {
      type: "boolean",
      global: true,
      describe: "No colours [on a terminal there are]",
    })
    .option("quiet", {
      alias: "q",
      type: "boolean",
      global: true,
      describe: "Only data and errors: no notes, no progress",
    })
    .option("verbose", {
      alias: "v",
      type: "boolean",
      global: true,
      describe: "Show stack traces",
    })
    .option("yes", { alias: "y", type: "boolean", global: true, describe: "Do not ask" })
    .option("questions", {
      type: "boolean",
      global: true,
      describe: "Ask nothing [on a terminal it asks]",
    });
}

/** How this command is to print. */
export function outputOf({ output, json }: GlobalArguments): Output {
  return output ?? (json === true ? "json" : "table");
}
