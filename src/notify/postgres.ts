/**
 * Hints over LISTEN and NOTIFY of PostgreSQL, on one connection that does nothing else.
 *
 *   P1  NOTIFY is sent by itself, never in a transaction that does work: its commit takes a lock that all databases of the server share
 *       (12,000 commits/s became 4,300). For the same reason messages leave gaps.
 *   P2  A connection that LISTENs through a pooler in transaction mode hears nothing, and nobody says so. Each new one therefore sends
 *       itself a message, and is given up when that does not come.
 */
import { randomBytes } from "node:crypto";
import type { Client } from "pg";
import {
  CrossProcessNotifier,
  type CrossProcessOptions,
  type HintTransport,
} from "./cross-process-notifier.ts";
import { encodeHints } from "./hint-message.ts";
import type { Session } from "./kept-session.ts";
import type { NotificationBackend } from "./notifier.ts";
import { withinTime } from "./time-limit.ts";
import { unreferencedClock } from "./unreferenced-clock.ts";

/** How long PostgreSQL may take to answer that it has sent something, and to bring a message of our own. */
const notifyLimitMs = 2_000;

/** Which PostgreSQL, and who is told of outages. */
export interface PostgresNotificationsOptions extends CrossProcessOptions {
  /** For messages; no password in it: "PostgreSQL at db:5432". */
  readonly name: string;
  /** A name of letters, digits and "_". Those that share one in a database hear of each other. */
  readonly channel: string;
  /** Gives a new client that is connected; it is ended here. What it is rejected with may go to the log, so no password in its message. */
  readonly connect: () => Promise<Client>;
}

/** Wake-ups through the database itself. Connects when something is published or listened to. @throws TypeError for an unsafe channel. */
export function postgresNotifications(options: PostgresNotificationsOptions): NotificationBackend {
  const { channel } = options;
  if (!/^[a-z_][a-z0-9_]{0,62}$/i.test(channel)) {
    throw new TypeError(
      `the channel of NOTIFY must be up to 63 letters, digits and "_", got ${JSON.stringify(channel)}`,
    );
  }
  return new CrossProcessNotifier(new PostgresTransport(options), options);
}

class PostgresTransport implements HintTransport<PostgresSession> {
  readonly name: string;
  readonly maxBytes = 7_900; // a payload has to be shorter than 8,000
  readonly gapMs = 5; // by P1
  readonly #channel: string;
  readonly #connect: () => Promise<Client>;

  constructor({ name, channel, connect }: PostgresNotificationsOptions) {
    this.name = name;
    this.#channel = channel;
    this.#connect = connect;
  }

  async load(): Promise<void> {
    // The driver is there: whoever gives clients has it.
  }

  async open(received: (text: string) => void, signal: AbortSignal): Promise<PostgresSession> {
    const session = new PostgresSession(await this.#connect(), this.#channel, received);
    signal.addEventListener("abort", () => session.end(), { once: true });
    if (signal.aborted) session.end();
    await session.listen();
    return session;
  }

  async send(text: string, session: () => Promise<PostgresSession>): Promise<void> {
    await (await session()).notify(text);
  }

  close(): void {
    // Everything goes over the subscribed connection.
  }

  reasonOf(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    // Connecting to a name with several addresses gives an error without a message.
    return error.message !== "" || !("code" in error) ? error.message : String(error.code);
  }
}

class PostgresSession implements Session {
  readonly ended: Promise<unknown>;
  readonly #client: Client;
  readonly #channel: string;

  constructor(client: Client, channel: string, received: (text: string) => void) {
    this.#client = client;
    this.#channel = channel;
    this.ended = new Promise((resolve) => {
      client.on("error", resolve);
      client.on("end", () => resolve(new Error("the connection was closed")));
    });
    client.on("notification", ({ payload = "" }) => received(payload));
    unref(client);
  }

  /** Resolves once it hears what is sent. */
  async listen(): Promise<void> {
    await this.#client.query(`listen "${this.#channel}"`);
    const echo = encodeHints(`echo-${randomBytes(6).toString("hex")}`, []); // nothing to anybody else
    const heard = new Promise<void>((resolve) => {
      this.#client.on("notification", ({ payload }) => {
        if (payload === echo) resolve();
      });
    });
    await this.notify(echo);
    await withinTime(heard, {
      clock: unreferencedClock,
      limitMs: notifyLimitMs,
      what: "LISTEN needs a connection of its own, not one of a pooler in transaction mode: its own NOTIFY",
    }); // by P2
  }

  async notify(text: string): Promise<void> {
    await withinTime(this.#client.query("select pg_notify($1, $2)", [this.#channel, text]), {
      clock: unreferencedClock,
      limitMs: notifyLimitMs,
      what: "a NOTIFY",
    });
  }

  probe(): Promise<unknown> {
    return this.#client.query("select 1");
  }

  end(): void {
    this.#client.removeAllListeners("notification");
    this.#client.end().catch(() => undefined);
  }
}

/** Hints alone keep no process alive. The types of pg do not know of it. */
function unref(client: Client & { readonly unref?: () => void }): void {
  client.unref?.();
}
