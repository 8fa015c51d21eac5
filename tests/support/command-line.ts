/** The command line as it is installed: built, in a project beside it. */
import assert from "node:assert/strict";
import { fork, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { Asked, Run } from "./commands-process.ts";

export type { Run } from "./commands-process.ts";

const root = join(import.meta.dirname, "../..");

/** Of every command: it names no database. */
export const environment = { ...process.env, STENT_DATABASE_URL: "", NODE_TEST_CONTEXT: undefined };

/** Where `tests/run.ts` has built it for all files; a file that is run by itself builds its own. */
const built = process.env["TEST_COMMAND_LINE"];

/** A project with the command line. */
export class CommandLine implements AsyncDisposable {
  /** The project's folder. */
  readonly folder: string;
  /** The file that `stent` runs. */
  readonly program: string;
  readonly #place: string;
  readonly #own: boolean;
  #commands: ChildProcess | undefined;

  constructor() {
    this.#own = built === undefined;
    this.#place = built ?? commandLineBuilt();
    this.folder = mkdtempSync(join(this.#place, "project-"));
    this.program = join(this.#place, "dist/cli/main.js");
  }

  /** Runs a command in a process of its own. */
  async alone(
    parameters: readonly string[],
    input = "",
    env: NodeJS.ProcessEnv = {},
  ): Promise<Run> {
    const child = spawn(process.execPath, [this.program, ...parameters], {
      cwd: this.folder,
      env: { ...environment, ...env },
    });
    const ended = once(child, "close");
    child.stdin.on("error", () => undefined); // not every command reads it
    child.stdin.end(input);
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
    const [status] = (await ended) as [number | null];
    return { status, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  /** Runs a command, one at a time, in the process of those before. It takes a tenth of the time. */
  async run(parameters: readonly string[], input = ""): Promise<Run> {
    this.#commands ??= fork(
      join(import.meta.dirname, "commands-process.ts"),
      [join(this.#place, "dist/cli/run.js")],
      { cwd: this.folder, env: environment, execArgv: ["--import", "tsx"] },
    );
    const commands = this.#commands;
    const asked: Asked = { parameters, input };
    const over = new AbortController();
    const answered = once(commands, "message", over);
    const gone = once(commands, "exit", over);
    commands.send(asked);
    const [answer] = (await Promise.race([answered, gone])) as unknown[];
    over.abort();
    await Promise.allSettled([answered, gone]);
    assert.ok(
      typeof answer === "object" && answer !== null,
      `${parameters.join(" ")} ended with ${String(answer)}`,
    );
    return answer as Run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const commands = this.#commands;
    if (commands !== undefined && commands.exitCode === null) {
      const gone = once(commands, "exit");
      commands.kill("SIGKILL");
      await gone;
    }
    rmSync(this.#own ? this.#place : this.folder, { recursive: true, force: true });
  }
}

/** Builds the package into a new folder. @returns the folder */
export function commandLineBuilt(): string {
  const place = mkdtempSync(join(tmpdir(), "stent-command-line-"));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const project = [
    "--project",
    join(root, "src/tsconfig.build.json"),
    "--outDir",
    join(place, "dist"),
  ];
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...project], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
  copyFileSync(join(root, "package.json"), join(place, "package.json"));
  symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
  return place;
}
