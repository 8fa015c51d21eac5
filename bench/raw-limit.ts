/**
 * The limit that the engine is measured against: the bare driver, with the engine's own tables, indexes, statements and durability, and
 * nothing of its logic.
 */
import type { Database } from "better-sqlite3";
import type { Compilable } from "kysely";
import { openConnection } from "../src/store/sqlite/connection.ts";
import { executionStatements } from "../src/store/statements/executions.ts";
import { journalStatements } from "../src/store/statements/journal.ts";
import { compile } from "../src/store/statements/statement.ts";

/** Runs a statement with these values for its changing parameters; gives the key of the row inserted last. */
type Run = (...values: unknown[]) => number;

/** An open file and its statements. */
export class RawLimit implements Disposable {
  readonly #database: Database;
  readonly #begin: () => void;
  readonly #commit: () => void;

  private constructor(database: Database) {
    this.#database = database;
    const begin = database.prepare("begin immediate");
    const commit = database.prepare("commit");
    this.#begin = () => void begin.run();
    this.#commit = () => void commit.run();
  }

  /** Opens the file as the engine does: its tables are made, and every commit is on disk when it returns. */
  static async open(path: string): Promise<RawLimit> {
    return new RawLimit(await openConnection(path, { migrate: true }));
  }

  /** Does `act` for 0 up to `many`, so many of them a transaction. */
  repeat(many: number, aTransaction: number, act: (index: number) => void): void {
    for (let start = 0; start < many; start += aTransaction) {
      this.#begin();
      for (let index = start; index < Math.min(many, start + aTransaction); index += 1) act(index);
      this.#commit();
    }
  }

  /** `(id)`: an execution that its worker has taken in the same write. */
  insertExecution(kind: "workflow" | "activity"): Run {
    return this.#prepare(
      executionStatements.insert,
      { ...execution, kind, now, notBefore: now, dueAt: now, startedAt: now },
      ["id"],
    );
  }

  /** `(key)`: the execution has completed. */
  endExecution(): Run {
    return this.#prepare(executionStatements.end, { state: "completed", result: payload, now }, [
      "key",
    ]);
  }

  /** `(execution, seq, path)`: a call whose attempt has begun. */
  insertEntry(): Run {
    return this.#prepare(
      journalStatements.insert,
      { ...entry, now, scheduledAt: now, startedAt: now },
      ["execution", "seq", "path"],
    );
  }

  /** `(execution, seq)`: the call's outcome is delivered. */
  completeEntry(): Run {
    return this.#prepare(
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
    return this.#prepare(
      journalStatements.insertItem,
      { execution: 1, run: 1, seq: 0, input: payload },
      ["item"],
    );
  }

  /** `(item)` of the first execution's map has completed. */
  completeItem(): Run {
    return this.#prepare(
      journalStatements.endItem,
      { execution: 1, run: 1, seq: 0, status: 1, value: payload, attempt: 1, now },
      ["item"],
    );
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** The values are bound by position, in one array that is used again and again: nothing that a program could leave out. */
  #prepare(
    query: Compilable<unknown>,
    fixed: Readonly<Record<string, unknown>>,
    changing: readonly string[],
  ): Run {
    const { sql, parameters } = compile(query);
    const statement = this.#database.prepare<unknown[]>(sql);
    const names = parameters.map((parameter) => ("name" in parameter ? parameter.name : undefined));
    const values = parameters.map((parameter) =>
      "name" in parameter ? (fixed[parameter.name] ?? null) : parameter.constant,
    );
    const places = changing.map((name) => names.indexOf(name));
    return (...given) => {
      for (let index = 0; index < places.length; index += 1)
        values[places[index] ?? -1] = given[index];
      return Number(statement.run(values).lastInsertRowid);
    };
  }
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
