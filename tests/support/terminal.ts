/** Commands on a terminal of their own: a pseudo-terminal, by util-linux's script(1). */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandLine } from "./command-line.ts";
import { environment } from "./command-line.ts";

/** Why there is none: false where there is, as it is for every Debian, in which both programs are essential. */
export const withoutTerminal =
  ["script", "stty"].every((name) => spawnSync(name, ["--version"]).status === 0) ||
  process.env["CI"] !== undefined
    ? false
    : "script(1) or stty(1) is not there";

/** How a command has left its terminal. */
export interface Left {
  readonly status: number | null;
  /** As it was: what is typed is shown, and lines are edited. */
  readonly asBefore: boolean;
}

/** Around the command: what the terminal is called, how it was and is, and the process to send signals to. */
const around = `
trap : INT TERM
tty >tty; stty rows 24 cols 100; stty -g >before
sh -c 'echo $$ >pid; exec "$0" "$@"' "$@" $FROM
status=$?
stty -g >after
exit $status
`;

/** A command that runs on a terminal. */
export class OnTerminal {
  readonly #place: string;
  readonly #script: ChildProcess;
  #text = "";

  /** `withoutKeys`: what it would read is at its end at once, though it writes to a terminal. */
  constructor(
    line: CommandLine,
    parameters: readonly string[],
    {
      env = {},
      withoutKeys = false,
    }: { readonly env?: NodeJS.ProcessEnv; readonly withoutKeys?: boolean } = {},
  ) {
    this.#place = mkdtempSync(join(line.folder, "terminal-"));
    const file = join(this.#place, "around.sh");
    writeFileSync(file, around.replace("$FROM", withoutKeys ? "</dev/null" : ""));
    const words = [process.execPath, line.program, ...parameters].map((word) => `'${word}'`);
    const database = join(line.folder, "stent.db");
    this.#script = spawn("script", ["-qefc", `sh ${file} ${words.join(" ")}`, "/dev/null"], {
      cwd: this.#place,
      env: { ...environment, TERM: "xterm", STENT_DATABASE_URL: database, ...env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#script.stdout?.setEncoding("utf8").on("data", (part: string) => (this.#text += part));
  }

  /** All that was written to it. */
  get text(): string {
    return this.#text;
  }

  /** Until it has written that; @returns the index behind it. */
  async says(what: string, from = 0): Promise<number> {
    for (;;) {
      const at = this.#text.indexOf(what, from);
      if (at >= 0) return at + what.length;
      if (this.#script.exitCode !== null) throw new Error(`it ended without: ${this.#text}`);
      await Promise.race([
        once(this.#script.stdout as NodeJS.ReadableStream, "data"),
        once(this.#script, "exit"),
      ]);
    }
  }

  type(keys: string): void {
    this.#script.stdin?.write(keys);
  }

  /** Another size, of which the system tells who runs on it. */
  resize(rows: number, columns: number): void {
    const size = ["rows", String(rows), "cols", String(columns)];
    spawnSync("stty", ["-F", this.#read("tty"), ...size]);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(Number(this.#read("pid")), name);
  }

  async left(): Promise<Left> {
    if (this.#script.exitCode === null) await once(this.#script, "close");
    const asBefore = this.#read("before") === this.#read("after");
    return { status: this.#script.exitCode, asBefore };
  }

  #read(name: string): string {
    return readFileSync(join(this.#place, name), "utf8").trim();
  }
}
