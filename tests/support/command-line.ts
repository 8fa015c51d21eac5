/** The command line as it is installed: built, and run in a process of its own. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What a command has written, and how it has ended. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Of every command: it names no database. */
export const environment = { ...process.env, STENT_DATABASE_URL: "" };

const longestOutput = 100_000_000;

/** Runs a command to its end. */
export function run(
  program: string,
  cwd: string,
  parameters: readonly string[],
  input: string,
): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...parameters], {
    cwd,
    input,
    encoding: "utf8",
    env: environment,
    maxBuffer: longestOutput,
  });
  return { status, stdout, stderr };
}

/** The package, built, as the command line of a project beside it finds it. */
export function buildInto(place: string): void {
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
}
