import { createInterface } from "node:readline/promises";
import type { GlobalArguments } from "./global-arguments.ts";
import { printable } from "./printable.ts";
import { UsageError } from "./usage-error.ts";

/** So many of what an act would be done to are shown. */
const mostShown = 5;

/** Asks before something is done to many. @throws UsageError where nobody can be asked, or the answer is no */
export async function confirm(
  { yes, questions }: GlobalArguments,
  asked: { readonly question: string; readonly rows: readonly string[]; readonly count: number },
): Promise<void> {
  if (yes === true) return;
  const { question, rows, count } = asked;
  if (questions === false || !process.stdin.isTTY) {
    throw new UsageError(`${question} Nobody can be asked here: add --yes, or --dry-run to look`);
  }
  const shown = rows.slice(0, mostShown).map((row) => `  ${printable(row)}\n`);
  const more = count > shown.length ? `  … and ${count - shown.length} more\n` : "";
  process.stderr.write(shown.join("") + more);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    terminal.close();
  }
  throw new UsageError("nothing was done");
}
