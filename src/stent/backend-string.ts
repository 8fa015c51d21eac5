import type { Backend } from "../store/backend.ts";
import { postgres } from "../store/postgres.ts";
import { sqlite } from "../store/sqlite.ts";

const known = `"sqlite:orders.db", "sqlite::memory:", "sqlite:///relative.db", "sqlite:////absolute.db", the path of a file, or "postgresql://user:password@host:5432/database"`;

/**
 * The backend that a text names: a path, or "sqlite:" and a path, which is taken letter by letter, or the URL of a PostgreSQL database. Messages show the scheme only: what
 * follows may hold a password. @throws TypeError
 */
export function backendOf(text: string): Backend {
  const scheme = /^([a-z][a-z\d+.-]+):/i.exec(text)?.[1]; // one letter is a drive of Windows
  if (scheme === undefined) return sqlite(pathOf(text));
  const rest = text.slice(scheme.length + 1);
  switch (scheme.toLowerCase()) {
    case "sqlite":
      return sqlite(pathOf(withoutAuthority(rest)));
    case "postgres":
    case "postgresql":
      return postgres(text);
    default:
      throw new TypeError(
        `"${scheme}:" is no backend of Stent; use ${known}. A file of such a name is "./${scheme}:…"`,
      );
  }
}

/** "///rel.db" and "////abs.db" are URLs without a host. */
function withoutAuthority(rest: string): string {
  if (rest.startsWith("///")) return rest.slice(3);
  if (!rest.startsWith("//")) return rest;
  throw new TypeError(
    `"sqlite://…" with two slashes would name a host, and SQLite has none; use ${known}`,
  );
}

function pathOf(path: string): string {
  if (path !== "") return path;
  throw new TypeError(`the backend has no path; use ${known}`);
}
