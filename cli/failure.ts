import { escapedJson, printable } from "./printable.ts";
import { masked } from "./secrets.ts";

/** What a command's end means to a script. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  database: 3,
  notFound: 4,
  wrongState: 5,
  /** Of the execution that was waited for. */
  waited: { failed: 10, cancelled: 11, timed_out: 12 },
  timeout: 124,
  interrupted: 130,
  terminated: 143,
} as const;

const byCode: Readonly<Record<string, number>> = {
  USAGE: exitCodes.usage,
  NOT_SUPPORTED: exitCodes.usage,
  INVALID_DURATION: exitCodes.usage,
  SCHEMA_MISMATCH: exitCodes.database,
  DRIVER_MISSING: exitCodes.database,
  EXECUTION_NOT_FOUND: exitCodes.notFound,
  DEAD_LETTER_NOT_FOUND: exitCodes.notFound,
  NOT_FOUND: exitCodes.notFound,
  WAIT_EXPIRED: exitCodes.timeout,
  EXECUTION_EXISTS: exitCodes.wrongState,
  AMBIGUOUS_ID: exitCodes.wrongState,
  EXECUTION_RUNNING: exitCodes.wrongState,
  EXECUTION_FINISHED: exitCodes.wrongState,
  CLEANED_UP: exitCodes.wrongState,
};

/** Something else than an execution is not there. */
export class NotFoundError extends Error {
  readonly code = "NOT_FOUND";
}

const hints: Readonly<Record<string, string>> = {
  USAGE: "see: stent --help",
  EXECUTION_NOT_FOUND: "see: stent list",
  AMBIGUOUS_ID: "write more of it",
  CLEANED_UP: "begin a new run with --from start; or --force, if what was done may stay",
};

/** Tells on stderr what went wrong. @returns the exit code */
export function report(
  error: unknown,
  how: { readonly json: boolean; readonly verbose: boolean },
): number {
  const { code, message, stack } = describe(error);
  const hint = hints[code];
  if (how.json) {
    const told = { error: { code, message: masked(message), hint } };
    process.stderr.write(`${escapedJson(JSON.stringify(told))}\n`);
  } else {
    process.stderr.write(`error: ${printable(masked(message))}\n`);
    if (hint !== undefined) process.stderr.write(`${hint}\n`);
  }
  if (how.verbose && stack !== undefined) {
    const lines = masked(stack).split("\n");
    process.stderr.write(`${lines.map((line) => printable(line)).join("\n")}\n`);
  }
  return exitCodeOf(code);
}

function exitCodeOf(code: string): number {
  return byCode[code] ?? (code.startsWith("DATABASE_") ? exitCodes.database : exitCodes.failed);
}

function describe(error: unknown): { code: string; message: string; stack?: string | undefined } {
  if (!(error instanceof Error)) return { code: "FAILED", message: String(error) };
  // What yargs throws has the name YError and no code.
  const own = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const code =
    own ??
    (error.name === "YError" || error instanceof TypeError || error instanceof RangeError
      ? "USAGE"
      : "FAILED");
  return { code, message: error.message, stack: error.stack };
}
