import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";

/** What happened in the world, told by those to whom it happened; a line is there once its write has returned, whatever kills the process. */
export type Line =
  /** An attempt of an activity began or ended; `key` is its idempotency key. */
  | (Attempt & { readonly what: "start" })
  | (Attempt & { readonly what: "end"; readonly ok: boolean; readonly error?: string })
  /** The worker has stored that an attempt completed, or failed and is retried or not. */
  | (Told & { readonly what: "completed" | "retried" | "gave-up"; readonly key: string })
  /** A client's request was answered. */
  | (Told & { readonly what: "acknowledged"; readonly request: string })
  /** A client knows how an execution ended. */
  | (Told & {
      readonly what: "result";
      readonly id: string;
      readonly ok: boolean;
      readonly value: unknown;
    })
  /** Anything else that a test wants to know. */
  | (Told & { readonly what: "note"; readonly text: string; readonly value?: unknown })
  | (Told & {
      readonly what: "log";
      readonly level: string;
      readonly message: string;
      readonly error: string | undefined;
    });

interface Told {
  readonly at: number;
  readonly pid: number;
}
interface Attempt extends Told {
  readonly fn: string;
  readonly key: string;
  readonly execution: string;
  readonly attempt: number;
}

type Untold<L> = L extends Line ? Omit<L, "at" | "pid"> : never;

export class ExternalLog {
  readonly path: string;
  readonly #file: number;

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "as"); // O_APPEND | O_SYNC
  }

  write(line: Untold<Line>): void {
    writeSync(this.#file, `${JSON.stringify({ ...line, at: Date.now(), pid: process.pid })}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Everything in a log, in the order in which it was written. */
export function linesOf(path: string): Line[] {
  if (!existsSync(path)) return [];
  // What follows the last line break is being written.
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}
