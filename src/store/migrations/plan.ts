/** What a migration would run, told without running it. */
export interface MigrationPlan {
  /** All of this version, in order. */
  readonly known: readonly string[];
  /** Applied, in order. */
  readonly applied: readonly string[];
  /** To be applied, in order, each with its statements; values are written out. */
  readonly pending: readonly { readonly name: string; readonly sql: readonly string[] }[];
}

/** Notes what is run between one migration and the next. */
export class Noted {
  readonly #statements: string[] = [];

  note(text: string, values: readonly unknown[] = []): void {
    this.#statements.push(withValues(text, values));
  }

  /** All that has been noted, by the migration that it belongs to: each ends by noting its name, and what comes before belongs to it. */
  byMigration(names: readonly string[]): MigrationPlan["pending"] {
    let left = this.#statements;
    return names.map((name) => {
      const end = left.findIndex((text) => isEndOf(text, name)) + 1;
      const sql = left.slice(0, end);
      left = left.slice(end);
      return { name, sql };
    });
  }
}

/** Asks, and changes nothing. */
export function isQuestion(text: string): boolean {
  return /^\s*(?:select|with)\b/i.test(text);
}

function isEndOf(text: string, name: string): boolean {
  return /^insert into "?stent_migrations"? /.test(text) && text.includes(`'${name}'`);
}

function withValues(text: string, values: readonly unknown[]): string {
  let next = 0;
  return text.replaceAll(/\$(\d+)|\?/g, (_, number: string | undefined) => {
    const index = number === undefined ? next : Number(number) - 1;
    next += 1;
    return literal(values[index]);
  });
}

function literal(value: unknown): string {
  return typeof value === "number" ? String(value) : `'${String(value).replaceAll("'", "''")}'`;
}
