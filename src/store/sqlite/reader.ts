import type { Database } from "better-sqlite3";
import { ClosedError } from "../../core/errors.ts";
import type { Payload } from "../../core/payload.ts";
import type { ExecutionStatus } from "../../core/status.ts";
import { counting, listing } from "../statements/listing.ts";
import type {
  ArrivalRow,
  BegunRow,
  DeadLetterRow,
  EndedExecution,
  EntryRow,
  ExecutionQuery,
  ExecutionRow,
  FullItemRow,
  ItemRow,
  JournalRow,
  MapProgress,
  SessionRow,
  StepRow,
  Store,
  TaskRow,
} from "../store.ts";
import type { Statements } from "./batch.ts";
import { databaseError } from "./errors.ts";
import { Prepared } from "./prepared.ts";
import {
  arrivalRow,
  entryRow,
  executionRow,
  fullItemRow,
  letterRow,
  sessionRow,
  stepRow,
  taskRow,
} from "./rows.ts";

const everything = Number.MAX_SAFE_INTEGER;

/** The reading half of the port, on one connection. */
export class SqliteReader {
  readonly #sql: Statements;
  readonly #connection: Database;
  /** While the connection is lent to a closure of the user's: what is not committed is nobody else's to see. */
  protected lent: Promise<void> | undefined;
  /** Queries whose text depends on what is asked, by their text. */
  readonly #endedIds: { all(json: string): EndedRow[] };

  constructor(database: Database, sql: Statements) {
    this.#sql = sql;
    this.#connection = database;
    this.#endedIds = database.prepare<[string], EndedRow>(
      "select asked.value as id, e.state, e.result from json_each(?) asked left join stent_executions e on e.id = asked.value where e.id is null or e.ended_at is not null",
    );
  }

  async execution(id: string): Promise<ExecutionRow | undefined> {
    return this.read(() => {
      const row = this.#sql.executions.byId.get({ id });
      return row === undefined ? undefined : executionRow(row, this.#idOf(row.parent));
    });
  }

  async executionByKey(key: number): Promise<ExecutionRow | undefined> {
    return this.read(() => {
      const row = this.#sql.executions.byKey.get({ key });
      return row === undefined ? undefined : executionRow(row, this.#idOf(row.parent));
    });
  }

  async executions(query: ExecutionQuery): Promise<readonly ExecutionRow[]> {
    return this.read(() =>
      new Prepared(this.#connection, listing(query))
        .all({})
        .map((row) => executionRow(row, row.parent_id ?? undefined)),
    );
  }

  async countExecutions(query: Omit<ExecutionQuery, "limit">): Promise<number> {
    return this.read(() => new Prepared(this.#connection, counting(query)).get({})?.count ?? 0);
  }

  async ended(ids: readonly string[]): Promise<readonly EndedExecution[]> {
    return this.read(() => this.#endedIds.all(JSON.stringify(ids)).map((row) => endedOf(row)));
  }

  async outcome(id: string): ReturnType<Store["outcome"]> {
    return this.read(() => {
      const row = this.#sql.executions.outcome.get({ id });
      return row && { ended: row.ended_at === null ? undefined : endedOf(row) };
    });
  }

  async entries(
    execution: number,
    run: number,
    page = { after: -1, limit: everything },
  ): Promise<readonly EntryRow[]> {
    return this.read(() =>
      this.#sql.journal.page.all({ execution, run, ...page }).map((row) => entryRow(row)),
    );
  }

  async newestEntries(execution: number, run: number, limit: number): Promise<readonly EntryRow[]> {
    return this.read(() =>
      this.#sql.journal.newest.all({ execution, run, limit }).map((row) => entryRow(row)),
    );
  }

  async newestSteps(execution: number, run: number, limit: number): Promise<readonly StepRow[]> {
    return this.read(() =>
      this.#sql.journal.newestSteps.all({ execution, run, limit }).map((row) => stepRow(row)),
    );
  }

  async begunEntries(
    after: { readonly execution: number; readonly seq: number },
    limit: number,
  ): Promise<readonly BegunRow[]> {
    return this.read(() =>
      this.#sql.journal.begunCalls
        .all({ ...after, limit })
        .map((row) => ({ ...entryRow(row), execution: row.execution })),
    );
  }

  async journal(execution: number, run: number): Promise<readonly JournalRow[]> {
    return this.read(() => this.#sql.journal.replay.all({ execution, run }));
  }

  async pendingEntries(
    execution: number,
    run: number,
    limit: number,
  ): Promise<readonly EntryRow[]> {
    return this.read(() =>
      this.#sql.journal.pending.all({ execution, run, limit }).map((row) => entryRow(row)),
    );
  }

  async items(execution: number, run: number, seq: number): Promise<readonly ItemRow[]> {
    return this.read(() =>
      this.#sql.journal.items
        .all({ execution, run, seq })
        .map((row) => ({ item: row.item, status: row.status, value: row.value ?? undefined })),
    );
  }

  async itemPage(
    execution: number,
    run: number,
    seq: number,
    page: { readonly after: number; readonly limit: number },
  ): Promise<readonly FullItemRow[]> {
    return this.read(() =>
      this.#sql.journal.itemPage
        .all({ execution, run, seq, ...page })
        .map((row) => fullItemRow(row)),
    );
  }

  async mapProgress(execution: number, run: number, seq: number): Promise<MapProgress | undefined> {
    return this.read(() => {
      const place = { execution, run, seq };
      const fanout = this.#sql.journal.fanout.get(place);
      if (fanout === undefined) return undefined;
      const { total, left, failed } = fanout;
      const blocked = this.#sql.executions.blockedChildOf.get(place)?.id;
      return { total, left, failed, blocked };
    });
  }

  async arrivals(execution: number): Promise<readonly ArrivalRow[]> {
    return this.read(() =>
      this.#sql.journal.arrivals.all({ execution }).map((row) => arrivalRow(row)),
    );
  }

  async inbox(execution: number, name: string, limit: number): ReturnType<Store["inbox"]> {
    return this.read(() => this.#sql.sessions.inbox.all({ execution, name, limit }));
  }

  async inboxNames(execution: number, names: readonly string[]): Promise<readonly string[]> {
    return this.read(() =>
      this.#sql.sessions.inboxNames
        .all({ execution, names: JSON.stringify(names) })
        .map(({ name }) => name),
    );
  }

  async counters(execution: number): ReturnType<Store["counters"]> {
    return this.read(() => this.#sql.journal.counters.all({ execution }));
  }

  async state(execution: number): ReturnType<Store["state"]> {
    return this.read(() => this.#sql.journal.state.all({ execution }));
  }

  async tasks(query: Parameters<Store["tasks"]>[0]): Promise<readonly TaskRow[]> {
    const { execution, limit, after = 0 } = query;
    return this.read(() => {
      const rows =
        execution === undefined
          ? this.#sql.tasks.list.all({
              running: query.running === undefined ? undefined : Number(query.running),
              queue: query.queue === "default" ? undefined : query.queue,
              unqueued: Number(query.queue === "default"),
              after,
              limit,
            })
          : this.#sql.tasks.listOf.all({ execution, after, limit });
      return rows.map((row) => {
        const of = this.#sql.executions.standing.get({ key: row.execution });
        return taskRow(row, of?.id ?? "", of?.cut ?? 0);
      });
    });
  }

  async finishedBefore(time: number, afterKey: number, limit: number): Promise<readonly number[]> {
    return this.read(() =>
      this.#sql.executions.finishedBefore
        .all({ time, after: afterKey, limit })
        .map((row) => row.key),
    );
  }

  async marks(execution: number, run: number): ReturnType<Store["marks"]> {
    return this.read(() => this.#sql.sessions.marks.all({ execution, run }));
  }

  async children(
    execution: number,
    states: readonly ExecutionStatus[],
    limit: number,
  ): Promise<readonly ExecutionRow[]> {
    return this.read(() => {
      const parentId = this.#idOf(execution);
      return this.#sql.executions.childrenIn
        .all({ parent: execution, states: JSON.stringify(states), limit })
        .map((row) => executionRow(row, parentId));
    });
  }

  async sessions(): Promise<readonly SessionRow[]> {
    return this.read(() => this.#sql.sessions.all.all({}).map((row) => sessionRow(row)));
  }

  async held(session: number): ReturnType<Store["held"]> {
    return this.read(() => ({
      executions: this.#sql.executions.heldBy
        .all({ session })
        .map((row) => ({ key: row.key, run: row.run, wakeSeq: row.wake_seq, claim: row.claim })),
      tasks: this.#sql.tasks.heldBy
        .all({ session })
        .map((row) => ({ key: row.key, cancelled: row.cancelled !== 0 })),
    }));
  }

  async queueDepth(queue: string | undefined): Promise<number> {
    return this.read(() => {
      const which = {
        queue: queue === "default" ? undefined : queue,
        any: Number(queue === undefined),
      };
      return (
        (this.#sql.tasks.depth.get(which)?.count ?? 0) +
        (this.#sql.executions.depth.get(which)?.count ?? 0)
      );
    });
  }

  async deadLetters(page: {
    readonly before?: number;
    readonly limit: number;
  }): Promise<readonly DeadLetterRow[]> {
    return this.read(() =>
      this.#sql.sessions.letters
        .all({ before: page.before ?? everything, limit: page.limit })
        .map((row) => letterRow(row)),
    );
  }

  async deadLetter(task: string): Promise<DeadLetterRow | undefined> {
    return this.read(() => {
      const row = this.#sql.sessions.letter.get({ task });
      return row === undefined ? undefined : letterRow(row);
    });
  }

  #idOf(key: number | null): string | undefined {
    return key === null ? undefined : this.#sql.executions.standing.get({ key })?.id;
  }

  /** @throws DatabaseError where the driver throws; ClosedError */
  protected read<T>(act: () => T): T | Promise<T> {
    if (this.lent !== undefined) return this.lent.then(() => this.read(act));
    if (!this.#connection.open) throw new ClosedError();
    try {
      return act();
    } catch (error) {
      throw databaseError(error, this.#connection.name);
    }
  }
}

interface EndedRow {
  readonly id: string;
  readonly state: ExecutionStatus | null;
  readonly result: Payload | null;
}

function endedOf({ id, state, result }: EndedRow): EndedExecution {
  return { id, state: state ?? undefined, result: result ?? undefined };
}
