import type { Logger } from "../../src/observe/events.ts";

/** One line that was logged. */
export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: object | undefined;
}

/** A logger that keeps what it is given. */
export class MemoryLogger implements Logger {
  readonly lines: LogLine[] = [];

  debug(message: string, fields?: object): void {
    this.lines.push({ level: "debug", message, fields });
  }

  info(message: string, fields?: object): void {
    this.lines.push({ level: "info", message, fields });
  }

  warn(message: string, fields?: object): void {
    this.lines.push({ level: "warn", message, fields });
  }

  error(message: string, fields?: object): void {
    this.lines.push({ level: "error", message, fields });
  }
}
