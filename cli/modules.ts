import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "./usage-error.ts";

/** Loads modules by their paths, for what they register. @throws UsageError; what a module throws */
export async function importModules(paths: readonly string[]): Promise<void> {
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) throw new UsageError(`no module at ${resolve(missing)}`);
  for (const path of paths) await importModule(resolve(path));
}

async function importModule(path: string): Promise<void> {
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    if (!isUnknownExtension(error)) throw error;
    await registerTsx(path);
    // Its own address: the one that failed is not tried again.
    await import(`${pathToFileURL(path).href}?tsx`);
  }
}

function isUnknownExtension(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_UNKNOWN_FILE_EXTENSION";
}

/** TypeScript is read by tsx, where the project has it. */
async function registerTsx(path: string): Promise<void> {
  let api: string;
  try {
    api = createRequire(path).resolve("tsx/esm/api");
  } catch (error) {
    throw new UsageError(
      `${path} is TypeScript: install tsx beside it (npm install tsx), or name the compiled module`,
      { cause: error },
    );
  }
  const { register } = (await import(pathToFileURL(api).href)) as {
    register: (this: void) => unknown;
  };
  register();
}
