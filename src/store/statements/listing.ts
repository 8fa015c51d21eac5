import { sql, type Compilable, type RawBuilder, type Selectable } from "kysely";
import type { ExecutionStatus } from "../../core/status.ts";
import type { ExecutionTable } from "../schema.ts";
import type { ExecutionQuery } from "../store.ts";
import { asideStates, isAside } from "./admin.ts";
import { build } from "./statement.ts";
import { unfinishedAreFew, unfinishedKeys } from "./unfinished.ts";

/** Executions that match, newest first. Columns of the table, and the parent's id. */
export function listing(
  query: ExecutionQuery,
): Compilable<Selectable<ExecutionTable> & { parent_id: string | null }> {
  const rare = rareOnly(query.states);
  return (rare === undefined ? matching(query) : among(newestOf(query, rare)))
    .leftJoin("stent_executions as p", "p.key", "e.parent")
    .selectAll("e")
    .select("p.id as parent_id")
    .orderBy("e.key", "desc")
    .limit(query.limit)
    .$if(query.offset !== undefined && query.offset > 0, (q) => q.offset(query.offset ?? 0));
}

/** How many executions match. */
export function counting(query: Omit<ExecutionQuery, "limit">): Compilable<{ count: number }> {
  return matching(query).select((eb) => eb.fn.countAll<number>().as("count"));
}

type AsideState = (typeof asideStates)[number];
type RareState = Exclude<ExecutionStatus, "completed">;

/** The states, where there are indexes of the executions in each: of all but those that have completed. */
function rareOnly(states: ExecutionQuery["states"]): readonly RareState[] | undefined {
  return states !== undefined && states.length > 0 && states.every((state) => isRare(state))
    ? [...new Set(states)]
    : undefined;
}

function isRare(state: ExecutionStatus): state is RareState {
  return state !== "completed";
}

function staysAside(state: ExecutionStatus): state is AsideState {
  return (asideStates as readonly ExecutionStatus[]).includes(state);
}

/** Of each state as many as are asked for in all: what is rare is not looked for among everything. */
function newestOf(query: ExecutionQuery, states: readonly RareState[]): RawBuilder<number> {
  const open = states.filter((state) => !staysAside(state));
  const parts = [
    ...states.filter((state) => staysAside(state)).map((state) => inState(query, state)),
    ...(open.length === 0 ? [] : unfinished({ ...query, states: open })),
  ];
  return sql<number>`(${sql.join(
    parts.map((part, index) => sql`select key from (${part}) ${sql.ref(`rare_${index}`)}`),
    sql` union all `,
  )})`;
}

function inState(query: ExecutionQuery, state: AsideState): Compilable<{ key: number }> {
  return newest(
    query,
    matching({ ...query, states: undefined })
      .where(isAside)
      .where(sql<boolean>`e.state = ${sql.lit(state)}`),
  );
}

/** Looked up where they are few, else met on the way from the newest: one of the two is to find nothing, and so reads nothing. */
function unfinished(query: ExecutionQuery): readonly Compilable<{ key: number }>[] {
  const lookedUp = matching(query).where("e.key", "in", sql<number>`(${unfinishedKeys})`);
  return [
    newest(query, lookedUp, sql`case when ${unfinishedAreFew} then 1 else 0 end`),
    newest(query, matching(query), sql`case when ${unfinishedAreFew} then 0 else 1 end`),
  ];
}

/** As many as are asked for, times `share`: databases look at a limit before anything else. */
function newest(
  { limit, offset = 0 }: ExecutionQuery,
  matched: ReturnType<typeof matching>,
  share: RawBuilder<unknown> = sql.lit(1),
) {
  return matched
    .select("e.key")
    .orderBy("e.key", "desc")
    .limit(sql<number>`${sql.lit(limit + offset)} * ${share}`);
}

function among(keys: RawBuilder<number>) {
  return build.selectFrom("stent_executions as e").where("e.key", "in", keys);
}

/** Sorts behind every other, so that what begins alike is one range of the index. */
const lastCharacter = "\u{10ffff}";

type Matched = {
  readonly [K in keyof Omit<ExecutionQuery, "limit">]: ExecutionQuery[K] | undefined;
};

function matching(query: Matched) {
  return build
    .selectFrom("stent_executions as e")
    .$if(query.idPrefix !== undefined, (q) =>
      q
        .where("e.id", ">=", query.idPrefix ?? "")
        .where("e.id", "<", `${query.idPrefix}${lastCharacter}`),
    )
    .$if(query.kind !== undefined, (q) => q.where("e.kind", "=", query.kind ?? "workflow"))
    .$if(query.states?.length === 0, (q) => q.where(sql<boolean>`1 = 0`))
    .$if((query.states?.length ?? 0) > 0, (q) => q.where("e.state", "in", query.states ?? []))
    .$if(query.name !== undefined, (q) => q.where("e.name", "=", query.name ?? ""))
    .$if(query.queue !== undefined, (q) =>
      query.queue === "default"
        ? q.where("e.queue", "is", null)
        : q.where("e.queue", "=", query.queue ?? ""),
    )
    .$if(query.tag !== undefined, (q) =>
      q.where(
        sql<boolean>`exists (select 1 from json_each(e.tags) t where t.value = ${query.tag})`,
      ),
    )
    .$if(query.parentId !== undefined, (q) =>
      q.where("e.parent", "=", (eb) =>
        eb
          .selectFrom("stent_executions as q")
          .select("q.key")
          .where("q.id", "=", query.parentId ?? ""),
      ),
    )
    .$if(query.since !== undefined, (q) => q.where("e.created_at", ">=", query.since ?? 0))
    .$if(query.until !== undefined, (q) => q.where("e.created_at", "<=", query.until ?? 0))
    .$if(query.error !== undefined, (q) =>
      q
        .where("e.state", "in", ["failed", "timed_out", "cancelled"])
        .where(sql<boolean>`instr(lower(cast(e.result as text)), lower(${query.error})) > 0`),
    )
    .$if(query.before !== undefined, (q) => q.where("e.key", "<", query.before ?? 0));
}
