import type { Compilable, RawBuilder } from "kysely";
import type { Statements } from "../batch.ts";
import type { Prepare, Read } from "../reader.ts";
import { Asking, Conversation, ProcedureError, type Send } from "./conversation.ts";
import { PostgresStatement } from "./statement.ts";

/** Somebody who reads, and waits for what it comes to. */
interface Waiting {
  readonly act: Read<unknown>;
  readonly resolve: (read: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Most that read side by side: bounds how much one statement gives. */
const mostAtOnce = 200;

/**
 * What reads in the same turn of the event loop reads side by side, so that a thousand workflows which wake up at once ask for their
 * journals in a few statements.
 */
export class Reads {
  readonly #statements: Statements;
  readonly #send: Send;
  readonly #patiently: <T>(act: () => Promise<T>) => Promise<T>;
  #waiting: Waiting[] = [];

  /** `patiently` tries again what the loss of a connection has stopped. */
  constructor(
    statements: Statements,
    send: Send,
    patiently: <T>(act: () => Promise<T>) => Promise<T>,
  ) {
    this.#statements = statements;
    this.#send = send;
    this.#patiently = patiently;
  }

  read<T>(act: Read<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#begin());
      this.#waiting.push({ act, resolve, reject });
    });
  }

  #begin(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < waiting.length; at += mostAtOnce)
      void this.#together(waiting.slice(at, at + mostAtOnce));
  }

  /** What fails for one of them fails for it alone. */
  async #together(waiting: readonly Waiting[]): Promise<void> {
    try {
      const read = await this.#patiently(() => this.#run(waiting));
      for (const [index, { resolve }] of waiting.entries()) resolve(read[index] as never);
    } catch (error) {
      const [only] = waiting;
      if (waiting.length === 1) only?.reject(error);
      else for (const one of waiting) void this.#together([one]);
    }
  }

  async #run(waiting: readonly Waiting[]): Promise<unknown[]> {
    const talk = new Conversation(this.#send, false);
    const procedures = waiting.map(({ act }) => act(this.#statements, prepareOnce));
    try {
      return await talk.run(procedures, []);
    } catch (error) {
      throw error instanceof ProcedureError ? error.cause : error;
    }
  }
}

/** A statement that no connection keeps. */
export const prepareOnce: Prepare = <O>(query: Compilable<O> | RawBuilder<O>) =>
  new Asking<O>(new PostgresStatement(query, { once: true }));
