/**
 * The limit that the engine is measured against: the bare driver, with the engine's own tables, indexes, statements and durability, and
 * nothing of its logic.
 */
import type { Compilable } from "kysely";
import { executionStatements } from "../src/store/statements/executions.ts";
import { journalStatements } from "../src/store/statements/journal.ts";

/** Runs a statement with these values for its changing parameters; gives the key of the row inserted last. */
export type Run = (...values: readonly (string | number)[]) => number;

/** An open database and its statements. Those that share a transaction are run in the order in which they were asked for here, or one row after the other. */
export abstract class RawLimit implements AsyncDisposable {
  /** Does `act` for 0 up to `many`, so many of them a transaction; each is on disk before the next begins. */
  abstract repeat(many: number, aTransaction: number, act: (index: number) => void): Promise<void>;

  /** `(id)`: an execution that its worker has taken in the same write. */
  insertExecution(kind: "workflow" | "activity"): Run {
    return this.prepare(
      executionStatements.insert,
      { ...execution, kind, now, notBefore: now, dueAt: now, startedAt: now },
      ["id"],
    );
  }

  /** `(key)`: the execution has completed. */
  endExecution(): Run {
    return this.prepare(executionStatements.end, { state: "completed", result: payload, now }, [
      "key",
    ]);
  }

  /** `(execution, seq, path)`: a call whose attempt has begun. */
  insertEntry(): Run {
    return this.prepare(
      journalStatements.insert,
      { ...entry, now, scheduledAt: now, startedAt: now },
      ["execution", "seq", "path"],
    );
  }

  /** `(execution, seq)`: the call's outcome is delivered. */
  completeEntry(): Run {
    return this.prepare(
      journalStatements.change,
      {
        run: 1,
        status: 1,
        value: payload,
        delivery: 1,
        startedAt: now,
        endedAt: now,
        attempt: 1,
        failures: 0,
      },
      ["execution", "seq"],
    );
  }

  /** `(item)` of the first execution's map. */
  insertItem(): Run {
    return this.prepare(
      journalStatements.insertItem,
      { execution: 1, run: 1, seq: 0, input: payload },
      ["item"],
    );
  }

  /** `(item)` of the first execution's map has completed. */
  completeItem(): Run {
    return this.prepare(
      journalStatements.endItem,
      { execution: 1, run: 1, seq: 0, status: 1, value: payload, attempt: 1, now },
      ["item"],
    );
  }

  abstract [Symbol.asyncDispose](): Promise<void>;

  /** `changing`: the parameters that a run gives values for. */
  protected abstract prepare(
    query: Compilable<unknown>,
    fixed: Readonly<Record<string, unknown>>,
    changing: readonly string[],
  ): Run;
}

/** An id as long as the engine's, and rising as those do. */
export function risingId(index: number): string {
  return `01900000-0000-7000-8000-${index.toString(16).padStart(12, "0")}`;
}

const now = Date.now();
/** As long as a stored greeting. */
const payload = `j"hello 12345"`;
const execution = {
  name: "bench.hello",
  state: "running",
  input: `j[12345]`,
  rank: 0,
  lane: 1,
  worker: 1,
  claim: 1,
};
const entry = {
  run: 1,
  kind: "call",
  name: "bench.greet",
  input: `j[12345]`,
  status: 0,
  reached: 0,
  step: 1,
  attempt: 1,
  failures: 0,
  worker: 1,
  cut: 0,
};
