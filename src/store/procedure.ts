/**
 * What is done within one database transaction is written once, as procedures: generators that ask for the answers of statements by
 * `yield*`. On SQLite an answer is there at once, so a procedure runs from its beginning to its end without a pause. On PostgreSQL it
 * pauses, and what many procedures ask for at the same time is asked in one statement.
 */
import type { Values } from "./statements/statement.ts";

/** A question that is under way: only the database that it came from knows what it is. */
export type Question = object;

/** A piece of a transaction: what it returns is had by `yield*`. */
export type Procedure<T> = Generator<Question, T, unknown>;

/** To be had by `yield*`, at once and once. */
export interface Answer<T> {
  [Symbol.iterator](): Iterator<Question, T, unknown>;
}

/** Makes the error for a statement that has changed nothing with these values. */
export type Complaint = (values: Values, common: Values | undefined) => Error;

/** A statement on one connection. `O` is its row; values of `common` count where `values` has none. */
export interface PreparedStatement<O> {
  /** Runs it; nobody asks what it came to. */
  do(values: Values, common?: Values): void;
  /** Runs it, and throws what `complaint` makes where it has changed nothing. */
  must(values: Values, common: Values | undefined, complaint: Complaint): void;
  /** The number of rows changed. */
  run(values: Values, common?: Values): Answer<number>;
  /** As `run`, for who asks nothing after it: 0 where it is stored and the answer was lost. */
  runLast(values: Values, common?: Values): Answer<number>;
  /** The key of the row that it inserts. */
  insert(values: Values, common?: Values): Answer<number>;
  get(values: Values, common?: Values): Answer<O | undefined>;
  all(values: Values, common?: Values): Answer<O[]>;
}
