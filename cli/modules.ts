import { existsSync } from "node:fs";
import { register } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "./usage-error.ts";

/** Loads modules by their paths, for what they register. @throws UsageError; ModuleError for what a module throws */
export async function importModules(paths: readonly string[]): Promise<void> {
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) throw new UsageError(`no module at ${resolve(missing)}`);
  const inTypeScript = paths.find((path) => /\.[cm]?tsx?$/.test(path));
  if (inTypeScript !== undefined && !readsTypeScript()) registerTsx(resolve(inTypeScript));
  for (const path of paths) await importModule(path);
}

/** A module could not be loaded, for a reason of its own. */
class ModuleError extends Error {
  readonly code = "MODULE_FAILED";
}

async function importModule(path: string): Promise<void> {
  try {
    await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    throw new ModuleError(`${path} cannot be loaded: ${name}: ${message}`, { cause: error });
  }
}

/** Whether this process was started so that it can. */
function readsTypeScript(): boolean {
  const options = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ");
  return /\btsx\b/.test(options) || "typescript" in process.features;
}

/** TypeScript is read by tsx, where the project has it. */
function registerTsx(path: string): void {
  try {
    // tsx refuses to be loaded without data: it takes that for Node's old way to load it.
    register("tsx/esm", pathToFileURL(path), { data: true });
  } catch (error) {
    throw new UsageError(
      `${path} is TypeScript: install tsx beside it (npm install tsx), or name the compiled module`,
      { cause: error },
    );
  }
}
