/**
 * One transaction as a conversation: procedures run side by side until each of them waits for an answer, and then everything that they
 * have asked and told is sent at once, what is alike in one statement.
 *
 *   V1  Of one procedure the statements run in the order in which it asked for them.
 *   V2  Of procedures that run side by side they run in any order: what one does must be nothing to the others.
 *   V3  An error of one is an error of all: the transaction is rolled back.
 */
import type pg from "pg";
import type { Answer, Complaint, PreparedStatement, Procedure, Question } from "../procedure.ts";
import type { Values } from "../statements/statement.ts";
import type { Bound, PostgresStatement, Query } from "./statement.ts";

type Mode = "do" | "must" | "run" | "last" | "insert" | "get" | "all";

/** Sends a query; the answer comes when its turn has come. */
export type Send = (query: Query) => Promise<pg.QueryArrayResult>;

/** Thrown for an error that a procedure brought about, with the place that it was given. */
export class ProcedureError extends Error {
  readonly place: number;
  constructor(place: number, cause: unknown) {
    super("one of the procedures failed", { cause });
    this.place = place;
  }
}

/** Thrown for an error of what was sent ahead. */
export class UntoldError extends Error {
  constructor(cause: unknown) {
    super("it is not as it was told", { cause });
  }
}

/** A procedure on its way. */
class Strand {
  readonly procedure: Procedure<unknown>;
  readonly place: number;
  readonly whole: Together;
  /** Its place in what it is part of. */
  readonly index: number;
  /** The group of its last statement since the flush of that number: what it asks next runs in that one or in a later one. */
  group = 0;
  since = 0;
  /** What it waits for. */
  at: Asked | undefined;

  constructor(procedure: Procedure<unknown>, place: number, whole: Together, index: number) {
    this.procedure = procedure;
    this.place = place;
    this.whole = whole;
    this.index = index;
  }
}

/** One run of a statement. */
class Asked implements Iterator<Question, unknown, unknown> {
  readonly mode: Mode;
  readonly bound: Bound;
  readonly strand: Strand;
  readonly complain: (() => Error) | undefined;
  answer: unknown;
  /** Asked together with what was waited for before it. */
  answered = false;
  #given = false;

  constructor(mode: Mode, bound: Bound, strand: Strand, complain: (() => Error) | undefined) {
    this.mode = mode;
    this.bound = bound;
    this.strand = strand;
    this.complain = complain;
    if (mode === "last") this.answer = 0;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Question> {
    if (this.#given || this.answered) return { done: true, value: this.answer };
    this.#given = true;
    return { done: false, value: this };
  }
}

/** Procedures that one waits for. */
class Together implements Iterator<Question, unknown, unknown> {
  readonly procedures: readonly Procedure<unknown>[];
  readonly results: unknown[];
  strand: Strand | undefined;
  left: number;
  #given = false;

  constructor(procedures: readonly Procedure<unknown>[]) {
    this.procedures = procedures;
    this.left = procedures.length;
    this.results = Array.from({ length: this.left });
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Question> {
    if (this.#given) return { done: true, value: this.results };
    this.#given = true;
    return { done: false, value: this };
  }
}

/** What is wanted of a statement: nothing, that it changes every row, or what it has come to. */
type How = "told" | "asserted" | "counted";

/** Runs of one statement that are sent together. */
class Group {
  readonly statement: PostgresStatement;
  readonly how: How;
  readonly asked: Asked[] = [];
  readonly #identities: Set<string> | undefined;

  constructor(statement: PostgresStatement, how: How) {
    this.statement = statement;
    this.how = how;
    this.#identities = statement.text.identity === undefined ? undefined : new Set();
  }

  /** Runs that nothing tells apart: whoever reads by one of them has read for all. */
  get isOne(): boolean {
    return this.asked.length === 1 || this.statement.text.names.length === 0;
  }

  /** @returns false for what would write a row that another run in here writes. */
  add(asked: Asked): boolean {
    const { names, kind } = this.statement.text;
    if (names.length === 0 && kind !== "select" && this.asked.length > 0) return false;
    if (this.#identities !== undefined) {
      const identity = (this.statement.text.identity ?? []).map((at) => asked.bound[at]).join("\0");
      if (this.#identities.has(identity)) return false;
      this.#identities.add(identity);
    }
    this.asked.push(asked);
    return true;
  }
}

/** Procedures that are through but for their last answers. */
export interface Begun<T> {
  /** There are such answers. */
  readonly waits: boolean;
  /** What they return; where an answer is not there, as if it had changed nothing. */
  readonly finish: () => T[];
}

/** Whose procedure is running: they run one at a time, from one question to the next. */
let speaking: { readonly talk: Conversation; readonly strand: Strand } | undefined;

/** A conversation with one connection, on which a transaction is open. */
export class Conversation {
  readonly #send: Send;
  readonly #checks: boolean;
  #ahead: Promise<PromiseSettledResult<unknown>[]> | undefined;
  #groups: Group[] = [];
  /** The last group of each statement. */
  #last = new Map<PostgresStatement, number>();
  #trips = 0;

  /** Sends what stands before everything else, and is answered with the first flush. */
  sendAhead(queries: readonly Query[]): void {
    this.#ahead = Promise.allSettled(queries.map((query) => this.#send(query)));
  }

  /** `checks`: what must change something is looked at, to find out which did not; else all of it fails at once. */
  constructor(send: Send, checks: boolean) {
    this.#send = send;
    this.#checks = checks;
  }

  /** How often it has waited for answers. */
  get trips(): number {
    return this.#trips;
  }

  /**
   * Runs procedures side by side. What they told without asking may still be to be sent. `places`: what errors call each.
   * @throws ProcedureError, or what the driver throws
   */
  async run<T>(procedures: readonly Procedure<T>[], places: readonly number[]): Promise<T[]> {
    const { waits, finish } = await this.begin(procedures, places);
    if (waits) await this.flush();
    return finish();
  }

  /** The same up to where each is through, or waits for the last thing that it asks for; with the next flush that is there. */
  async begin<T>(
    procedures: readonly Procedure<T>[],
    places: readonly number[],
  ): Promise<Begun<T>> {
    const results = new Together(procedures);
    const from = this.#groups.length;
    let ready = procedures.map(
      (procedure, index) => new Strand(procedure, places[index] ?? index, results, index),
    );
    // What comes after others have run comes after what they told.
    for (const strand of ready) this.#follow(strand, from);
    for (;;) {
      const waiting = this.#advance(ready);
      if (waiting.every(({ at }) => at?.mode === "last")) {
        const finish = (): T[] => {
          if (this.#advance(waiting).length > 0) throw new Error("it was not the last question");
          return results.results as T[];
        };
        return { waits: waiting.length > 0, finish };
      }
      await this.flush();
      ready = waiting;
    }
  }

  /** Runs each as far as it gets without an answer. @returns those that wait for one */
  #advance(strands: readonly Strand[]): Strand[] {
    const waiting: Strand[] = [];
    const ready = [...strands].toReversed();
    for (let strand = ready.pop(); strand !== undefined; strand = ready.pop()) {
      const question = this.#step(strand);
      if (question instanceof Together) {
        question.strand = strand;
        if (question.procedures.length === 0) ready.push(strand);
        for (const [index, procedure] of [...question.procedures.entries()].toReversed()) {
          const part = new Strand(procedure, strand.place, question, index);
          this.#follow(part, this.#groupOf(strand));
          ready.push(part);
        }
      } else if (question instanceof Asked) {
        strand.at = question;
        waiting.push(strand);
      } else {
        const { strand: waiter, left } = strand.whole;
        if (waiter !== undefined && left === 0) ready.push(waiter);
      }
    }
    return waiting;
  }

  /** @returns what it asks; undefined at its end */
  #step(strand: Strand): Question | undefined {
    speaking = { talk: this, strand };
    try {
      const step = strand.procedure.next();
      if (step.done !== true) return step.value;
      const { whole } = strand;
      whole.results[strand.index] = step.value;
      whole.left -= 1;
      if (whole.strand !== undefined)
        this.#follow(whole.strand, Math.max(this.#groupOf(strand), this.#groupOf(whole.strand)));
      return undefined;
    } catch (error) {
      throw new ProcedureError(strand.place, error);
    } finally {
      speaking = undefined;
    }
  }

  ask(
    strand: Strand,
    statement: PostgresStatement,
    mode: Mode,
    bound: Bound,
    complain: (() => Error) | undefined,
  ): Answer<unknown> {
    const asked = new Asked(mode, bound, strand, complain);
    this.#follow(strand, this.#place(statement, asked, this.#groupOf(strand)));
    return asked;
  }

  #groupOf({ group, since }: Strand): number {
    return since === this.#trips ? group : 0;
  }

  #follow(strand: Strand, group: number): void {
    strand.group = group;
    strand.since = this.#trips;
  }

  /** By V1 into the last group of its statement, if that is not before what its procedure asked last; else into a new one. */
  #place(statement: PostgresStatement, asked: Asked, from: number): number {
    const how = this.#howOf(asked.mode);
    const last = this.#last.get(statement) ?? -1;
    const known = last < from ? undefined : this.#groups[last];
    if (known?.how === how && known.add(asked)) return last;
    const group = new Group(statement, how);
    group.add(asked);
    this.#groups.push(group);
    const at = this.#groups.length - 1;
    this.#last.set(statement, at);
    return at;
  }

  #howOf(mode: Mode): How {
    if (mode === "do") return "told";
    return mode === "must" && !this.#checks ? "asserted" : "counted";
  }

  /** Sends what has been told, if it is looked at whether all of it was possible. */
  async settle(): Promise<void> {
    if (this.#checks && this.#groups.some((group) => group.how !== "told")) await this.flush();
  }

  /** Sends everything, and takes in the answers. `last` is sent behind it, in the same go. */
  async flush(last?: Query): Promise<pg.QueryArrayResult | undefined> {
    const groups = this.#groups;
    this.#groups = [];
    this.#last = new Map();
    const queries = groups.map((group) => queryOf(group));
    if (last !== undefined) queries.push(last);
    this.#trips += 1;
    const sent = await Promise.allSettled(queries.map((query) => this.#send(query)));
    for (const one of (await this.#ahead) ?? [])
      if (one.status === "rejected") throw new UntoldError(one.reason);
    this.#ahead = undefined;
    const results = sent.map((one) => {
      if (one.status === "rejected") throw one.reason; // the first error, the others follow from it
      return one.value;
    });
    for (const [index, group] of groups.entries()) {
      const result = results[index];
      if (result !== undefined) takeIn(group, result);
      for (const asked of group.asked) asked.answered = true;
    }
    return last === undefined ? undefined : results.at(-1);
  }
}

function queryOf({ statement, how, asked, isOne }: Group): Query {
  const [first] = asked;
  if (how === "asserted") return statement.asserted(asked.map(({ bound }) => bound));
  if (first !== undefined && isOne) return statement.one(first.bound, first.mode === "insert");
  return statement.many(
    asked.map(({ bound }) => bound),
    how === "counted",
  );
}

function takeIn({ statement, asked, how, isOne }: Group, result: pg.QueryArrayResult): void {
  if (how !== "counted") return;
  if (!isOne) return answerMany(statement, asked, result);
  for (const one of asked) answerOne(statement, one, result);
}

function answerOne(statement: PostgresStatement, one: Asked, result: pg.QueryArrayResult): void {
  const { rows, rowCount } = result;
  switch (one.mode) {
    case "get":
      one.answer = rows[0] === undefined ? undefined : statement.row(result, rows[0], 0);
      break;
    case "all":
      one.answer = rows.map((columns) => statement.row(result, columns, 0));
      break;
    case "insert":
      one.answer = rows[0]?.[0];
      break;
    default:
      count(one, rowCount ?? 0);
  }
}

function answerMany(
  statement: PostgresStatement,
  asked: readonly Asked[],
  result: pg.QueryArrayResult,
): void {
  if (statement.text.kind === "insert") {
    // One row each, in the order in which they were given.
    for (const [index, one] of asked.entries()) {
      if (one.mode === "insert") one.answer = result.rows[index]?.[0];
      else count(one, 1);
    }
    return;
  }
  const found = asked.map((): unknown[][] => []);
  for (const columns of result.rows) found[Number(columns[0]) - 1]?.push(columns);
  for (const [index, one] of asked.entries()) {
    const rows = found[index] ?? [];
    if (one.mode === "all") one.answer = rows.map((columns) => statement.row(result, columns, 1));
    else if (one.mode === "get")
      one.answer = rows[0] === undefined ? undefined : statement.row(result, rows[0], 1);
    else count(one, rows.length);
  }
}

function count(one: Asked, changed: number): void {
  one.answer = changed;
  if (one.mode === "must" && changed === 0 && one.complain !== undefined)
    throw new ProcedureError(one.strand.place, one.complain());
}

/** To be had by `yield*`: what procedures that run side by side return. */
export function together<T>(procedures: readonly Procedure<T>[]): Answer<T[]> {
  return new Together(procedures) as Answer<unknown> as Answer<T[]>;
}

/** A statement as procedures see it, in whichever conversation theirs is. */
export class Asking<O> implements PreparedStatement<O> {
  readonly #statement: PostgresStatement;

  constructor(statement: PostgresStatement) {
    this.#statement = statement;
  }

  do(values: Values, common?: Values): void {
    this.#ask("do", values, common);
  }

  must(values: Values, common: Values | undefined, complaint: Complaint): void {
    const seen = common === undefined ? undefined : { ...common };
    this.#ask("must", values, common, () => complaint(values, seen));
  }

  run(values: Values, common?: Values): Answer<number> {
    return this.#ask("run", values, common) as Answer<number>;
  }

  runLast(values: Values, common?: Values): Answer<number> {
    return this.#ask("last", values, common) as Answer<number>;
  }

  insert(values: Values, common?: Values): Answer<number> {
    return this.#ask("insert", values, common) as Answer<number>;
  }

  get(values: Values, common?: Values): Answer<O | undefined> {
    return this.#ask("get", values, common) as Answer<O | undefined>;
  }

  all(values: Values, common?: Values): Answer<O[]> {
    return this.#ask("all", values, common) as Answer<O[]>;
  }

  #ask(mode: Mode, values: Values, common?: Values, complain?: () => Error): Answer<unknown> {
    if (speaking === undefined) throw new Error("a question outside of every procedure");
    const { talk, strand } = speaking;
    const bound = this.#statement.bind(values, common);
    return talk.ask(strand, this.#statement, mode, bound, complain);
  }
}
