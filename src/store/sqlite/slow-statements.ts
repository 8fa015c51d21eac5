/** Statements on a connection that answers later: a Kysely of the caller's. */
import { CompiledQuery, type Compilable, type RawBuilder, type Transaction } from "kysely";
import { prepareStatements, type Statements } from "../batch.ts";
import type { Answer, Complaint, PreparedStatement, Procedure, Question } from "../procedure.ts";
import { binder, compile, type Values } from "../statements/statement.ts";

type Mode = "do" | "must" | "run" | "insert" | "get" | "all";
type Row = Readonly<Record<string, unknown>>;

/** One run of a statement. */
class Asked implements Iterator<Question, unknown, unknown> {
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly mode: Mode;
  readonly complain: (() => Error) | undefined;
  answer: unknown;
  #given = false;

  constructor(
    sql: string,
    values: readonly unknown[],
    mode: Mode,
    complain: (() => Error) | undefined,
  ) {
    this.sql = sql;
    this.values = values;
    this.mode = mode;
    this.complain = complain;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<Question> {
    if (this.#given) return { done: true, value: this.answer };
    this.#given = true;
    return { done: false, value: this };
  }
}

/** What the procedure that is running has asked and told since its last answer. */
let speaking: Asked[] | undefined;

/** Every statement, whichever connection they are run on. */
export function slowStatements(): Statements {
  return prepareStatements((query) => new SlowStatement(query));
}

class SlowStatement<O> implements PreparedStatement<O> {
  readonly #sql: string;
  readonly #bind: (values: Values, common?: Values) => unknown[];

  constructor(query: Compilable<O> | RawBuilder<O>) {
    const compiled = compile(query);
    this.#sql = compiled.sql;
    this.#bind = binder(compiled);
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
    return this.run(values, common);
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
    const asked = new Asked(this.#sql, [...this.#bind(values, common)], mode, complain);
    speaking.push(asked);
    return asked;
  }
}

/** Runs a procedure of such statements there, each after the one before. */
export async function runSlowly<T>(
  transaction: Transaction<unknown>,
  procedure: Procedure<T>,
): Promise<T> {
  for (;;) {
    const asked: Asked[] = [];
    const step = advance(procedure, asked);
    for (const one of asked) await run(transaction, one);
    if (step.done === true) return step.value;
  }
}

function advance<T>(procedure: Procedure<T>, asked: Asked[]): IteratorResult<Question, T> {
  speaking = asked;
  try {
    return procedure.next();
  } finally {
    speaking = undefined;
  }
}

async function run(transaction: Transaction<unknown>, asked: Asked): Promise<void> {
  const query = CompiledQuery.raw(asked.sql, [...asked.values]);
  const { rows, numAffectedRows, insertId } = await transaction.executeQuery(query);
  const found = (rows as Row[]).map(withNumbers);
  switch (asked.mode) {
    case "get":
      asked.answer = found[0];
      break;
    case "all":
      asked.answer = found;
      break;
    case "insert":
      asked.answer = Number(insertId);
      break;
    default:
      asked.answer = Number(numAffectedRows ?? 0);
      if (asked.answer === 0 && asked.complain !== undefined) throw asked.complain();
  }
}

/** On a connection that reads bigints. */
function withNumbers(row: Row): Row {
  return Object.values(row).some((value) => typeof value === "bigint")
    ? Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          typeof value === "bigint" ? Number(value) : value,
        ]),
      )
    : row;
}
