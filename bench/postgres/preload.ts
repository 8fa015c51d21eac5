import pg from "pg";
import { openPostgres } from "../../src/store/postgres/connection.ts";
import { postgresSettings } from "../../src/store/postgres/settings.ts";

/** Makes Stent's tables and puts so many finished one-step workflows into them. */
export function preloadFinished(url: string, executions: number): Promise<void> {
  return filled(url, executions, [
    `insert into stent_executions
       (id, kind, name, state, input, result, rank, lane, created_at, started_at, ended_at, not_before, scheduled_at, claim)
     select '01800000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'), 'workflow', 'bench.hello', 'completed', 'j[12345]',
       'j"hello 12345"', 0, 1, t, t, t, t, t, 1
     from generate_series(1, $1::bigint) as i, (select floor(extract(epoch from now()) * 1000)::bigint - 3600000 as t) as clock`,
    `insert into stent_journal
       (execution, run, seq, path, kind, name, input, status, value, reached, delivery, scheduled_at, started_at, ended_at, step, attempt, failures, worker, cut)
     select key, 1, 0, '0', 'call', 'bench.greet', 'j[12345]', 1, 'j"hello 12345"', 0, 1, created_at, created_at, created_at, 1, 1, 0, 1, 0
     from stent_executions order by key limit $1`,
  ]);
}

async function filled(url: string, many: number, statements: readonly string[]): Promise<void> {
  const settings = postgresSettings(url);
  const connections = await openPostgres(settings, {
    migrate: true,
    warn: (message) => console.error(message),
  });
  await connections.close();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`set search_path = ${settings.schema}`);
    for (const statement of statements) await client.query(statement, [many]);
    await client.query("vacuum (analyze)");
  } finally {
    await client.end();
  }
}
