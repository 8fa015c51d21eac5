import { never } from "../never.ts";
import { sql, type RawBuilder } from "kysely";
import type { ExecutionStatus } from "../../core/status.ts";
import { laneHeads } from "./lane-heads.ts";
import { unfinishedAreFew, unfinishedKeys } from "./unfinished.ts";

/** States in which an execution stays beside the way, and those few that an index has by their state. */
export const asideStates = [
  "failed",
  "timed_out",
  "cancelled",
  "cancelling",
] as const satisfies readonly ExecutionStatus[];

const unbegun = sql`worker is null and due_at is not null and started_at is null`;
const begun = sql`worker is null and due_at is not null and started_at is not null`;

/** What waits for its first turn is what is pending. One row, so that all of it is of one moment. Every part of it reads an index alone. */
export function executionCounts(since: number): RawBuilder<{
  /** Null where those that run were counted. */
  total: number | null;
  running: number | null;
  ended: number;
  pending: number;
  failed: number;
  timed_out: number;
  cancelled: number;
  cancelling: number;
  ended_completed: number;
  ended_failed: number;
  letters: number;
}> {
  return sql`
    select
      case when ${unfinishedAreFew} then null else (select count(*) from stent_executions) end as total,
      case when ${unfinishedAreFew} then (
        select count(*) from stent_executions where key in (${unfinishedKeys}) and state = 'running'
      ) end as running,
      (select count(*) from stent_executions where ended_at is not null) as ended,
      (select count(*) from stent_executions where ${unbegun}) as pending,
      ${inState("failed")} as failed,
      ${inState("timed_out")} as timed_out,
      ${inState("cancelled")} as cancelled,
      ${inState("cancelling")} as cancelling,
      lately.completed as ended_completed,
      lately.failed as ended_failed,
      (select count(*) from stent_dead_letters) as letters
    from (
      select
        count(*) filter (where state = 'completed') as completed,
        count(*) filter (where state in ('failed', 'timed_out')) as failed
      from stent_executions where ended_at >= ${since}
    ) lately`;
}

/** The condition of their index, word for word: SQLite takes a partial index only where it finds that again. */
export const isAside = sql<boolean>`state in (${sql.join(asideStates.map((state) => sql.lit(state)))})`;

function inState(state: (typeof asideStates)[number]): RawBuilder<number> {
  return sql`(select count(*) from stent_executions where ${isAside} and state = ${sql.lit(state)})`;
}

export interface DepthRow {
  readonly lane: number;
  readonly ready: number;
  readonly delayed: number;
  /** Due at no time. */
  readonly aside: number;
  readonly first: number;
}

/** What waits, lane by lane: for each that has something, two ranges of the index. */
export const waitingDepths = {
  begun: (now: number) => depths("stent_executions", begun, now),
  unbegun: (now: number) => depths("stent_executions", unbegun, now),
  task: (now: number) => depths("stent_tasks", sql`worker is null`, now),
} as const;

function depths(
  table: "stent_executions" | "stent_tasks",
  waiting: RawBuilder<unknown>,
  now: number,
): RawBuilder<DepthRow> {
  const rows = sql.table(table);
  const within = (due: RawBuilder<unknown>): RawBuilder<number> =>
    sql`(select count(*) from ${rows} w where ${waiting} and w.lane = h.lane and w.rank = h.rank and ${due})`;
  return sql<DepthRow>`
    select h.lane, h.due_at as first,
      ${within(sql`w.due_at <= ${now}`)} as ready,
      ${within(sql`w.due_at > ${now} and w.due_at < ${never}`)} as delayed,
      ${within(sql`w.due_at >= ${never}`)} as aside
    from (${laneHeads(table, waiting)}) h`;
}

/** What sessions hold: as much as workers have room for. */
export const heldDepths = sql<{ lane: number; session: number; count: number }>`
  select lane, worker as session, count(*) as count from stent_executions where worker is not null group by lane, worker
  union all
  select lane, worker as session, count(*) as count from stent_tasks where worker is not null group by lane, worker`;

export function blockedOnes(limit: number): RawBuilder<{ id: string; blocked: string }> {
  return sql`select id, blocked from stent_executions where blocked is not null order by key limit ${limit}`;
}

/** I8: unfinished, not held, not due, not blocked, and waiting for nothing that is there. Every kind of entry that waits leaves it open, and has a time, a message or work of its own. */
export function strandedOnes(limit: number): RawBuilder<{ id: string; name: string }> {
  return sql`
    select e.id, e.name from stent_executions e
    where e.ended_at is null and e.worker is null and e.due_at is null and e.blocked is null
      and not exists (
        select 1 from stent_journal j where j.execution = e.key and j.run = e.run and j.status = 0 and (
          j.kind = 'signal'
          or exists (select 1 from stent_tasks t where t.execution = j.execution and t.run = j.run and t.seq = j.seq)
          or exists (select 1 from stent_fanouts f where f.execution = j.execution and f.run = j.run and f.seq = j.seq)
          or exists (select 1 from stent_executions c where c.parent = e.key and c.parent_run = j.run and c.parent_seq = j.seq and c.ended_at is null)))
    order by e.key limit ${limit}`;
}

export function heldByNobody(limit: number): RawBuilder<{ id: string }> {
  return sql`
    select e.id from stent_executions e left join stent_workers w on w.key = e.worker
    where e.worker is not null and (w.key is null or w.state <> 'live')
    union
    select e.id from stent_tasks t join stent_executions e on e.key = t.execution left join stent_workers w on w.key = t.worker
    where t.worker is not null and (w.key is null or w.state <> 'live')
    limit ${limit}`;
}

export const newest = sql<{
  created_at: number;
}>`select created_at from stent_executions order by key desc limit 1`;
