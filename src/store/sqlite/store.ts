import type { Database, Statement } from "better-sqlite3";
import type { Clock } from "../../runtime/clock.ts";
import { failpoint } from "../../runtime/failpoint.ts";
import type { Failures, Settled, Store, Transition } from "../store.ts";
import { Batch, LaneCache, laneOfRow, prepareStatements, type Statements } from "./batch.ts";
import { databaseError, isBusy, isConstraint, sqliteCode } from "./errors.ts";
import { apply } from "./apply.ts";
import { SqliteReader } from "./reader.ts";
import { acceptedHeads } from "./verbs/claim.ts";
import { writeFanoutProgress } from "./verbs/task.ts";

/** How long a commit waits for another process that keeps writing, before it gives up. */
const commitPatienceMs = 30_000;

type CommitAnswer = Awaited<ReturnType<Store["commit"]>>;

/** Everything that Stent keeps, in one SQLite file. A batch is one synchronous `begin immediate` transaction. */
export class SqliteStore extends SqliteReader implements Store {
  readonly name: string;
  readonly #database: Database;
  readonly #sql: Statements;
  readonly #clock: Clock;
  readonly #failures: Failures;
  readonly #lanes = new LaneCache();
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #dataVersion: Statement;

  constructor(database: Database, path: string, options: { readonly clock: Clock; readonly failures: Failures }) {
    const sql = prepareStatements(database);
    super(database, sql);
    this.name = `sqlite:${path}`;
    this.#database = database;
    this.#sql = sql;
    this.#clock = options.clock;
    this.#failures = options.failures;
    this.#begin = database.prepare("begin immediate");
    this.#commit = database.prepare("commit");
    this.#rollback = database.prepare("rollback");
    this.#dataVersion = database.prepare("pragma data_version").pluck();
  }

  async commit(transitions: readonly Transition[]): Promise<CommitAnswer> {
    await this.#beginPatiently();
    try {
      return this.#write(transitions, applyAll);
    } catch (error) {
      this.#undo();
      if (!isOneTransitions(error)) throw databaseError(error, this.name);
    }
    // One of them is impossible: it alone is refused.
    await this.#beginPatiently();
    try {
      return this.#write(transitions, (batch) => this.#applyEach(batch, transitions));
    } catch (error) {
      this.#undo();
      throw databaseError(error, this.name);
    }
  }

  #write(transitions: readonly Transition[], act: (batch: Batch, transitions: readonly Transition[]) => Settled[]): CommitAnswer {
    const batch = new Batch(this.#sql, this.#clock.now(), this.#lanes, this.#failures);
    try {
      failpoint("commit.after-begin");
      const settled = act(batch, transitions);
      failpoint("commit.before-commit");
      this.#commit.run();
      failpoint("commit.after-commit");
      for (const lane of batch.newLanes) this.#lanes.add(lane);
      return { settled, hints: batch.hints() };
    } catch (error) {
      batch.forgetNewLanes();
      throw error;
    }
  }

  #applyEach(batch: Batch, transitions: readonly Transition[]): Settled[] {
    return transitions.map((transition): Settled => {
      this.#database.exec("savepoint one");
      try {
        const answer = apply(batch, transition);
        writeFanoutProgress(batch);
        this.#database.exec("release one");
        return { answer };
      } catch (error) {
        if (!isOneTransitions(error)) throw error;
        batch.fanouts.clear();
        batch.forgetNewLanes();
        this.#database.exec("rollback to one");
        this.#database.exec("release one");
        return { error };
      }
    });
  }

  async #beginPatiently(): Promise<void> {
    const giveUpAt = performance.now() + commitPatienceMs;
    for (;;) {
      try {
        this.#begin.run();
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() > giveUpAt) throw databaseError(error, this.name);
        // Another process writes: wait a moment without blocking the event loop, and with it heartbeats.
        await new Promise((done) => {
          setTimeout(done, 1 + Math.random() * 4);
        });
      }
    }
  }

  #undo(): void {
    if (this.#database.open && this.#database.inTransaction) this.#rollback.run();
  }

  now(): Promise<number> {
    return Promise.resolve(this.#clock.now());
  }

  peek(accepts: Parameters<Store["peek"]>[0]): ReturnType<Store["peek"]> {
    const batch = new Batch(this.#sql, this.#clock.now(), this.#lanes, this.#failures);
    const { now } = batch;
    const heads = acceptedHeads(batch, accepts).map((head) => head.dueAt);
    const later = heads.filter((dueAt) => dueAt > now);
    return Promise.resolve({ due: later.length < heads.length, nextDueAt: later.length === 0 ? undefined : Math.min(...later), now });
  }

  anyExpired(): Promise<boolean> {
    return Promise.resolve(this.#sql.executions.expired.get({ now: this.#clock.now(), limit: 1 }) !== undefined);
  }

  foreignChange(): Promise<number> {
    return Promise.resolve(Number(this.#dataVersion.get()));
  }

  lanes(): ReturnType<Store["lanes"]> {
    return Promise.resolve(this.#sql.sessions.lanesAfter.all({ after: 0 }).map((row) => laneOfRow(row)));
  }

  close(): Promise<void> {
    if (this.#database.open) this.#database.close();
    return Promise.resolve();
  }
}

function applyAll(batch: Batch, transitions: readonly Transition[]): Settled[] {
  const settled = transitions.map((transition): Settled => ({ answer: apply(batch, transition) }));
  writeFanoutProgress(batch);
  return settled;
}

/** True for what one transition brought about, so that its neighbours can be stored without it. */
function isOneTransitions(error: unknown): boolean {
  return isConstraint(error) || sqliteCode(error) === undefined;
}
