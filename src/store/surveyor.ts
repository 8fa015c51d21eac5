import type { Compilable, RawBuilder } from "kysely";
import type { Statements } from "./batch.ts";
import type { PreparedStatement, Procedure } from "./procedure.ts";
import {
  blockedOnes,
  executionCounts,
  heldByNobody,
  heldDepths,
  newest,
  strandedOnes,
  waitingDepths,
} from "./statements/admin.ts";
import type { ExecutionCounts, HeldDepth, LaneDepth, Stranded, Survey } from "./survey.ts";

/** Runs what reads, with what makes a statement whose text depends on what is asked. */
type Reading = <T>(
  act: (
    sql: Statements,
    prepare: <O>(query: Compilable<O> | RawBuilder<O>) => PreparedStatement<O>,
  ) => Procedure<T>,
) => Promise<T>;

/** Asks what operators ask, by statements of which each is planned by itself. */
export class Surveyor implements Survey {
  readonly #read: Reading;

  constructor(read: Reading) {
    this.#read = read;
  }

  counts(since: number): Promise<ExecutionCounts> {
    return this.#read(function* (_, prepare) {
      const row = yield* prepare(executionCounts(since)).get({});
      if (row === undefined) throw new Error("a row of counts has no row");
      const { pending, failed, timed_out, cancelled, cancelling } = row;
      return {
        byState: {
          pending,
          running: row.running ?? (row.total ?? 0) - row.ended - pending - cancelling,
          cancelling,
          completed: row.ended - failed - timed_out - cancelled,
          failed,
          timed_out,
          cancelled,
        },
        completedSince: row.ended_completed,
        failedSince: row.ended_failed,
        deadLetters: row.letters,
      };
    });
  }

  depths(now: number): Promise<readonly LaneDepth[]> {
    return this.#read(function* (_, prepare) {
      const found: LaneDepth[] = [];
      for (const of of ["begun", "unbegun", "task"] as const) {
        const rows = yield* prepare(waitingDepths[of](now)).all({});
        for (const { lane, ready, delayed, aside, first } of rows)
          found.push({ lane, of, ready, delayed, aside, firstDueAt: first });
      }
      return found;
    });
  }

  held(): Promise<readonly HeldDepth[]> {
    return this.#read(function* (_, prepare) {
      return yield* prepare(heldDepths).all({});
    });
  }

  blocked(limit: number): ReturnType<Survey["blocked"]> {
    return this.#read(function* (_, prepare) {
      return yield* prepare(blockedOnes(limit)).all({});
    });
  }

  stranded(limit: number): Promise<readonly Stranded[]> {
    return this.#read(function* (_, prepare) {
      return yield* prepare(strandedOnes(limit)).all({});
    });
  }

  heldByNobody(limit: number): ReturnType<Survey["heldByNobody"]> {
    return this.#read(function* (_, prepare) {
      return yield* prepare(heldByNobody(limit)).all({});
    });
  }

  newestAt(): Promise<number | undefined> {
    return this.#read(function* (_, prepare) {
      return (yield* prepare(newest).get({}))?.created_at;
    });
  }
}
