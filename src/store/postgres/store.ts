import { ClosedError } from "../../core/errors.ts";
import { systemClock, type Clock } from "../../runtime/clock.ts";
import { Batch, LaneCache, prepareStatements, type Statements } from "../batch.ts";
import { Reader, type Read } from "../reader.ts";
import type { Failures, Store, TransactAnswer, TransactRequest, Transition } from "../store.ts";
import { peek } from "../verbs/claim.ts";
import { deadlines } from "../verbs/ending.ts";
import { refusalOf } from "../verbs/transact.ts";
import { CommitConnection, pause } from "./commit-connection.ts";
import type { PostgresConnections } from "./connection.ts";
import { Asking, ProcedureError, together } from "./conversation.ts";
import { databaseError, isLost } from "./errors.ts";
import { lockOf } from "./locking.ts";
import { Reads } from "./reads.ts";
import { PostgresStatement } from "./statement.ts";
import { Transacting } from "./transacting.ts";

/** How long reading tries to reach the database. */
const readPatienceMs = 30_000;

/** Everything that Stent keeps, in one schema of a PostgreSQL database. */
export class PostgresStore extends Reader implements Store {
  readonly name: string;
  readonly closuresAside = true;
  readonly #connections: PostgresConnections;
  readonly #clock: Clock;
  readonly #failures: Failures;
  readonly #lanes = new LaneCache();
  readonly #reads: Reads;
  readonly #committing: CommitConnection;
  readonly #transacting: Transacting;
  #closed = false;

  constructor(
    connections: PostgresConnections,
    options: { readonly clock: Clock; readonly failures: Failures },
  ) {
    super();
    this.name = connections.name;
    this.#connections = connections;
    this.#clock = options.clock;
    this.#failures = options.failures;
    this.#reads = new Reads(
      statementsWith(() => undefined),
      (query) => connections.pool.query(query),
      (act) => this.#patiently(act),
    );
    const writing = {
      lanes: this.#lanes,
      failures: options.failures,
      now: this.#ownTime,
      statements: statementsWith(lockOf),
    };
    this.#committing = new CommitConnection(connections, writing);
    this.#transacting = new Transacting(connections, {
      ...writing,
      look: (request) => this.#readBatch(this.#clock.now(), (batch) => refusalOf(batch, request)),
    });
  }

  async commit(transitions: readonly Transition[]): ReturnType<Store["commit"]> {
    if (this.#closed) throw new ClosedError();
    try {
      return await this.#committing.write(transitions);
    } catch (error) {
      throw databaseError(error, this.name);
    }
  }

  async transact(request: TransactRequest): Promise<TransactAnswer> {
    if (this.#closed) throw new ClosedError();
    try {
      return await this.#transacting.run(request);
    } catch (error) {
      throw databaseError(error, this.name);
    }
  }

  /** A clock that is not the system's stands for the database's as well: tests own the time. */
  get #ownTime(): (() => number) | undefined {
    return this.#clock === systemClock ? undefined : () => this.#clock.now();
  }

  async now(): Promise<number> {
    const now = this.#ownTime;
    if (now !== undefined) return now();
    return this.#patiently(async () => {
      const { rows } = await this.#connections.pool.query<{ now: number }>(
        "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now",
      );
      return rows[0]?.now ?? 0;
    });
  }

  async peek(accepts: Parameters<Store["peek"]>[0]): ReturnType<Store["peek"]> {
    const now = await this.now();
    return this.#readBatch(now, (batch) => peek(batch, accepts));
  }

  async deadlines(): ReturnType<Store["deadlines"]> {
    const now = await this.now();
    return this.#readBatch(now, deadlines);
  }

  /** Where its processes can tell each other what they have done. */
  get connections(): PostgresConnections {
    return this.#connections;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#committing.close(), this.#transacting.close()]);
    await this.#connections.close();
  }

  #readBatch<T>(now: number, act: (batch: Batch) => ReturnType<Read<T>>): Promise<T> {
    return this.read((sql) => act(new Batch(sql, now, this.#lanes, this.#failures)));
  }

  protected read<T>(act: Read<T>): Promise<T> {
    return this.#reads.read(act);
  }

  /** While the server is away, for as long as a restart may take. @throws DatabaseError, ClosedError */
  async #patiently<T>(act: () => Promise<T>): Promise<T> {
    const giveUpAt = performance.now() + readPatienceMs;
    for (let tries = 1; ; tries += 1) {
      if (this.#closed) throw new ClosedError();
      try {
        return await act();
      } catch (thrown) {
        const error = thrown instanceof ProcedureError ? thrown.cause : thrown;
        if (this.#closed) throw new ClosedError();
        if (!isLost(error) || performance.now() > giveUpAt) throw databaseError(error, this.name);
        await pause(tries);
      }
    }
  }
}

/** Every statement, made once for this store. */
function statementsWith(
  lock: (...statement: Parameters<typeof lockOf>) => string | undefined,
): Statements {
  const statements = prepareStatements(
    (query, group, name) => new Asking(new PostgresStatement(query, { lock: lock(group, name) })),
  );
  return { ...statements, together };
}
