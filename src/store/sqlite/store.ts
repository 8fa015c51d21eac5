import type { Database, Statement } from "better-sqlite3";
import { ClosedError } from "../../core/errors.ts";
import type { Clock } from "../../runtime/clock.ts";
import { failpoint } from "../../runtime/failpoint.ts";
import type {
  Failures,
  Settled,
  Store,
  TransactAnswer,
  TransactRequest,
  Transition,
  Transitions,
  WithinKind,
  WithinTransition,
} from "../store.ts";
import { Batch, LaneCache, prepareStatements, type Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { Reader, type Prepare, type Read } from "../reader.ts";
import type { RestoredExecution } from "../restored.ts";
import { restore } from "../restoring.ts";
import { databaseError, isBusy, isConstraint, sqliteCode } from "./errors.ts";
import { apply } from "../verbs/apply.ts";
import { LentConnection } from "./lent-connection.ts";
import { Prepared, runThrough } from "./prepared.ts";
import { dueOf, look } from "../verbs/claim.ts";
import { dispatch } from "../verbs/dispatch.ts";
import { deadlines } from "../verbs/ending.ts";
import { send } from "../verbs/message.ts";
import { writeFanoutProgress } from "../verbs/fanout-progress.ts";
import { callFreed } from "../verbs/calling.ts";
import { complete, refusalOf } from "../verbs/transact.ts";
import { WithinCallers } from "./within.ts";

/** How long a commit waits for another process that keeps writing, before it gives up. */
const commitPatienceMs = 30_000;

type CommitAnswer = Awaited<ReturnType<Store["commit"]>>;

/** Everything that Stent keeps, in one SQLite file. A batch is one synchronous `begin immediate` transaction. */
export class SqliteStore extends Reader implements Store {
  readonly name: string;
  readonly closuresAside = false;
  readonly #database: Database;
  readonly #prepare: Prepare;
  readonly #sql: Statements;
  readonly #clock: Clock;
  readonly #failures: Failures;
  readonly #lanes = new LaneCache();
  readonly #within = new WithinCallers();
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #savepoint: Statement;
  readonly #release: Statement;
  readonly #rollbackToSavepoint: Statement;
  readonly #dataVersion: Statement;
  /** While the connection is lent to a closure of the user's: what is not committed is nobody else's to see. */
  #lent: Promise<void> | undefined;

  constructor(
    database: Database,
    path: string,
    options: { readonly clock: Clock; readonly failures: Failures },
  ) {
    super();
    this.name = `sqlite:${path}`;
    this.#database = database;
    this.#prepare = (query) => new Prepared(database, query);
    this.#sql = prepareStatements((query) => this.#prepare(query));
    this.#clock = options.clock;
    this.#failures = options.failures;
    this.#begin = database.prepare("begin immediate");
    this.#commit = database.prepare("commit");
    this.#rollback = database.prepare("rollback");
    this.#savepoint = database.prepare("savepoint one");
    this.#release = database.prepare("release one");
    this.#rollbackToSavepoint = database.prepare("rollback to one");
    this.#dataVersion = database.prepare("pragma data_version").pluck();
  }

  async commit(transitions: readonly Transition[]): Promise<CommitAnswer> {
    try {
      return await this.#patiently(() =>
        this.#write((batch) => runThrough(applyAll(batch, transitions))),
      );
    } catch (error) {
      if (!isOneTransitions(error) || error instanceof ClosedError)
        throw databaseError(error, this.#database.name);
    }
    // One of them is impossible: it alone is refused.
    try {
      return await this.#patiently(() =>
        this.#write((batch) => this.#applyEach(batch, transitions)),
      );
    } catch (error) {
      throw databaseError(error, this.#database.name);
    }
  }

  /** One transaction, from its beginning to its end without a pause. @throws what stood in the way; then nothing is stored */
  #write(act: (batch: Batch) => Settled[]): CommitAnswer {
    if (!this.#database.open) throw new ClosedError();
    this.#begin.run();
    const batch = this.#batch();
    try {
      failpoint("commit.after-begin");
      runThrough(batch.begin());
      const settled = act(batch);
      failpoint("commit.before-commit");
      this.#commit.run();
      failpoint("commit.after-commit");
      for (const lane of batch.newLanes) this.#lanes.add(lane);
      return { settled, hints: batch.hints() };
    } catch (error) {
      batch.forgetNewLanes(0);
      // SQLite may have ended it by itself: a full disk does.
      if (this.#database.open && this.#database.inTransaction) this.#rollback.run();
      throw error;
    }
  }

  #applyEach(batch: Batch, transitions: readonly Transition[]): Settled[] {
    return transitions.map((transition): Settled => {
      const lanes = batch.newLanes.length;
      this.#savepoint.run();
      try {
        const answer = runThrough(applyAlone(batch, transition));
        this.#release.run();
        return { answer };
      } catch (error) {
        if (!isOneTransitions(error) || !this.#database.inTransaction) throw error;
        batch.fanouts.clear();
        batch.range = undefined;
        batch.forgetNewLanes(lanes);
        this.#rollbackToSavepoint.run();
        this.#release.run();
        return { error };
      }
    });
  }

  /** On the caller's connection. What it locks, it has locked already: SQLite has one writer. */
  async within<K extends WithinKind>(
    transaction: unknown,
    kind: K,
    request: Transitions[K]["request"],
  ): Promise<Transitions[K]["answer"]> {
    if (!this.#database.open) throw new ClosedError();
    const { name } = this.#database;
    const file = this.#database.memory ? "" : name;
    const parts = { name: this.name, file, now: this.#clock.now(), failures: this.#failures };
    const asked = { kind, request } as WithinTransition;
    const answer = await this.#within.write(
      transaction,
      parts,
      function* writeWithin(batch): Procedure<unknown> {
        return asked.kind === "signal"
          ? yield* send(batch, asked.request)
          : yield* dispatch(batch, asked.request);
      },
    );
    return answer as Transitions[K]["answer"];
  }

  /** Between two commits, on the connection of both. */
  async transact(request: TransactRequest): Promise<TransactAnswer> {
    let giveBack = nothing;
    try {
      giveBack = await this.#patiently(() => this.#lend());
      return await this.#transacted(request);
    } catch (error) {
      throw databaseError(error, this.#database.name);
    } finally {
      // Those who wait for it go on after this, and even if the rollback should fail.
      giveBack();
      if (this.#database.open && this.#database.inTransaction) this.#rollback.run();
    }
  }

  /** Begins. @returns what lets the others at the connection again */
  #lend(): () => void {
    if (!this.#database.open) throw new ClosedError();
    this.#begin.run();
    let giveBack = nothing;
    this.#lent = new Promise((resolve) => {
      giveBack = () => {
        this.#lent = undefined;
        resolve();
      };
    });
    return giveBack;
  }

  /** All that is between its beginning and its end; what does not end in "stored" is rolled back. */
  async #transacted(request: TransactRequest): Promise<TransactAnswer> {
    failpoint("transact.after-begin");
    const refused = runThrough(refusalOf(this.#begun(), request));
    if (refused !== undefined) return { kind: "refused", reason: refused };
    const end = await new LentConnection(this.#database, request).run();
    if (end.kind === "error") return { kind: "rolled-back", error: end.error };
    runThrough(complete(this.#begun(), request, end.value));
    failpoint("transact.before-commit");
    this.#commit.run();
    failpoint("transact.after-commit");
    return { kind: "stored" };
  }

  async restore(execution: RestoredExecution): Promise<boolean> {
    let written = false;
    try {
      await this.#patiently(() =>
        this.#write((batch) => {
          written = runThrough(restore(batch, this.#prepare, execution));
          return [];
        }),
      );
    } catch (error) {
      throw databaseError(error, this.#database.name);
    }
    return written;
  }

  #batch(): Batch {
    return new Batch(this.#sql, this.#clock.now(), this.#lanes, this.#failures);
  }

  #begun(): Batch {
    const batch = this.#batch();
    runThrough(batch.begin());
    return batch;
  }

  /** Another process may be writing: waits for it without blocking the event loop, and with it heartbeats. */
  async #patiently<T>(act: () => T): Promise<T> {
    const giveUpAt = performance.now() + commitPatienceMs;
    for (;;) {
      while (this.#lent !== undefined) await this.#lent;
      try {
        return act();
      } catch (error) {
        if (!isBusy(error) || performance.now() > giveUpAt) throw error;
        await new Promise((done) => {
          setTimeout(done, 1 + Math.random() * 4);
        });
      }
    }
  }

  now(): Promise<number> {
    return Promise.resolve(this.#clock.now());
  }

  async peek(accepts: Parameters<Store["peek"]>[0]): ReturnType<Store["peek"]> {
    const batch = this.#batch();
    return dueOf(await this.read(() => look(batch, accepts)), batch.now);
  }

  deadlines(): ReturnType<Store["deadlines"]> {
    const batch = this.#batch();
    return this.read(() => deadlines(batch));
  }

  async foreignChange(): Promise<number> {
    return this.#readable(() => Number(this.#dataVersion.get()));
  }

  protected async read<T>(act: Read<T>): Promise<T> {
    return this.#readable(() => runThrough(act(this.#sql, this.#prepare)));
  }

  /** @throws DatabaseError where the driver throws; ClosedError */
  #readable<T>(act: () => T): T | Promise<T> {
    if (this.#lent !== undefined) return this.#lent.then(() => this.#readable(act));
    if (!this.#database.open) throw new ClosedError();
    try {
      return act();
    } catch (error) {
      throw databaseError(error, this.#database.name);
    }
  }

  close(): Promise<void> {
    if (this.#database.open) this.#database.close();
    return Promise.resolve();
  }
}

function nothing(): void {
  // it was not lent
}

function* applyAll(batch: Batch, transitions: readonly Transition[]): Procedure<Settled[]> {
  const settled: Settled[] = [];
  for (const transition of transitions) settled.push({ answer: yield* apply(batch, transition) });
  yield* writeFanoutProgress(batch);
  if (batch.freed.size > 0) yield* callFreed(batch);
  return settled;
}

function* applyAlone(
  batch: Batch,
  transition: Transition,
): Procedure<Extract<Settled, { answer: unknown }>["answer"]> {
  const answer = yield* apply(batch, transition);
  yield* writeFanoutProgress(batch);
  if (batch.freed.size > 0) yield* callFreed(batch);
  return answer;
}

/** True for what one transition brought about, so that its neighbours can be stored without it. */
function isOneTransitions(error: unknown): boolean {
  return isConstraint(error) || sqliteCode(error) === undefined;
}
