import { openConnection } from "../../src/store/sqlite/connection.ts";

/** Makes a database at that path that holds so many finished one-step workflows. */
export async function preload(path: string, executions: number): Promise<void> {
  const database = await openConnection(path, { migrate: true });
  try {
    const endedAt = Date.now() - 3_600_000;
    database
      .prepare(
        `with recursive n(i) as (select 1 union all select i + 1 from n where i < @executions)
         insert into stent_executions
           (id, kind, name, state, input, result, rank, lane, created_at, started_at, ended_at, not_before, scheduled_at, claim)
         select printf('01800000-0000-7000-8000-%012x', i), 'workflow', 'bench.hello', 'completed', 'j[12345]',
           'j"hello 12345"', 0, 1, @endedAt, @endedAt, @endedAt, @endedAt, @endedAt, 1 from n`,
      )
      .run({ executions, endedAt });
    database
      .prepare(
        `insert into stent_journal
           (execution, run, seq, path, kind, name, input, status, value, reached, delivery, scheduled_at, started_at, ended_at, step, attempt, failures, worker, cut)
         select key, 1, 0, '0', 'call', 'bench.greet', 'j[12345]', 1, 'j"hello 12345"', 0, 1, @endedAt, @endedAt, @endedAt, 1, 1, 0, 1, 0
         from stent_executions order by key`,
      )
      .run({ endedAt });
  } finally {
    database.close(); // and with it, what is in the log goes into the file
  }
}
