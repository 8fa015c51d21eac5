import { inspect } from "node:util";
import type { Logger } from "./events.ts";

const shownOfFields = {
  depth: 4,
  breakLength: Infinity,
  maxArrayLength: 20,
  maxStringLength: 2_000,
};

/** The logger of those who gave none: warnings and errors, each with its time to stderr; nothing else. */
export const stderrLogger: Logger = Object.freeze({
  debug: () => undefined,
  info: () => undefined,
  warn: (message: string, fields?: object) => write("WARN", message, fields),
  error: (message: string, fields?: object) => write("ERROR", message, fields),
});

function write(level: string, message: string, fields: object | undefined): void {
  const shown = fields === undefined ? "" : ` ${inspect(fields, shownOfFields)}`;
  // oxlint-disable-next-line eslint/no-console -- unlike process.stderr.write it survives a pipe that nobody reads any more
  console.error(`${new Date().toISOString()} ${level} stent: ${message}${shown}`);
}
