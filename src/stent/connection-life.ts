import type { Connection } from "../client/connection.ts";
import { ClosedError, StentError } from "../core/errors.ts";

/** How a connection is opened and let go of. */
export interface ConnectionSource {
  open(): Promise<Connection>;
  /** What has to end before the connection does. */
  endFirst(): Promise<void>;
  close(connection: Connection): Promise<void>;
}

/** What was begun before a close may take this long to be prepared and stored. */
const closePatienceMs = 10_000;

/** One client's connection: opened on first use, closed once. */
export class ConnectionLife {
  readonly #source: ConnectionSource;
  /** What is being asked of the database now; waits are not among it. */
  readonly #acts = new Set<Promise<unknown>>();
  #connection: Promise<Connection> | undefined;
  /** The connection, once it is there. */
  #open: Connection | undefined;
  #closing: Promise<void> | undefined;

  constructor(source: ConnectionSource) {
    this.#source = source;
  }

  /** @throws DatabaseError, SchemaMismatchError; ClosedError once it is being closed */
  connected(): Promise<Connection> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError());
    this.#connection ??= this.#source.open().then(
      (connection) => (this.#open = connection),
      (error: unknown) => {
        this.#connection = undefined; // the next use tries again
        throw error;
      },
    );
    return this.#connection;
  }

  /** Connected, and not being closed. */
  get isOpen(): boolean {
    return this.#open !== undefined && this.#closing === undefined;
  }

  /** Does something that `close` lets end first. */
  act<T>(act: (connection: Connection) => Promise<T>): Promise<T> {
    return this.actOn(Promise.resolve(), act);
  }

  /** The same, with what is being prepared for it; where that is refused, the database is not asked. */
  async actOn<P, T>(
    preparing: Promise<P>,
    act: (connection: Connection, prepared: P) => Promise<T>,
  ): Promise<T> {
    const connecting = this.connected();
    connecting.catch(() => undefined); // the refusal comes first
    const acting = preparing.then(async (prepared) => act(await connecting, prepared));
    this.#acts.add(acting);
    try {
      return await acting;
    } catch (error) {
      throw this.#orClosed(error);
    } finally {
      this.#acts.delete(acting);
    }
  }

  /** Waits for something, which `close` ends, and takes from it what is asked for. Written without await: there may be many thousands. */
  wait<W, T>(
    wait: (connection: Connection) => Promise<W>,
    take: (connection: Connection, waited: W) => T,
  ): Promise<T> {
    return this.#open === undefined || this.#closing !== undefined
      ? this.connected().then((connection) => this.#waitOn(connection, wait, take))
      : this.#waitOn(this.#open, wait, take);
  }

  #waitOn<W, T>(
    connection: Connection,
    wait: (connection: Connection) => Promise<W>,
    take: (connection: Connection, waited: W) => T,
  ): Promise<T> {
    const refused = (error: unknown): never => {
      throw this.#orClosed(error);
    };
    try {
      return wait(connection).then((waited) => take(connection, waited), refused);
    } catch (error) {
      return Promise.reject(this.#orClosed(error));
    }
  }

  /** Ends waits, then what has to end first, then what is being asked; and lets go of the database. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const connection = await this.#connection?.catch(() => undefined);
    connection?.ends.close(new ClosedError());
    await this.#source.endFirst();
    await this.#actsEnded();
    if (connection !== undefined) await this.#source.close(connection);
  }

  async #actsEnded(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, closePatienceMs);
    });
    await Promise.race([Promise.allSettled(this.#acts), patience]);
    clearTimeout(timer);
  }

  /** What goes wrong below because the database has been closed is told as that. */
  #orClosed(error: unknown): unknown {
    return this.#closing !== undefined && !(error instanceof StentError)
      ? new ClosedError()
      : error;
  }
}
