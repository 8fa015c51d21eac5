import yargs, { type Argv, type CommandModule } from "yargs";
import { unmark } from "./arguments.ts";
import { nouns, verbs } from "./catalogue.ts";
import type { Entry } from "./entry.ts";
import { closest } from "./likeness.ts";
import { globalOptions, type GlobalArguments } from "./global-arguments.ts";
import { UsageError } from "./usage-error.ts";

/** What reads a command line, and runs what it names. Help is told before (`help.ts`). */
export function programOf(): Argv<GlobalArguments> {
  const program = globalOptions(yargs().scriptName("stent"));
  for (const verb of verbs) program.command(lazily(verb));
  for (const noun of nouns) {
    program.command(noun.name, noun.describe, (within) => {
      for (const each of noun.commands) within.command(lazily(each));
      return within.demandCommand(1, `name what to do with ${noun.name}`);
    });
  }
  return program
    .demandCommand(1, "name a command")
    .strict()
    .detectLocale(false)
    .parserConfiguration({ "greedy-arrays": false })
    .middleware(unmark, true)
    .middleware(refuseTwice)
    .help(false)
    .version(false)
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // Of several lines, as its list of choices has them.
      const text = message?.replaceAll(/\s*\n\s*/g, " ") ?? "wrong arguments";
      throw error ?? new UsageError(text + meant(text, program));
    });
}

/** What was meant by a word that is unknown, if that is like one that is known here. */
function meant(message: string, where: Argv): string {
  const [, words] = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message) ?? [];
  const word = words?.split(", ")[0];
  if (word === undefined) return "";
  const { key } = (
    where as unknown as { getOptions(): { key: Record<string, unknown> } }
  ).getOptions();
  const options = new Set([...Object.keys(key), "help", "version"]);
  const names = [
    ...verbs.map(({ command }) => command.split(" ")[0] ?? ""),
    ...nouns.map(({ name }) => name),
  ];
  const found = closest(word, [...names, ...options]);
  if (found === undefined) return "";
  return ` — did you mean ${options.has(found) ? "--" : ""}${found}?`;
}

function lazily({
  command,
  aliases = [],
  describe,
  load,
}: Entry): CommandModule<GlobalArguments, GlobalArguments> {
  return {
    command,
    aliases,
    describe,
    builder: async (within) => (await load()).builder(within),
    handler: async (given) => (await load()).handler(given),
  };
}

/** Options that may be given more than once, and what stands behind commands. */
const repeatable: ReadonlySet<string> = new Set([
  "_",
  "ids",
  "modules",
  "files",
  "args",
  "import",
  "state",
  "s",
]);
const repeatableOf: Readonly<Record<string, readonly string[]>> = {
  worker: ["queue", "tag"],
  start: ["tag"],
  dispatch: ["tag"],
};

/** An option that is given twice is an array, where one text is expected. (To let yargs take the last one would take only the last id as well.) */
function refuseTwice(given: Readonly<Record<string, unknown>>): void {
  const [command] = given["_"] as readonly unknown[];
  for (const [name, value] of Object.entries(given)) {
    if (!Array.isArray(value) || repeatable.has(name)) continue;
    if (repeatableOf[String(command)]?.includes(name) === true) continue;
    throw new UsageError(`--${name} was given twice`);
  }
}
