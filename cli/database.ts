import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Stent } from "stentjs";
import { UsageError } from "./usage-error.ts";

/** The options of every command. */
export interface GlobalArguments {
  readonly database: string | undefined;
  readonly json: boolean | undefined;
}

const defaultPath = "stent.db";

/** What `act` gives, over a database that is there: nothing is created (X2). @throws DatabaseError, SchemaMismatchError */
export async function withStent<T>(
  { database }: Pick<GlobalArguments, "database">,
  act: (stent: Stent) => Promise<T>,
): Promise<T> {
  const { DatabaseError, Stent } = await import("stentjs");
  const backend = databaseOf(database);
  const path = pathOf(backend);
  if (path !== undefined && !existsSync(path)) {
    throw new DatabaseError(
      "DATABASE_MISSING",
      `no database at ${path}${neighbours(path)} Create one with: stent migrate -d ${path}`,
    );
  }
  await using stent = await Stent.open({ backend, migrate: false });
  return await act(stent);
}

/** The database that is meant: the option, $STENT_DATABASE_URL, or ./stent.db. @throws UsageError */
export function databaseOf(option: string | undefined): string {
  const named = option ?? process.env["STENT_DATABASE_URL"];
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

/** The databases that stand in the same folder, for one that was mistyped. */
function neighbours(path: string): string {
  const folder = dirname(path);
  if (!existsSync(folder)) return ".";
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(".db") && name !== basename(path))
    .slice(0, 3);
  return names.length === 0
    ? "."
    : ` — did you mean ${names.map((name) => join(folder, name)).join(", ")}?`;
}
