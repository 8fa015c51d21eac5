import { sql, type RawBuilder } from "kysely";

/**
 * Executions that have not ended, out of indexes that the work itself keeps: there is none of all of them, which every write would pay for.
 * By I8 each is held, due, blocked, or has an open entry; `stent doctor` looks for others.
 */
const parts: readonly RawBuilder<number>[] = [
  sql`select key from stent_executions where worker is not null`,
  sql`select key from stent_executions where worker is null and due_at is not null and started_at is null`,
  sql`select key from stent_executions where worker is null and due_at is not null and started_at is not null`,
  sql`select key from stent_executions where blocked is not null`,
  sql`select execution as key from stent_journal where status = 0`,
];

/** Their keys, in no order; some twice, and some of executions that have ended. */
export const unfinishedKeys = sql<number>`${sql.join(parts, sql` union all `)}`;

/** With more than this, whoever goes through all executions from the newest soon has a page of them. */
const few = 5_000;

/** Whether they are so few that they are sooner looked up than met. */
export const unfinishedAreFew = sql<boolean>`(${sql.join(
  parts.map((part, index) => {
    const named = sql.ref(`part_${index}`);
    return sql`(select count(*) from (${part} limit ${sql.lit(few + 1)}) ${named})`;
  }),
  sql` + `,
)}) <= ${sql.lit(few)}`;
