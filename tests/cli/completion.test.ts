import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { CommandLine } from "../support/command-line.ts";

/** What each line completes to. */
const cases: readonly (readonly [words: readonly string[], among: readonly string[]])[] = [
  [["li"], ["list"]],
  [["w"], ["wait", "watch", "why", "worker", "workers", "workflows"]],
  [
    ["dlq", "re"],
    ["replay", "replay-all"],
  ],
  [
    ["executions", ""],
    ["list", "show", "history", "export", "import", "ls"],
  ],
  [["list", "--st"], ["--state"]],
  [["cleanup", "--older"], ["--older-than"]],
  [["dlq", "discard", "--dry"], ["--dry-run"]],
  [
    ["signal", "--no"],
    ["--no-color", "--no-input"],
  ],
];

const line = new CommandLine();
after(() => line[Symbol.asyncDispose]());

async function scriptFor(shell: string): Promise<string> {
  const { status, stdout, stderr } = await line.run(["completion", shell]);
  assert.equal(status, 0, stderr);
  const file = join(line.folder, `stent.${shell}`);
  writeFileSync(file, stdout);
  return file;
}

/** How a shell is asked what it would offer behind these words. */
const shells: Readonly<
  Record<string, (file: string, words: readonly string[]) => readonly string[]>
> = {
  bash: (file, words) => [
    "--norc",
    "-c",
    `source ${file}; COMP_WORDS=(stent "$@"); COMP_CWORD=$#; _stent; printf '%s\\n' "\${COMPREPLY[@]}"`,
    "bash",
    ...words,
  ],
  // The functions of zsh that complete need a line editor; it has its own reading of what was written for bash.
  zsh: (file, words) => [
    "-f",
    "-c",
    `autoload -U +X compinit && compinit -u -D; source ${file}; COMP_WORDS=(stent "$@"); COMP_CWORD=$#; emulate -L sh -o kshglob; _stent; printf '%s\\n' "\${COMPREPLY[@]}"`,
    "zsh",
    ...words,
  ],
  fish: (file, words) => [
    "--no-config",
    "-c",
    `source ${file}; complete -C "stent $argv" | string replace -r '\\t.*' ''`,
    "--",
    ...words,
  ],
};

for (const [shell, asking] of Object.entries(shells)) {
  const missing = spawnSync(shell, ["-c", "true"]).status !== 0;
  describe(`completion in ${shell}`, { skip: missing ? `${shell} is not there` : false }, () => {
    test("offers commands, and options of the command that is named", async () => {
      const file = await scriptFor(shell);
      for (const [words, among] of cases) {
        const { stdout, stderr } = spawnSync(shell, asking(file, words), {
          encoding: "utf8",
        });
        assert.equal(stderr, "", words.join(" "));
        const offered = stdout.split("\n").filter((each) => each !== "");
        // zsh takes those that begin so from what it is offered.
        const begin = offered.filter(
          (each) => shell !== "zsh" || each.startsWith(words.at(-1) ?? ""),
        );
        assert.deepEqual(begin.toSorted(), [...among].toSorted(), words.join(" "));
      }
    });

    test("offers files where a command takes them", async () => {
      const file = await scriptFor(shell);
      const { stdout } = spawnSync(shell, asking(file, ["worker", "stent.ba"]), {
        encoding: "utf8",
        cwd: line.folder,
      });
      await scriptFor("bash");
      assert.ok(shell === "zsh" || stdout.includes("stent.bash"), stdout);
    });
  });
}
