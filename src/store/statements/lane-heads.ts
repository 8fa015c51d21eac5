import { sql, type RawBuilder } from "kysely";

/**
 * The first of every lane and rank that wait, in as many index look-ups as there are of them. `waiting` is the condition of the partial
 * index over (lane, rank, due_at). Lane and rank are compared one by one: of a row value SQLite looks up the first column only, and reads
 * a lane of 20,000 in 1.3 ms instead of 6 us.
 */
export function laneHeads(
  table: "stent_executions" | "stent_tasks",
  waiting: RawBuilder<unknown>,
): RawBuilder<{ lane: number; rank: number; due_at: number }> {
  const rows = sql.table(table);
  return sql<{ lane: number; rank: number; due_at: number }>`
    with recursive heads(lane, rank, due_at) as (
      select * from (
        select lane, rank, due_at from ${rows}
        where ${waiting} order by lane, rank, due_at limit 1) first
      union all
      select t.lane, t.rank, t.due_at from heads h join ${rows} t on t.key = coalesce(
        (select n.key from ${rows} n
         where ${waiting} and n.lane = h.lane and n.rank > h.rank
         order by n.lane, n.rank, n.due_at limit 1),
        (select n.key from ${rows} n
         where ${waiting} and n.lane > h.lane
         order by n.lane, n.rank, n.due_at limit 1))
    )
    select lane, rank, due_at from heads`;
}
