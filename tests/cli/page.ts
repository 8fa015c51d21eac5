import { nouns, verbs } from "../../cli/catalogue.ts";
import { declaredBy, declaredByBody, type Declared } from "../../cli/declared.ts";
import type { Entry } from "../../cli/entry.ts";
import { globalOptions } from "../../cli/global-arguments.ts";

/** docs/cli.md, as the commands have it. */
export async function commandLinePage(): Promise<string> {
  const common = declaredBy(globalOptions);
  const parts = [opening];
  for (const verb of verbs) parts.push(await sectionOf("", verb));
  for (const noun of nouns) {
    parts.push(`## stent ${noun.name}\n`);
    for (const each of noun.commands) parts.push(await sectionOf(`${noun.name} `, each));
  }
  parts.push(`## Options of every command\n\n${tableOf(common)}\n`);
  return parts.join("\n");
}

async function sectionOf(
  before: string,
  { command, aliases = [], describe, load }: Entry,
): Promise<string> {
  const body = await load();
  const { further = "" } = body;
  const rows = declaredByBody(body);
  const also =
    aliases.length === 0
      ? ""
      : ` Also \`stent ${aliases.map((alias) => before + alias).join("`, `stent ")}\`.`;
  const table = rows.length === 0 ? "" : `\n${tableOf(rows)}\n`;
  return `${before === "" ? "##" : "###"} stent ${before}${escaped(command)}\n\n${describe}.${also}${further === "" ? "" : ` ${further}`}\n${table}`;
}

function tableOf(rows: readonly Declared[]): string {
  const lines = rows.map(
    ({ name, short, says }) =>
      `| \`${short === undefined ? "" : `${short}, `}${name}\` | ${escaped(says)} |`,
  );
  return ["| option | says |", "| --- | --- |", ...lines].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "\\<");
}

const opening = `# The command line

This page is made from the commands: \`node --import tsx tests/cli/write-page.ts\`.

\`stent <command>\`. stdout is data; messages, questions and progress go to stderr, and \`stent list | head\` ends quietly. What inspects creates
nothing: only \`migrate\`, \`worker\` and \`start\` make a database. The database is \`-d\`, else \`$STENT_DATABASE_URL\`, else \`./stent.db\` if it is
there: a path, \`sqlite:rel.db\`, \`sqlite:///rel.db\`, \`sqlite:////abs.db\`, \`postgres://…\` or \`postgresql://…\`. Passwords are shown nowhere.

An id is a whole id, a beginning that only one execution has, or \`latest\`. Where several may stand, \`-\` takes whole ids from stdin:
\`stent list -s failed --all -o ids | stent retry -\`. What begins with a dash and is no option goes behind \`--\`. Acts on what a filter finds, or on \`--all\`,
say how many it is and ask; where nobody can be asked they need \`--yes\`. \`--dry-run\` counts.

With \`-o json\` there is one document, of a list \`{"items": […], "nextCursor": …}\`; with \`-o jsonl\` an item a line; with \`-o ids\` an id a line. Times are ISO in UTC
with milliseconds, and nothing is cut off. [cli.schema.json](cli.schema.json) says what each command prints. Errors are
\`{"error": {"code", "message", "hint"}}\` on stderr. In tables, long values are cut, and what would move a terminal's cursor is shown as an escape. Colours
are for terminals: \`NO_COLOR\`, \`FORCE_COLOR\` and \`TERM=dumb\` are honoured.

| exit code | means |
| --- | --- |
| 0 | ok |
| 1 | failed; of several some; what \`doctor\` finds is an error; \`replay\` differs |
| 2 | usage, or the answer was no |
| 3 | the database is missing, unreachable, or of another version |
| 4 | not found |
| 5 | wrong state, or several ids begin so |
| 10, 11, 12 | what \`wait\` waited for failed, was cancelled, timed out |
| 124 | \`wait --timeout\` is over |
| 130, 143 | SIGINT, SIGTERM |
`;
