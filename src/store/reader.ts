import type { Compilable, RawBuilder } from "kysely";
import type { Payload } from "../core/payload.ts";
import type { ExecutionStatus } from "../core/status.ts";
import { laneOfRow, type Statements } from "./batch.ts";
import type { PreparedStatement, Procedure } from "./procedure.ts";
import { counting, listing } from "./statements/listing.ts";
import type { Survey } from "./survey.ts";
import { Surveyor } from "./surveyor.ts";
import type {
  ArrivalRow,
  BegunRow,
  DeadLetterRow,
  EndedExecution,
  EntryRow,
  ExecutionQuery,
  ExecutionRow,
  FullItemRow,
  Finished,
  HeldBack,
  ItemRow,
  JournalRow,
  MapProgress,
  SessionRow,
  StepRow,
  Store,
  TaskRow,
} from "./store.ts";
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

/** How many of those who hold the places of a limit are named. */
const holdersNamed = 3;
const everything = Number.MAX_SAFE_INTEGER;

/** Makes a statement whose text depends on what is asked. */
export type Prepare = <O>(query: Compilable<O> | RawBuilder<O>) => PreparedStatement<O>;

/** What is read in one go. */
export type Read<T> = (sql: Statements, prepare: Prepare) => Procedure<T>;

/** The reading half of the port. */
export abstract class Reader {
  readonly survey: Survey = new Surveyor((act) => this.read(act));

  /** Runs what reads, apart from every commit. @throws DatabaseError where the driver throws; ClosedError */
  protected abstract read<T>(act: Read<T>): Promise<T>;

  execution(id: string): Promise<ExecutionRow | undefined> {
    return this.read(function* (sql) {
      const row = yield* sql.executions.byId.get({ id });
      return row === undefined ? undefined : executionRow(row, yield* idOf(sql, row.parent));
    });
  }

  executionByKey(key: number): Promise<ExecutionRow | undefined> {
    return this.read(function* (sql) {
      const row = yield* sql.executions.byKey.get({ key });
      return row === undefined ? undefined : executionRow(row, yield* idOf(sql, row.parent));
    });
  }

  executions(query: ExecutionQuery): Promise<readonly ExecutionRow[]> {
    return this.read(function* (_, prepare) {
      return (yield* prepare(listing(query)).all({})).map((row) =>
        executionRow(row, row.parent_id ?? undefined),
      );
    });
  }

  countExecutions(query: Omit<ExecutionQuery, "limit">): Promise<number> {
    return this.read(function* (_, prepare) {
      return (yield* prepare(counting(query)).get({}))?.count ?? 0;
    });
  }

  heldBack(holder: number): Promise<HeldBack | undefined> {
    return this.read(function* ({ limits }) {
      const row = yield* limits.waitOf.get({ holder });
      const gate = row?.limit ?? row?.result;
      if (row === undefined || gate === null || gate === undefined) return undefined;
      const holders =
        row.limit === null
          ? [row.runner]
          : (yield* limits.holders.all({ gate: row.gate, limit: holdersNamed })).map(
              (one) => one.holder,
            );
      const by: string[] = [];
      for (const one of holders) {
        const id =
          one === null ? undefined : (yield* limits.executionOfHolder.get({ holder: one }))?.id;
        if (id !== undefined) by.push(id);
      }
      return { gate, places: row.places ?? undefined, per: row.per ?? undefined, by };
    });
  }

  ended(ids: readonly string[]): Promise<readonly EndedExecution[]> {
    return this.read(function* (sql) {
      const rows = yield* sql.executions.ended.all({ ids: JSON.stringify(ids) });
      return rows.map((row) => endedOf(row));
    });
  }

  outcome(id: string): ReturnType<Store["outcome"]> {
    return this.read(function* (sql) {
      const row = yield* sql.executions.outcome.get({ id });
      return row && { ended: row.ended_at === null ? undefined : endedOf(row) };
    });
  }

  entries(
    execution: number,
    run: number,
    page = { after: -1, limit: everything },
  ): Promise<readonly EntryRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.page.all({ execution, run, ...page })).map((row) => entryRow(row));
    });
  }

  newestEntries(execution: number, run: number, limit: number): Promise<readonly EntryRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.newest.all({ execution, run, limit })).map((row) => entryRow(row));
    });
  }

  newestSteps(execution: number, run: number, limit: number): Promise<readonly StepRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.newestSteps.all({ execution, run, limit })).map((row) =>
        stepRow(row),
      );
    });
  }

  begunEntries(
    after: { readonly execution: number; readonly seq: number },
    limit: number,
  ): Promise<readonly BegunRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.begunCalls.all({ ...after, limit })).map((row) => ({
        ...entryRow(row),
        execution: row.execution,
      }));
    });
  }

  journal(execution: number, run: number): Promise<readonly JournalRow[]> {
    return this.read(function* (sql) {
      return yield* sql.journal.replay.all({ execution, run });
    });
  }

  pendingEntries(execution: number, run: number, limit: number): Promise<readonly EntryRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.pending.all({ execution, run, limit })).map((row) =>
        entryRow(row),
      );
    });
  }

  items(execution: number, run: number, seq: number): Promise<readonly ItemRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.items.all({ execution, run, seq })).map((row) => ({
        item: row.item,
        status: row.status,
        value: row.value ?? undefined,
      }));
    });
  }

  itemPage(
    execution: number,
    run: number,
    seq: number,
    page: { readonly after: number; readonly limit: number },
  ): Promise<readonly FullItemRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.itemPage.all({ execution, run, seq, ...page })).map((row) =>
        fullItemRow(row),
      );
    });
  }

  mapProgress(execution: number, run: number, seq: number): Promise<MapProgress | undefined> {
    return this.read(function* (sql) {
      const place = { execution, run, seq };
      const fanout = yield* sql.journal.fanout.get(place);
      if (fanout === undefined) return undefined;
      const { total, left, failed, next } = fanout;
      const blocked = (yield* sql.executions.blockedChildOf.get(place))?.id;
      return { total, left, unqueued: total - next, failed, blocked };
    });
  }

  arrivals(execution: number): Promise<readonly ArrivalRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.journal.arrivals.all({ execution })).map((row) => arrivalRow(row));
    });
  }

  inbox(execution: number, name: string, limit: number): ReturnType<Store["inbox"]> {
    return this.read(function* (sql) {
      return yield* sql.sessions.inbox.all({ execution, name, limit });
    });
  }

  inboxNames(execution: number, names: readonly string[]): Promise<readonly string[]> {
    return this.read(function* (sql) {
      return (yield* sql.sessions.inboxNames.all({ execution, names: JSON.stringify(names) })).map(
        ({ name }) => name,
      );
    });
  }

  counters(execution: number): ReturnType<Store["counters"]> {
    return this.read(function* (sql) {
      return yield* sql.journal.counters.all({ execution });
    });
  }

  state(execution: number): ReturnType<Store["state"]> {
    return this.read(function* (sql) {
      return yield* sql.journal.state.all({ execution });
    });
  }

  tasks(query: Parameters<Store["tasks"]>[0]): Promise<readonly TaskRow[]> {
    const { execution, limit, after = 0 } = query;
    return this.read(function* (sql) {
      const rows =
        execution === undefined
          ? yield* sql.tasks.list.all({
              running: query.running === undefined ? undefined : Number(query.running),
              queue: query.queue === "default" ? undefined : query.queue,
              unqueued: Number(query.queue === "default"),
              after,
              limit,
            })
          : yield* sql.tasks.listOf.all({ execution, after, limit });
      const tasks: TaskRow[] = [];
      for (const row of rows) {
        const of = yield* sql.executions.standing.get({ key: row.execution });
        tasks.push(taskRow(row, of?.id ?? "", of?.cut ?? 0));
      }
      return tasks;
    });
  }

  finishedBefore(time: number, after: Finished, limit: number): Promise<readonly Finished[]> {
    const place = { time, afterEnd: after.endedAt, afterKey: after.key, limit };
    return this.read(function* (sql) {
      const rows = yield* sql.removal.finishedBefore.all(place);
      return rows.map((row) => ({ key: row.key, endedAt: row.ended_at }));
    });
  }

  marks(execution: number, run: number): ReturnType<Store["marks"]> {
    return this.read(function* (sql) {
      return yield* sql.sessions.marks.all({ execution, run });
    });
  }

  children(
    execution: number,
    states: readonly ExecutionStatus[],
    limit: number,
  ): Promise<readonly ExecutionRow[]> {
    return this.read(function* (sql) {
      const parentId = yield* idOf(sql, execution);
      return (yield* sql.executions.childrenIn.all({
        parent: execution,
        states: JSON.stringify(states),
        limit,
      })).map((row) => executionRow(row, parentId));
    });
  }

  sessions(): Promise<readonly SessionRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.sessions.all.all({})).map((row) => sessionRow(row));
    });
  }

  held(session: number): ReturnType<Store["held"]> {
    return this.read(function* (sql) {
      return {
        executions: (yield* sql.executions.heldBy.all({ session })).map((row) => ({
          key: row.key,
          run: row.run,
          wakeSeq: row.wake_seq,
          claim: row.claim,
        })),
        tasks: (yield* sql.tasks.heldBy.all({ session })).map((row) => ({
          key: row.key,
          cancelled: row.cancelled !== 0,
        })),
      };
    });
  }

  queueDepth(queue: string | undefined): Promise<number> {
    return this.read(function* (sql) {
      const which = {
        queue: queue === "default" ? undefined : queue,
        any: Number(queue === undefined),
      };
      return (
        ((yield* sql.tasks.depth.get(which))?.count ?? 0) +
        ((yield* sql.executions.depth.get(which))?.count ?? 0)
      );
    });
  }

  deadLetters(page: {
    readonly before?: number;
    readonly limit: number;
  }): Promise<readonly DeadLetterRow[]> {
    return this.read(function* (sql) {
      return (yield* sql.sessions.letters.all({
        before: page.before ?? everything,
        limit: page.limit,
      })).map((row) => letterRow(row));
    });
  }

  deadLetter(task: string): Promise<DeadLetterRow | undefined> {
    return this.read(function* (sql) {
      const row = yield* sql.sessions.letter.get({ task });
      return row === undefined ? undefined : letterRow(row);
    });
  }

  anyLeftRun(): Promise<boolean> {
    return this.read(function* (sql) {
      return (yield* sql.journal.leftRun.get({})) !== undefined;
    });
  }

  lanes(): ReturnType<Store["lanes"]> {
    return this.read(function* (sql) {
      return (yield* sql.sessions.lanesAfter.all({ after: 0 })).map((row) => laneOfRow(row));
    });
  }
}

function* idOf(sql: Statements, key: number | null): Procedure<string | undefined> {
  return key === null ? undefined : (yield* sql.executions.standing.get({ key }))?.id;
}

interface EndedRow {
  readonly id: string;
  readonly state: ExecutionStatus | null;
  readonly result: Payload | null;
}

function endedOf({ id, state, result }: EndedRow): EndedExecution {
  return { id, state: state ?? undefined, result: result ?? undefined };
}
