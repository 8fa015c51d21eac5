import { ClosedError } from "../../core/errors.ts";
import { systemClock, type Clock } from "../../runtime/clock.ts";
import {
  Batch,
  LaneCache,
  laneText,
  prepareStatements,
  tagsColumn,
  type Statements,
} from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { Reader, type Read } from "../reader.ts";
import type {
  Failures,
  NewExecution,
  Store,
  TransactAnswer,
  TransactRequest,
  Transition,
  Transitions,
  WithinKind,
  WithinTransition,
} from "../store.ts";
import type { RestoredExecution } from "../restored.ts";
import { restore } from "../restoring.ts";
import { dueOf, look } from "../verbs/claim.ts";
import { dispatch, wouldRestart } from "../verbs/dispatch.ts";
import { deadlines } from "../verbs/ending.ts";
import { leaveMessage } from "../verbs/message.ts";
import { refusalOf } from "../verbs/transact.ts";
import { CommitConnection } from "./commit-connection.ts";
import type { PostgresConnections } from "./connection.ts";
import { Asking, ProcedureError, together } from "./conversation.ts";
import { databaseError, isLost } from "./errors.ts";
import { lockOf } from "./locking.ts";
import { pause } from "./pause.ts";
import { prepareOnce, Reads } from "./reads.ts";
import { PostgresStatement } from "./statement.ts";
import { Transacting } from "./transacting.ts";
import { CallersTransaction, identityBy } from "./within.ts";

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
  readonly #reading: Statements = statementsWith(() => undefined);
  readonly #locking: Statements = statementsWith(lockOf);
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
      this.#reading,
      (query) =>
        query.name === undefined ? connections.listing.query(query) : connections.pool.query(query),
      (act) => this.#patiently(act),
    );
    const writing = {
      lanes: this.#lanes,
      failures: options.failures,
      now: this.#ownTime,
      statements: this.#locking,
    };
    this.#committing = new CommitConnection(connections, writing);
    this.#transacting = new Transacting(connections, {
      ...writing,
      look: (request) => {
        const now = this.#clock.now();
        return this.#readBatch(now, (batch) => refusalOf(batch, request));
      },
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

  async within<K extends WithinKind>(
    transaction: unknown,
    kind: K,
    request: Transitions[K]["request"],
  ): Promise<Transitions[K]["answer"]> {
    const now = await this.now();
    const writing = this.#callersTransaction(transaction, now);
    const asked = { kind, request } as WithinTransition;
    if (asked.kind === "dispatch") await this.#internLanes(asked.request.executions);
    // By O2 with locks only where there is no other way.
    const locking = new Batch(this.#locking, now, this.#lanes, this.#failures);
    const answer = await writing.write(function* writeWithin(batch): Procedure<unknown> {
      if (asked.kind === "signal") return yield* leaveMessage(batch, asked.request);
      const restarts = yield* wouldRestart(batch, asked.request);
      return yield* dispatch(restarts ? locking : batch, asked.request);
    });
    return answer as Transitions[K]["answer"];
  }

  async restore(execution: RestoredExecution): Promise<boolean> {
    await this.#internLanes([execution]);
    const now = await this.now();
    const client = await this.#connections.connectClient({ purpose: "import" });
    try {
      await client.query("begin");
      const writing = this.#callersTransaction(client, now);
      const written = await writing.write(function* write(batch): Procedure<boolean> {
        return yield* restore(batch, prepareOnce, execution);
      });
      await client.query("commit");
      return written;
    } catch (error) {
      throw databaseError(error, this.name);
    } finally {
      await client.end(); // and with it what is not committed
    }
  }

  #callersTransaction(transaction: unknown, now: number): CallersTransaction {
    const { name, schema, pool } = this.#connections;
    return new CallersTransaction(transaction, {
      name,
      schema,
      lanes: this.#lanes,
      failures: this.#failures,
      now,
      statements: this.#reading,
      identity: () =>
        this.#patiently(() =>
          identityBy(async (text, values) => {
            const { rows } = await pool.query<object>(text, [...values]);
            return { rows, changed: 0 };
          }, schema),
        ),
    });
  }

  /** Beforehand, and committed: others that need the same lane would wait for the caller's commit. A lane that nobody uses does no harm. */
  async #internLanes(
    executions: readonly Pick<NewExecution, "kind" | "name" | "version" | "queue" | "tags">[],
  ): Promise<void> {
    for (const { kind, name, version, queue, tags } of executions) {
      const lane = { kind, name, version, queue, tags };
      const text = laneText(lane);
      if (this.#lanes.byText.has(text)) continue;
      await this.#readBatch(0, function* insert({ sql }) {
        yield* sql.sessions.insertLane.run({ ...lane, tags: tagsColumn(tags), text });
      });
      await this.#readBatch(0, (batch) => batch.lane(lane));
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
    // Side by side: who claims looks once more.
    const [now, waiting] = await Promise.all([
      this.now(),
      this.#readBatch(0, (batch) => look(batch, accepts)),
    ]);
    return dueOf(waiting, now);
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
