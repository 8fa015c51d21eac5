import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { importsOf } from "../layers/imports.ts";

/** Whether any of these files asks for the shared PostgreSQL: by importing `support/postgres.ts`, or a file that does. */
export function needsPostgres(files: readonly string[]): boolean {
  return reaches(files, join(import.meta.dirname, "postgres.ts"));
}

/** Whether any of these files asks for the shared build of the command line. */
export function needsCommandLine(files: readonly string[]): boolean {
  return reaches(files, join(import.meta.dirname, "command-line.ts"));
}

function reaches(files: readonly string[], support: string): boolean {
  const seen = new Set<string>(files);
  for (const file of seen) {
    if (file === support) return true;
    for (const each of importedBy(file)) seen.add(each);
  }
  return false;
}

/** What is imported by a relative path; what is computed or belongs to a package leads to no test's support. */
function importedBy(file: string): string[] {
  if (!file.endsWith(".ts") || !existsSync(file)) return [];
  return importsOf(readFileSync(file, "utf8"))
    .map(({ specifier }) => specifier)
    .filter((specifier) => specifier?.startsWith(".") === true)
    .map((specifier) => join(dirname(file), specifier ?? ""))
    .filter((path) => path.includes("/tests/"));
}
