import { accessSync, constants, existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseError } from "../../core/errors.ts";

/** The code of an error of the driver; undefined for any other error. */
export function sqliteCode(error: unknown): string | undefined {
  return error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("SQLITE_")
    ? error.code
    : undefined;
}

/** True where waiting helps: another process is writing. */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"));
}

/** True for what the database itself could not do, whatever the statement: it may be able to later. */
export function isTrouble(error: unknown): error is Error {
  return troubles.test(sqliteCode(error) ?? "");
}

const troubles = /^SQLITE_(?:FULL|IOERR|NOMEM|CORRUPT|NOTADB|READONLY|CANTOPEN)/;

/** True for errors of one statement's data; the transaction can go on without it. */
export function isConstraint(error: unknown): boolean {
  return sqliteCode(error)?.startsWith("SQLITE_CONSTRAINT") === true;
}

/** An error of the driver as one that says what to do; any other error as it is. */
export function databaseError(error: unknown, path: string): unknown {
  const code = sqliteCode(error);
  if (code === undefined || isConstraint(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const what = `SQLite database ${path}: ${message} (${code})`;
  const options = { cause: error };
  if (code === "SQLITE_NOTADB" || code.startsWith("SQLITE_CORRUPT")) {
    return new DatabaseError(
      "DATABASE_CORRUPT",
      `${what}; the file is no SQLite database, or it is damaged: check the path, or restore a backup`,
      options,
    );
  }
  if (isForbidden(code, path)) {
    return new DatabaseError(
      "DATABASE_READ_ONLY",
      `${what}; check the permissions of the file and its folder: SQLite writes to both`,
      options,
    );
  }
  if (code === "SQLITE_FULL") {
    return new DatabaseError(
      "DATABASE_FULL",
      `${what}; free some space (or raise max_page_count): work goes on by itself then`,
      options,
    );
  }
  if (isBusy(error)) {
    return new DatabaseError(
      "DATABASE_UNREACHABLE",
      `${what}; another process keeps it locked: end its transaction`,
      options,
    );
  }
  return new DatabaseError("DATABASE_UNREACHABLE", `${what}; ${adviceFor(code)}`, options);
}

function isForbidden(code: string, path: string): boolean {
  // What SQLite may not create or open, it calls no more than that it cannot be opened.
  if (code.startsWith("SQLITE_CANTOPEN")) return !mayWrite(path);
  return code.startsWith("SQLITE_READONLY") || code === "SQLITE_PERM" || code === "SQLITE_AUTH";
}

/** Whether this process may write the file and its folder, as far as there are any. */
function mayWrite(path: string): boolean {
  try {
    for (const each of [dirname(resolve(path)), path]) {
      if (existsSync(each)) accessSync(each, constants.R_OK | constants.W_OK);
    }
    return true;
  } catch {
    return false;
  }
}

function adviceFor(code: string): string {
  if (code.startsWith("SQLITE_CANTOPEN")) return "check that its folder exists";
  if (code.startsWith("SQLITE_IOERR")) return "check its disk, and that it is a local one";
  return "its tables may have been changed by something other than Stent";
}
