import { declaredBy, declaredByBody } from "./declared.ts";
import type { Commands, Entry } from "./entry.ts";
import { globalOptions } from "./global-arguments.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** A command with what may stand behind it. */
interface Completed {
  readonly words: readonly string[];
  readonly describe: string;
  readonly options: readonly string[];
}

/** A script that completes the commands and options of this version. */
export async function completionFor(shell: Shell, named: Commands): Promise<string> {
  const commands = await allCommands(named);
  switch (shell) {
    case "bash":
      return bash(commands, named);
    case "zsh":
      return `#compdef stent\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands, named)}`;
    case "fish":
      return fish(commands, named);
    default:
      return shell satisfies never;
  }
}

async function allCommands({ verbs, nouns }: Commands): Promise<Completed[]> {
  const found: Completed[] = [];
  for (const verb of verbs) {
    for (const name of namesOf(verb))
      found.push({ words: [name], describe: verb.describe, options: await optionsOf(verb) });
  }
  for (const noun of nouns) {
    found.push({ words: [noun.name], describe: noun.describe, options: [] });
    for (const each of noun.commands) {
      const { describe } = each;
      const options = await optionsOf(each);
      for (const name of namesOf(each)) found.push({ words: [noun.name, name], describe, options });
    }
  }
  return found;
}

function nameOf({ command }: Entry): string {
  return command.split(" ")[0] ?? command;
}

function namesOf(entry: Entry): string[] {
  return [nameOf(entry), ...(entry.aliases ?? [])];
}

async function optionsOf(entry: Entry): Promise<string[]> {
  return [...declaredBy(globalOptions), ...declaredByBody(await entry.load())]
    .filter(({ positional }) => !positional)
    .map(({ name }) => name)
    .toSorted();
}

function bash(commands: readonly Completed[], { nouns }: Commands): string {
  const first = [...new Set(commands.map(({ words }) => words[0] ?? ""))].join(" ");
  const seconds = nouns.map(
    ({ name, commands: within }) =>
      `    ${name}) words="${within.flatMap((each) => namesOf(each)).join(" ")}" ;;`,
  );
  const options = commands.map(
    ({ words, options: own }) => `    "${words.join(" ")}") options="${own.join(" ")}" ;;`,
  );
  return `# stent completion, for bash: eval "$(stent completion bash)"
_stent() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words="" options="" command="\${COMP_WORDS[1]}"
  case "$command" in
${seconds.join("\n")}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${first}" -- "$current"))
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  if [ -n "$words" ]; then command="$command \${COMP_WORDS[2]}"; fi
  case "$command" in
${options.join("\n")}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o default -F _stent stent
`;
}

function fish(commands: readonly Completed[], { nouns }: Commands): string {
  const lines = commands.flatMap(({ words, describe, options }) => {
    const [first = "", second] = words;
    const here =
      second === undefined
        ? `complete -c stent -n __fish_use_subcommand -f -a ${first} -d ${quoted(describe)}`
        : `complete -c stent -n "__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${wordsOf(nouns, first)}" -f -a ${second} -d ${quoted(describe)}`;
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    return [
      here,
      ...options.map((option) => `complete -c stent -n "${seen}" -l ${option.slice(2)}`),
    ];
  });
  return `# stent completion, for fish: stent completion fish | source\n${lines.join("\n")}\n`;
}

function wordsOf(nouns: Commands["nouns"], noun: string): string {
  return (nouns.find(({ name }) => name === noun)?.commands ?? [])
    .flatMap((each) => namesOf(each))
    .join(" ");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "\\'")}'`;
}
