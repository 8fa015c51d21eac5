import type pg from "pg";

const finished = 200_000;
const waiting = 20_000;
const many = finished + waiting;

/** Puts a few hundred thousand rows into the tables that grow: most of them finished, as in a database that has been used for a while. */
export async function fillTables(client: pg.ClientBase): Promise<void> {
  for (const statement of statements) await client.query(statement);
  await client.query("analyze");
}

const rows = `generate_series(1, ${many}) as i`;
/** Null for what has finished, else the value. */
const unfinished = (value: string): string => `case when i > ${finished} then ${value} end`;

const statements = [
  `insert into stent_executions
     (id, kind, name, state, input, result, rank, lane, parent, parent_run, parent_seq, root, created_at, started_at, ended_at, not_before,
      scheduled_at, due_at, worker, deadline, give_up_at, claim)
   select 'execution ' || i, 'workflow', 'w', case when i > ${finished} then 'running' else 'completed' end, 'j[]', 'j1', 0, i % 10,
     case when i % 4 = 0 then i / 2 end, 1, 0, case when i % 4 = 0 then i / 2 end, i, case when i % 8 < 4 or i <= ${finished} then i end,
     case when i <= ${finished} then i end, i, i, ${unfinished("i")}, ${unfinished("case when i % 2 = 0 then i % 20 end")},
     case when i % 8 = 1 then i end, case when i % 8 = 3 then i end, 1
   from ${rows}`,
  `update stent_executions set blocked = '{}' where key % 8 = 5`,
  `insert into stent_journal
     (execution, run, seq, path, kind, name, input, status, value, reached, delivery, scheduled_at, step, attempt, failures, cut)
   select i, 1, seq, seq::text, 'call', 'a', 'j[]', case when i > ${finished} then 0 else 1 end, 'j1', 0, 1, i, seq, 1, 0, 0
   from ${rows}, generate_series(0, 1) as seq`,
  `insert into stent_items (execution, run, seq, item, input, status)
   select 1 + i / 1000, 1, 0, i % 1000, 'j1', case when i > ${finished} then 0 else 1 end from ${rows}`,
  `insert into stent_tasks
     (execution, run, seq, path, name, lane, rank, due_at, worker, attempt, failures, scheduled_at, give_up_at)
   select i, 1, 0, '0', 'a', i % 10, 0, i, case when i % 10 = 0 then i % 20 end, 1, 0, i, case when i % 8 = 3 then i end from ${rows}`,
  `insert into stent_arrivals (execution, run, seq, kind, status, attempt, failures, ended_at)
   select i, 1, 0, 'outcome', 1, 1, 0, i from ${rows}`,
  `insert into stent_signals (execution, name, payload, dedupe, sent_at) select i, 's', 'j1', 'd', i from ${rows}`,
  `insert into stent_fanouts (execution, run, seq, total, next, "left") select i, 1, 0, 9, 9, 9 from ${rows}`,
  `insert into stent_counters (execution, name, value) select i, 'c', 1 from ${rows}`,
  `insert into stent_state (execution, name, value) select i, 's', 'j1' from ${rows}`,
  `insert into stent_left_runs (execution, run) select i, 1 from ${rows}`,
  `insert into stent_dead_letters (task, execution, run, seq, item, reason, record, moved_at)
   select 't' || i, i, 1, 0, -1, 'failed', '{}', i from ${rows}`,
  `insert into stent_gates (name, places, at) select 'g' || i, 5, i from ${rows}`,
  `insert into stent_slots (gate, holder, session) select i % 1000, i, case when i % 2 = 0 then i % 20 end from ${rows}`,
  `insert into stent_waits (gate, holder, lane, rank, due_at) select i % 1000, i, i % 3, 0, i from ${rows}`,
  `insert into stent_results (name, holder, session, stored, expires_at)
   select 'r' || i, ${unfinished("i")}, ${unfinished("i % 20")}, case when i > ${finished} then 0 else 1 end, case when i % 2 = 0 then i end
   from ${rows}`,
];
