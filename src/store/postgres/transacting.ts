/**
 * Closures of the user's, each in a transaction on a connection of its own.
 *
 *   T1  What is Stent's is locked when the closure has ended, for as long as storing its outcome takes: whatever the closure waits for,
 *       nobody waits for Stent's rows because of it.
 *   T2  Whether it may run is asked before, and decided at the end, behind those locks: what is refused there is rolled back.
 *   T3  A commit whose answer was lost is looked up by its write id, as with batches (C1): a closure that is stored is not run again.
 *   T4  A connection that was lent is cleared of all that the closure may have left in its session before it is lent again.
 */
import { randomUUID } from "node:crypto";
import type pg from "pg";
import { ClosedError } from "../../core/errors.ts";
import { failpoint } from "../../runtime/failpoint.ts";
import type { Payload } from "../../core/payload.ts";
import { Batch, type LaneCache, type Statements } from "../batch.ts";
import type { Failures, TransactAnswer, TransactRequest } from "../store.ts";
import { complete, refusalOf } from "../verbs/transact.ts";
import { fenceOff } from "./commit-connection.ts";
import { commits } from "./committing.ts";
import type { PostgresConnections } from "./connection.ts";
import { Conversation, ProcedureError, type Send } from "./conversation.ts";
import { isConstraint, isLost, isRefusedData, isTransient } from "./errors.ts";
import { quoted } from "./identifier.ts";
import { LentClient } from "./lent-client.ts";
import { lockAndLook, type WriteId } from "./opening.ts";
import { pause } from "./pause.ts";
import type { Locks } from "./reach.ts";
import { typeParsers } from "./type-parsers.ts";

/** How many closures of one process run at the same time: each takes a connection of the server's. */
export const mostClosures = 5;

/** How long a closure may take, and each of its statements. */
const closureLimitMs = 5_000;

/** How often it is run where other transactions are in its way. */
const mostTries = 4;

/** A connection that nobody has used for this long is given back. */
const idleLimitMs = 10_000;

/** While the closure runs. A process that is frozen keeps its locks no longer than the last of these. */
const whileItRuns = `begin isolation level read committed read write;
  select set_config('statement_timeout', '${closureLimitMs}', true), set_config('lock_timeout', '2s', true),
    set_config('idle_in_transaction_session_timeout', '${2 * closureLimitMs}', true), pg_backend_pid() as process`;

/** What the user's constraints and triggers have to say comes before Stent's locks. */
const whenItHasEnded = `set constraints all immediate; reset role; reset all;
  select set_config('lock_timeout', '2s', true), set_config('statement_timeout', '30s', true),
    set_config('idle_in_transaction_session_timeout', '5s', true)`;

/** What transacting needs. */
export interface TransactingParts {
  readonly lanes: LaneCache;
  readonly failures: Failures;
  /** In place of the database's clock. */
  readonly now: (() => number) | undefined;
  readonly statements: Statements;
  /** Whether it may run, without locks. */
  readonly look: (request: TransactRequest) => Promise<Refused["reason"] | undefined>;
  /** Default: 5 s. */
  readonly limitMs?: number;
}

type Refused = Extract<TransactAnswer, { kind: "refused" }>;

/** A place for a connection. Its row among the writers is one for all that it has had. */
class Place {
  readonly writer = randomUUID();
  batch = 0;
  client: pg.Client | undefined;
  /** The server's process that has the transaction. */
  process: number | undefined;
  idle: NodeJS.Timeout | undefined;

  async letGo(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    clearTimeout(this.idle);
    await client?.end().catch(() => undefined);
  }
}

/** Thrown where the closure ran into other transactions. */
class InTheWay extends Error {
  readonly ofClosure: boolean;
  constructor(cause: unknown, ofClosure: boolean) {
    super("another transaction was in the way", { cause });
    this.ofClosure = ofClosure;
  }
}

export class Transacting {
  readonly #connections: PostgresConnections;
  readonly #parts: TransactingParts;
  readonly #places: Place[] = [];
  readonly #free: Place[] = [];
  /** Who waits for a place, longest first. */
  readonly #waiting: ((place: Place) => void)[] = [];
  #closed = false;

  constructor(connections: PostgresConnections, parts: TransactingParts) {
    this.#connections = connections;
    this.#parts = parts;
  }

  /** Rejects only if nothing is stored, with what the database could not do. */
  async run(request: TransactRequest): Promise<TransactAnswer> {
    for (let tries = 1; ; tries += 1) {
      const reason = await this.#parts.look(request);
      if (reason !== undefined) return { kind: "refused", reason };
      try {
        return await this.#withPlace((place) => this.#once(place, request));
      } catch (error) {
        if (!(error instanceof InTheWay)) throw error;
        if (tries >= mostTries) {
          if (error.ofClosure) return { kind: "rolled-back", error: error.cause };
          throw error.cause;
        }
      }
      await pause(tries + 1);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#places.map((place) => place.letGo()));
  }

  async #withPlace<T>(act: (place: Place) => Promise<T>): Promise<T> {
    const place = await this.#place();
    clearTimeout(place.idle);
    try {
      return await act(place);
    } finally {
      void this.#cleared(place).then(() => this.#giveBack(place));
    }
  }

  async #place(): Promise<Place> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#places.length >= mostClosures)
      return new Promise((resolve) => {
        this.#waiting.push(resolve);
      });
    const place = new Place();
    this.#places.push(place);
    return place;
  }

  /** By T4. */
  async #cleared(place: Place): Promise<void> {
    try {
      await place.client?.query("discard all");
    } catch {
      await place.letGo();
    }
  }

  #giveBack(place: Place): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(place);
      return;
    }
    this.#free.push(place);
    if (this.#closed) void place.letGo();
    else place.idle = setTimeout(() => void place.letGo(), idleLimitMs).unref();
  }

  async #connected(place: Place): Promise<pg.Client> {
    if (this.#closed) throw new ClosedError();
    if (place.client !== undefined) return place.client;
    const client = await this.#connections.connectClient({
      purpose: "transaction",
      pipeline: true,
      forUser: true,
    });
    client.once("end", () => {
      if (place.client === client) place.client = undefined;
    });
    place.client = client;
    if (this.#closed) {
      await place.letGo();
      throw new ClosedError();
    }
    return client;
  }

  async #once(place: Place, request: TransactRequest): Promise<TransactAnswer> {
    const client = await this.#connected(place);
    const lent = new LentClient(client, request, this.#parts.limitMs ?? closureLimitMs);
    place.batch += 1;
    const id = { writer: place.writer, batch: place.batch };
    const ending = { client, lent, request, id, committing: false };
    try {
      place.process = processOf(await client.query(whileItRuns));
      failpoint("transact.after-begin");
      const end = await lent.run();
      const answer =
        end.kind === "error" ? failedWith(end.error, lent) : await this.#end(ending, end.value);
      if (answer.kind !== "stored") await this.#rollBack(place, lent);
      return answer;
    } catch (error) {
      lent.close();
      await this.#rollBack(place, lent);
      if (ending.committing && isLost(error) && (await this.#isStored(id)))
        return { kind: "stored" };
      throw error;
    }
  }

  /** Behind a closure that has a value (T2). */
  async #end(ending: Ending, value: Payload): Promise<TransactAnswer> {
    try {
      await this.#toStent(ending.client);
    } catch (error) {
      if (isLost(error)) throw error;
      if (isTransient(error)) throw new InTheWay(error, true);
      return { kind: "rolled-back", error };
    }
    try {
      return await this.#stored(ending, value);
    } catch (thrown) {
      const error = thrown instanceof ProcedureError ? thrown.cause : thrown;
      if (isTransient(error)) throw new InTheWay(error, false);
      if (isConstraint(error) || isRefusedData(error)) return { kind: "rolled-back", error };
      throw error;
    }
  }

  /** From the user's session to Stent's. Sent at once. */
  async #toStent(client: pg.Client): Promise<void> {
    // Named last, a temporary table does not stand for one of Stent's.
    const path = `${quoted(this.#connections.schema)}, pg_temp`;
    const sent = await Promise.allSettled([
      client.query(whenItHasEnded),
      client.query("select set_config('search_path', $1, true)", [path]),
    ]);
    for (const one of sent) if (one.status === "rejected") throw one.reason as Error;
  }

  async #stored(ending: Ending, value: Payload): Promise<TransactAnswer> {
    const { client, lent, request, id } = ending;
    const { lanes, failures, statements } = this.#parts;
    // What is prepared is cleared with everything else (T4).
    const send: Send = ({ text, values }) =>
      client.query({ text, values: values ?? [], rowMode: "array", types: typeParsers });
    const opening = await lockAndLook(send, locksOf(request), id);
    const batch = new Batch(statements, this.#parts.now?.() ?? opening.now, lanes, failures);
    batch.know(opening.anyMark, opening.live);
    const talk = new Conversation(send, true);
    const [reason] = await talk.run([refusalOf(batch, request)], [0]);
    if (reason !== undefined) return { kind: "refused", reason };
    await talk.run([complete(batch, request, value)], [0]);
    failpoint("transact.before-commit");
    const stray = lent.close();
    if (stray !== undefined) return { kind: "rolled-back", error: stray };
    ending.committing = true;
    commits(await talk.flush({ name: "", text: "commit", values: [], rowMode: "array" }));
    failpoint("transact.after-commit");
    return { kind: "stored" };
  }

  /** What is at work for the closure yet would hold up the rollback, and with it the locks. */
  async #rollBack(place: Place, lent: LentClient): Promise<void> {
    const { client } = place;
    if (client === undefined) return;
    lent.close();
    try {
      if (!lent.isBusy) {
        await client.query("rollback");
        return;
      }
    } catch {
      // it does not do any more
    }
    await Promise.all([
      place.letGo(),
      this.#connections.pool
        .query("select pg_terminate_backend($1)", [place.process])
        .catch(() => undefined),
    ]);
  }

  /** By T3. Asks until it is known: what has not been stored by then will not be. */
  async #isStored(id: WriteId): Promise<boolean> {
    for (let tries = 1; ; tries += 1) {
      try {
        const { rows } = await this.#connections.pool.query<{ batch: number }>(fenceOff, [
          id.writer,
          id.batch,
        ]);
        return rows[0]?.batch === id.batch;
      } catch (error) {
        if (this.#closed || !(isTransient(error) || isLost(error))) throw error;
        await pause(tries);
      }
    }
  }
}

interface Ending {
  readonly client: pg.Client;
  readonly lent: LentClient;
  readonly request: TransactRequest;
  readonly id: WriteId;
  /** From here on it may be stored without our knowing. */
  committing: boolean;
}

/** @throws where the closure may be run again: what it has come to is not its own doing */
function failedWith(error: unknown, lent: LentClient): TransactAnswer {
  if (lent.lost !== undefined) throw lent.lost;
  if (isTransient(lent.failure)) throw new InTheWay(error, true);
  return { kind: "rolled-back", error };
}

function locksOf({ session, execution }: TransactRequest): Locks {
  return {
    sessions: new Set([session]),
    reaped: new Set(),
    executions: new Set([execution]),
    ending: new Set(),
    tasks: new Set(),
    ids: new Set(),
    entries: [],
  };
}

/** Of several statements sent as one text the driver gives a list of results. */
function processOf(results: unknown): number | undefined {
  const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult | undefined;
  const [row] = (last?.rows ?? []) as { process?: number }[];
  return row?.process;
}
