import pg from "pg";

/** Beside what stands in a database of Stent: one workflow with so many waiting tasks. `lane`: of which they are. */
export async function preloadTasks(url: string, tasks: number, lane: number): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: "-c search_path=stent" });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement, [tasks, lane]);
    await client.query("vacuum (analyze)");
  } finally {
    await client.end();
  }
}

const id = "01800000-0000-7000-8000-000000000000";
const now = "floor(extract(epoch from now()) * 1000)::bigint";
const statements = [
  `insert into stent_executions
     (id, kind, name, state, input, rank, lane, created_at, started_at, not_before, scheduled_at, claim)
   select '${id}', 'workflow', 'bench.waiting', 'running', 'j[12345]', 0, $2::bigint, ${now}, ${now}, ${now}, ${now}, 1
   where $1::bigint > 0`,
  `insert into stent_journal
     (execution, run, seq, path, kind, name, input, status, reached, scheduled_at, step, attempt, failures, cut)
   select e.key, 1, i, i::text, 'call', 'bench.waiting', 'j[12345]', 0, 0, e.created_at, i + 1, 0, 0, 0
   from stent_executions e, generate_series(0, $1::bigint - 1) as i where e.id = '${id}' and $2::bigint > 0`,
  `insert into stent_tasks
     (execution, run, seq, path, name, lane, rank, due_at, attempt, failures, scheduled_at)
   select j.execution, 1, j.seq, j.path, j.name, $2::bigint, 0, j.scheduled_at, 0, 0, j.scheduled_at
   from stent_journal j join stent_executions e on e.key = j.execution where e.id = '${id}' order by j.seq limit $1`,
];
