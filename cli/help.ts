import { optionsAmong } from "./arguments.ts";
import { nouns, verbs } from "./catalogue.ts";
import { declaredBy, declaredByBody, type Declared } from "./declared.ts";
import type { Entry, Noun } from "./entry.ts";
import { globalOptions } from "./global-arguments.ts";
import { closest } from "./likeness.ts";
import { UsageError } from "./usage-error.ts";

/** What is said of the exit codes, wherever that is said. */
const epilogue =
  "Exit codes: 0 ok, 1 failed, 2 usage, 3 database, 4 not found, 5 wrong state; of wait 10 failed, 11 cancelled, 12 timed out, 124 --timeout; 130 SIGINT, 143 SIGTERM";

/** Of the options of every command those that a value follows, in both of their spellings. */
const withValue: ReadonlySet<string> = new Set(["-d", "--database", "-o", "--output", "--time"]);

const common: readonly Declared[] = [
  ...declaredBy(globalOptions),
  flag({ name: "--help", short: "-h", says: "Say this" }),
  flag({ name: "--version", short: undefined, says: "Say which version this is" }),
];

/** The help that is asked for; undefined where none is. @throws UsageError for a command that is unknown */
export async function helpAskedFor(given: readonly string[]): Promise<string | undefined> {
  const options = optionsAmong(given);
  const words = wordsAmong(options);
  const asked = options.some((each) => each === "--help" || /^-[qvy]*h[qvy]*$/.test(each));
  if (words[0] === "help") return helpOf(words.slice(1));
  if (asked) return helpOf(words);
  return words[1] === "help" && nounOf(words[0]) !== undefined ? helpOf([words[0]]) : undefined;
}

/** Whether the version is asked for. */
export function versionAskedFor(given: readonly string[]): boolean {
  return optionsAmong(given).includes("--version");
}

async function helpOf([first, second]: readonly (string | undefined)[]): Promise<string> {
  if (first === undefined) return ofAll();
  const noun = nounOf(first);
  if (noun !== undefined && second === undefined) return ofNoun(noun);
  const [before, entries] = noun === undefined ? ["", verbs] : [`${noun.name} `, noun.commands];
  const wanted = (noun === undefined ? first : second) ?? "";
  const entry = entries.find((each) => namesOf(each).includes(wanted));
  if (entry !== undefined) return ofCommand(before, entry);
  const near = closest(wanted, [
    ...entries.flatMap((each) => namesOf(each)),
    ...(noun === undefined ? nouns.map(({ name }) => name) : []),
  ]);
  const meant = near === undefined ? "" : ` — did you mean ${near}?`;
  throw new UsageError(`Unknown command: ${before}${wanted}${meant}`);
}

function nounOf(name: string | undefined): Noun | undefined {
  return nouns.find((noun) => noun.name === name);
}

function namesOf({ command, aliases = [] }: Entry): readonly string[] {
  return [command.split(" ")[0] ?? command, ...aliases];
}

/** What is no option, and no value of one that every command has. */
function wordsAmong(options: readonly string[]): readonly string[] {
  return options.filter(
    (each, index) => !each.startsWith("-") && !withValue.has(options[index - 1] ?? ""),
  );
}

function ofAll(): string {
  const rows = [
    ...verbs.map((verb) => rowOf("", verb)),
    ...nouns.map(({ name, describe }): Row => [`stent ${name}`, describe]),
  ];
  return page(
    "stent <command>\n\nDurable functions for TypeScript: look at executions, act on them, and serve them.",
    { Commands: rows, Options: common.map((each) => rowOfDeclared(each)) },
  );
}

function ofNoun({ name, describe, commands }: Noun): string {
  return page(`stent ${name} <command>\n\n${describe}`, {
    Commands: commands.map((each) => rowOf(`${name} `, each)),
    Options: common.map((each) => rowOfDeclared(each)),
  });
}

async function ofCommand(before: string, entry: Entry): Promise<string> {
  const body = await entry.load();
  const own = declaredByBody(body);
  const rows = (positional: boolean): Row[] =>
    own.filter((each) => each.positional === positional).map((each) => rowOfDeclared(each));
  return page(
    `stent ${before}${entry.command}\n\n${entry.describe}${body.further === undefined ? "" : `\n\n${body.further}`}`,
    {
      Takes: rows(true),
      Options: rows(false),
      "Options of every command": common.map((each) => rowOfDeclared(each)),
    },
  );
}

type Row = readonly [name: string, says: string];

function rowOf(before: string, { command, aliases = [], describe }: Entry): Row {
  const also = aliases.length === 0 ? "" : `  [also ${aliases.join(", ")}]`;
  return [`stent ${before}${command}`, `${describe}${also}`];
}

function rowOfDeclared({ name, short, says, takesValue, positional }: Declared): Row {
  if (positional) return [name, says];
  return [`${short === undefined ? "    " : `${short}, `}${name}${takesValue ? " …" : ""}`, says];
}

function page(head: string, parts: Readonly<Record<string, readonly Row[]>>): string {
  const shown = Object.entries(parts).filter(([, rows]) => rows.length > 0);
  const width = Math.max(...shown.flatMap(([, rows]) => rows.map(([name]) => name.length)));
  const blocks = shown.map(
    ([title, rows]) =>
      `${title}:\n${rows.map(([name, says]) => `  ${name.padEnd(width)}  ${says}`).join("\n")}`,
  );
  return `${[head, ...blocks, epilogue].join("\n\n")}\n`;
}

function flag(told: Pick<Declared, "name" | "short" | "says">): Declared {
  return { ...told, takesValue: false, positional: false };
}
