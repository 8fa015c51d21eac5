import type { Logger } from "./events.ts";

/** What of a pino logger is used: fields first, then the message. */
export interface PinoLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A logger of pino's, or of another library with the fields first, as the option `logger`. An error stands under `err`, where pino looks for it. */
export function fromPino(pino: PinoLogger): Logger {
  return {
    debug: (message, fields) => pino.debug(pinoFields(fields), message),
    info: (message, fields) => pino.info(pinoFields(fields), message),
    warn: (message, fields) => pino.warn(pinoFields(fields), message),
    error: (message, fields) => pino.error(pinoFields(fields), message),
  };
}

function pinoFields(fields: object | undefined): object {
  if (fields === undefined || !("error" in fields)) return fields ?? {};
  const { error, ...rest } = fields;
  return { ...rest, err: error };
}
