import type { Compilable, RawBuilder } from "kysely";
import { deadlineStatements } from "./statements/deadlines.ts";
import { executionStatements } from "./statements/executions.ts";
import { journalStatements } from "./statements/journal.ts";
import { limitStatements } from "./statements/limits.ts";
import { removalStatements } from "./statements/removal.ts";
import { sessionStatements } from "./statements/sessions.ts";
import { taskStatements } from "./statements/tasks.ts";
import type { Answer, PreparedStatement, Procedure } from "./procedure.ts";
import type { EndedExecution, Failures, Hints, Lane } from "./store.ts";

type Rows<Q> = Q extends Compilable<infer O> ? O : Q extends RawBuilder<infer O> ? O : never;
type PreparedOf<T> = { readonly [K in keyof T]: PreparedStatement<Rows<T[K]>> };

/** The row of a statement. */
export type RowOf<P> = P extends PreparedStatement<infer O> ? O : never;

/** Every statement, prepared on one connection. */
export interface Statements {
  readonly executions: PreparedOf<typeof executionStatements>;
  readonly journal: PreparedOf<typeof journalStatements>;
  readonly tasks: PreparedOf<typeof taskStatements>;
  readonly sessions: PreparedOf<typeof sessionStatements>;
  readonly deadlines: PreparedOf<typeof deadlineStatements>;
  readonly limits: PreparedOf<typeof limitStatements>;
  readonly removal: PreparedOf<typeof removalStatements>;
  /** Runs procedures side by side, where the database gains by it. */
  readonly together?: <T>(procedures: readonly Procedure<T>[]) => Answer<T[]>;
}

export type StatementGroup = Exclude<keyof Statements, "together">;

/** Makes every statement that can be prepared on a connection. */
export function prepareStatements(
  prepare: (
    query: Compilable<unknown> | RawBuilder<unknown>,
    group: StatementGroup,
    name: string,
  ) => PreparedStatement<unknown>,
): Statements {
  const prepareAll = <T extends object>(group: StatementGroup, queries: T): PreparedOf<T> =>
    Object.fromEntries(
      Object.entries(queries).map(([name, query]) => [
        name,
        prepare(query as Compilable<unknown> | RawBuilder<unknown>, group, name),
      ]),
    ) as PreparedOf<T>;
  return {
    executions: prepareAll("executions", executionStatements),
    journal: prepareAll("journal", journalStatements),
    tasks: prepareAll("tasks", taskStatements),
    sessions: prepareAll("sessions", sessionStatements),
    deadlines: prepareAll("deadlines", deadlineStatements),
    limits: prepareAll("limits", limitStatements),
    removal: prepareAll("removal", removalStatements),
  };
}

/** Lanes by their text and by their key, as far as this process has met them. A lane never changes and is never removed. */
export class LaneCache {
  readonly byText = new Map<string, number>();
  readonly byKey = new Map<number, Lane>();
  /** Every lane up to this key has been read. */
  readUpTo = 0;

  add(lane: Lane): void {
    this.byText.set(laneText(lane), lane.key);
    this.byKey.set(lane.key, lane);
  }
}

/** What makes a lane, in one text. */
export function laneText(lane: Omit<Lane, "key">): string {
  return JSON.stringify([
    lane.kind,
    lane.name,
    lane.version ?? null,
    lane.queue ?? null,
    lane.tags,
  ]);
}

/** Without making a text of it. Tags have to be the same list, or none. */
function isSameLane(a: Omit<Lane, "key">, b: Omit<Lane, "key">): boolean {
  return (
    a.name === b.name &&
    a.kind === b.kind &&
    a.version === b.version &&
    a.queue === b.queue &&
    (a.tags === b.tags || (a.tags.length === 0 && b.tags.length === 0))
  );
}

type TaskRow = RowOf<Statements["tasks"]["byKey"]>;

/** What the tasks of one fan-out have in common. */
export interface TaskColumns {
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
  readonly name: string;
  readonly lane: number;
  readonly queue: string | null;
  readonly rank: number;
  readonly tags: string | null;
  readonly scheduled_at: number;
}

/** What a fan-out has come to within this batch; written once, at its end. */
export interface FanoutProgress {
  readonly execution: number;
  readonly run: number;
  readonly seq: number;
  readonly total: number;
  readonly tolerated: number | null;
  readonly forgone: number;
  next: number;
  left: number;
  failed: number;
  /** How many more items may be put into the queue, or begin as children. */
  released: number;
  /** The item by whose child it has failed. */
  failedBy: number | undefined;
  /** One of its tasks: where its items run. Undefined where they are children. */
  readonly row: TaskColumns | undefined;
}

/** An execution that is locked, with what a turn has to know of it. */
export interface HeldRow extends RowOf<Statements["executions"]["fenceOfEnd"]> {
  readonly key: number;
  readonly worker: number | null;
  readonly claim: number;
  readonly run: number;
  /** 1: there is a task, an arrival or a fan-out of it; undefined: nobody has looked. */
  readonly work: number | undefined;
}

/** One database transaction in progress: what its verbs share. */
export class Batch {
  readonly sql: Statements;
  readonly now: number;
  readonly lanes: LaneCache;
  readonly failures: Failures;
  readonly #live = new Map<number, boolean>();
  readonly fanouts = new Map<string, FanoutProgress>();
  /** Tasks by key of which items have ended side by side: whether any is left is seen once all of them have. */
  readonly ranges = new Map<number, TaskRow>();
  #range: TaskRow | undefined;
  #held: ReadonlyMap<number, HeldRow> = new Map();
  #tasks: ReadonlyMap<number, TaskRow> = new Map();
  /** Gates, or below zero results, at which something has become free, until those who wait there are called. */
  readonly freed = new Set<number>();
  readonly #woken = new Set<number>();
  readonly #awake = new Set<number>();
  readonly #beginning = new Set<number>();
  readonly #failed = new Set<string>();
  readonly #ended: EndedExecution[] = [];
  readonly #stopped: number[] = [];
  #ready = false;
  #lastLane: { readonly lane: Omit<Lane, "key">; readonly key: number } | undefined;
  #anyMark = false;

  constructor(sql: Statements, now: number, lanes: LaneCache, failures: Failures) {
    this.sql = sql;
    this.now = now;
    this.lanes = lanes;
    this.failures = failures;
  }

  /** Looks for what every transition may have to know. Comes before the first. */
  *begin(): Procedure<void> {
    this.know((yield* this.sql.sessions.anyMark.get({})) !== undefined, new Map());
  }

  /** The same, where it was looked for in another way. `held`, `tasks`: rows that are locked, as they are before the first transition. */
  know(
    anyMark: boolean,
    live: ReadonlyMap<number, boolean>,
    held: ReadonlyMap<number, HeldRow> = new Map(),
    tasks: ReadonlyMap<number, TaskRow> = new Map(),
  ): void {
    this.#tasks = tasks;
    this.#anyMark = anyMark;
    for (const [session, lives] of live) this.#live.set(session, lives);
    this.#held = held;
  }

  /** The same of a task. */
  knownTask(key: number): TaskRow | undefined {
    return this.#tasks.get(key);
  }

  /** The row of an execution, if it is known without asking: none of the transitions has changed it. */
  known(execution: number): HeldRow | undefined {
    return this.#held.get(execution);
  }

  /** The same of its work: 1 if there is any. */
  knownWork(execution: number): number | undefined {
    return this.#beginning.has(execution) ? 1 : this.#held.get(execution)?.work;
  }

  /** Work of an execution is stored, which nobody has seen when the batch began. */
  noteWork(execution: number): void {
    if (this.#held.has(execution)) this.#beginning.add(execution);
  }

  /** Whether `each` does so for all of them at the same time. */
  get sideBySide(): boolean {
    return this.sql.together !== undefined;
  }

  /** Does something for each of many, in their order or side by side: what is done for one is nothing to the others. */
  *each<T, R>(of: readonly T[], act: (one: T, index: number) => Procedure<R>): Procedure<R[]> {
    const { together } = this.sql;
    if (together !== undefined && of.length > 1) return yield* together(of.map(act));
    const results: R[] = [];
    for (const [index, one] of of.entries()) results.push(yield* act(one, index));
    return results;
  }

  /** The task of the outcome before this one, as long as it holds more items: where outcomes are stored one by one, theirs follow each other. */
  get range(): TaskRow | undefined {
    return this.#range;
  }

  set range(row: TaskRow | undefined) {
    this.#range = this.sideBySide ? undefined : row;
  }

  /** Asks two questions at the same time; the second runs after the first. */
  *both<A, B>(first: () => Answer<A>, second: () => Answer<B>): Procedure<[A, B]> {
    if (!this.sideBySide) {
      const a = yield* first();
      return [a, yield* second()];
    }
    const [a, b] = [first(), second()];
    return [yield* a, yield* b];
  }

  /** The same, if it is known without asking: a procedure for each turn would be one too many. */
  knownLive(session: number): boolean | undefined {
    return this.#live.get(session);
  }

  /** By S1. */
  *isLive(session: number): Procedure<boolean> {
    const known = this.#live.get(session);
    if (known !== undefined) return known;
    const live = (yield* this.sql.sessions.live.get({ session })) !== undefined;
    this.#live.set(session, live);
    return live;
  }

  forgetSession(session: number): void {
    this.#live.delete(session);
  }

  /** The key of a lane, interned at its first use. What is dispatched together mostly goes to one. */
  *lane(lane: Omit<Lane, "key">): Procedure<number> {
    const last = this.#lastLane;
    if (last !== undefined && isSameLane(last.lane, lane)) return last.key;
    const text = laneText(lane);
    const key = this.lanes.byText.get(text) ?? (yield* this.#storedLane(lane, text));
    this.#lastLane = { lane, key };
    return key;
  }

  *#storedLane(lane: Omit<Lane, "key">, text: string): Procedure<number> {
    const { lane: byText, insertLane } = this.sql.sessions;
    let row = yield* byText.get({ text });
    if (row === undefined) {
      insertLane.do({ ...lane, tags: tagsColumn(lane.tags), text });
      row = yield* byText.get({ text });
      if (row === undefined) throw new Error(`lane ${text} cannot be stored`);
      this.newLanes.push({ ...lane, key: row.key });
    }
    this.lanes.byText.set(text, row.key);
    return row.key;
  }

  /** Lanes made in this batch. Until it is committed, others do not know them, and their keys may yet be those of other lanes. */
  readonly newLanes: Lane[] = [];

  /** Those made since there were `kept` of them were rolled back. */
  forgetNewLanes(kept: number): void {
    for (const lane of this.newLanes.splice(kept)) this.lanes.byText.delete(laneText(lane));
    this.#lastLane = undefined;
  }

  /** The lane of a key; lanes that other processes have made are read when they are first met. */
  *laneOf(key: number): Procedure<Lane | undefined> {
    const { lanes, newLanes } = this;
    const known = lanes.byKey.get(key) ?? newLanes.find((lane) => lane.key === key);
    return known ?? (yield* this.#readLane(key));
  }

  *#readLane(key: number): Procedure<Lane | undefined> {
    const { lanes, newLanes } = this;
    for (const row of yield* this.sql.sessions.lanesAfter.all({ after: lanes.readUpTo })) {
      if (newLanes.some((lane) => lane.key === row.key)) break;
      lanes.add(laneOfRow(row));
      lanes.readUpTo = row.key;
    }
    const known = lanes.byKey.get(key);
    if (known !== undefined) return known;
    // Stored by somebody whose commit came after that of a later key.
    const row = yield* this.sql.sessions.laneByKey.get({ key });
    if (row === undefined) return undefined;
    const lane = laneOfRow(row);
    lanes.add(lane);
    return lane;
  }

  /** Whether a session has died with work that has not been settled since. */
  get hasMarks(): boolean {
    return this.#anyMark;
  }

  /** A session died while this was running in it. */
  mark(mark: {
    readonly execution: number;
    readonly run: number;
    readonly seq: number;
    readonly item: number;
    readonly session: number;
  }): void {
    this.sql.sessions.mark.do(mark);
    this.#anyMark = true;
  }

  /** S3: leaves the mark that the execution has something to do. */
  wake(key: number, held: boolean): void {
    if (held) this.#woken.add(key);
    else this.#ready = true;
    if (this.#awake.has(key)) return;
    if (this.sideBySide) this.#awake.add(key);
    this.sql.executions.wake.do({ key, now: this.now });
  }

  /** A fan-out has failed, which what runs beside it may not see yet. */
  noteFailed(fanout: string): void {
    if (this.sideBySide) this.#failed.add(fanout);
  }

  hasFailed(fanout: string): boolean {
    return this.#failed.has(fanout);
  }

  /** Everything that ran side by side has ended; what follows sees all of it. */
  endWave(): void {
    this.#held = new Map();
    this.#tasks = new Map();
    this.#awake.clear();
    this.#beginning.clear();
    this.#failed.clear();
  }

  /** What was counted of its fan-outs is of no interest any more. */
  forgetFanouts(execution: number): void {
    for (const [id, fanout] of this.fanouts)
      if (fanout.execution === execution) this.fanouts.delete(id);
  }

  hintWoken(key: number): void {
    this.#woken.add(key);
  }

  hintEnded(ended: EndedExecution): void {
    this.#ended.push(ended);
  }

  hintReady(): void {
    this.#ready = true;
  }

  hintStopped(task: number): void {
    this.#stopped.push(task);
  }

  hints(): Hints {
    return {
      woken: [...this.#woken],
      ended: this.#ended,
      ready: this.#ready,
      stopped: this.#stopped,
    };
  }
}

/** Tags as a column has them. */
export function tagsColumn(tags: readonly string[]): string | null {
  return tags.length === 0 ? null : JSON.stringify(tags);
}

/** Tags of a column. */
export function tagsOf(column: string | null): readonly string[] {
  return column === null ? [] : (JSON.parse(column) as string[]);
}

/** A lane's row as the port gives it. */
export function laneOfRow(row: {
  readonly key: number;
  readonly kind: "workflow" | "activity";
  readonly name: string;
  readonly version: string | null;
  readonly queue: string | null;
  readonly tags: string | null;
}): Lane {
  return {
    key: row.key,
    kind: row.kind,
    name: row.name,
    version: row.version ?? undefined,
    queue: row.queue ?? undefined,
    tags: tagsOf(row.tags),
  };
}
