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
  if (code.startsWith("SQLITE_READONLY") || code === "SQLITE_PERM" || code === "SQLITE_AUTH") {
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
  return new DatabaseError(
    "DATABASE_UNREACHABLE",
    `${what}; check that its folder exists and can be written`,
    options,
  );
}
