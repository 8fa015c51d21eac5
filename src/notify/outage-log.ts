/** Where lines about outages go: a Logger will do. */
export interface HintLog {
  info(message: string): void;
  warn(message: string): void;
}

/** Warns once an outage, however many parts of a backend it strikes and however often each fails. */
export class OutageLog {
  readonly #what: string;
  readonly #log: HintLog | undefined;
  readonly #down = new Set<string>();
  readonly #told = new Set<string>();

  /** `what` names the backend, without a password in it. */
  constructor(what: string, log: HintLog | undefined) {
    this.#what = what;
    this.#log = log;
  }

  /** `reason` is a text because what drivers throw may hold a password somewhere inside. */
  failed(part: string, reason: string): void {
    const begins = this.#down.size === 0;
    this.#down.add(part);
    if (!begins) return;
    this.#say(
      "warn",
      `${this.#what} cannot be reached, so hints from and to other processes are late: workers and waits find everything by polling until it is back (${reason})`,
    );
  }

  worked(part: string): void {
    if (!this.#down.delete(part) || this.#down.size > 0) return;
    this.#say("info", `${this.#what} can be reached again`);
  }

  /** Warns of something once for good. */
  once(message: string): void {
    if (this.#told.has(message)) return;
    this.#told.add(message);
    this.#say("warn", message);
  }

  #say(level: "info" | "warn", message: string): void {
    try {
      this.#log?.[level](message);
    } catch {
      // No line is worth the work.
    }
  }
}
