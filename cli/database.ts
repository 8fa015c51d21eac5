import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Stent, StentOptions } from "stentjs";
import type { GlobalArguments } from "./global-arguments.ts";
import { distance } from "./likeness.ts";
import { note } from "./note.ts";
import { keepSecret } from "./secrets.ts";
import { UsageError } from "./usage-error.ts";

const defaultPath = "stent.db";

type Chosen = Pick<GlobalArguments, "database" | "quiet">;

/** What `act` gives, over a database that is there: nothing is created (X2). @throws DatabaseError, SchemaMismatchError */
export async function withStent<T>(given: Chosen, act: (stent: Stent) => Promise<T>): Promise<T> {
  const { Stent } = await import("stentjs");
  const backend = await existingDatabase(given);
  await using stent = await Stent.open({ ...stentOptions(given, backend), migrate: false });
  return await act(stent);
}

/** The database that is meant, which has to be there. @throws UsageError, DatabaseError */
export async function existingDatabase({ database }: Chosen): Promise<string> {
  const { DatabaseError } = await import("stentjs");
  const backend = databaseOf(database);
  const path = pathOf(backend);
  if (path === undefined || existsSync(path)) return backend;
  throw new DatabaseError(
    "DATABASE_MISSING",
    `no database at ${path}${neighbours(path)} Create one with: stent migrate -d ${path}`,
  );
}

/** What is warned of goes the way of every other note. */
export function stentOptions(given: Chosen, backend: string): StentOptions {
  const told = (message: string): void => note(given, message);
  const logger = { debug: ignore, info: ignore, warn: told, error: told };
  return { backend, logger };
}

function ignore(): void {
  // of no use to who reads a command's output
}

/** The database that is meant: the option, $STENT_DATABASE_URL, or ./stent.db. @throws UsageError */
export function databaseOf(option: string | undefined): string {
  const named = option ?? process.env["STENT_DATABASE_URL"];
  keepSecret(named);
  if (named !== undefined && named !== "") {
    if (pathOf(named) === ":memory:") {
      throw new UsageError(
        "a database in memory is gone with its process, so there is nothing to see; name a file",
      );
    }
    return named;
  }
  if (existsSync(defaultPath)) return defaultPath;
  throw new UsageError("which database? Name it with -d PATH, or set STENT_DATABASE_URL");
}

/** Of an SQLite file; undefined for what is none. */
function pathOf(backend: string): string | undefined {
  const scheme = /^([a-z][a-z\d+.-]+):/i.exec(backend)?.[1]?.toLowerCase();
  if (scheme === undefined) return backend;
  return scheme === "sqlite" ? backend.slice("sqlite:".length).replace(/^\/\/\//, "") : undefined;
}

/** The databases that stand in the same folder, for one that was mistyped: those whose names are most like it first. */
function neighbours(path: string): string {
  const folder = dirname(path);
  if (!existsSync(folder)) return ".";
  const wanted = basename(path);
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".db") && name !== wanted)
    .toSorted((a, b) => distance(a, wanted) - distance(b, wanted))
    .slice(0, 3);
  return names.length === 0
    ? "."
    : ` — did you mean ${names.map((name) => join(folder, name)).join(", ")}?`;
}
