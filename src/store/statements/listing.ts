import { sql, type Compilable, type RawBuilder, type Selectable } from "kysely";
import type { ExecutionStatus } from "../../core/status.ts";
import type { ExecutionTable } from "../schema.ts";
import type { ExecutionQuery } from "../store.ts";
import { asideStates } from "./admin.ts";
import { build } from "./statement.ts";

/** Executions that match, newest first. Columns of the table, and the parent's id. */
export function listing(
  query: ExecutionQuery,
): Compilable<Selectable<ExecutionTable> & { parent_id: string | null }> {
  const aside = asideOnly(query.states);
  return (aside === undefined ? matching(query) : among(newestOf(query, aside)))
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

/** The states, where an index has the executions of each by their age. */
function asideOnly(states: ExecutionQuery["states"]): readonly AsideState[] | undefined {
  return states !== undefined && states.length > 0 && states.every((state) => isAside(state))
    ? [...new Set(states)]
    : undefined;
}

function isAside(state: ExecutionStatus): state is AsideState {
  return (asideStates as readonly ExecutionStatus[]).includes(state);
}

/** Of each state as many as are asked for in all: what is rare is not looked for among everything. */
function newestOf(query: ExecutionQuery, states: readonly AsideState[]): RawBuilder<number> {
  const parts = states.map((state) => {
    const newest = matching({ ...query, states: undefined })
      .where(sql<boolean>`e.state = ${sql.lit(state)}`)
      .select("e.key")
      .orderBy("e.key", "desc")
      .limit(query.limit + (query.offset ?? 0));
    return sql`select key from (${newest}) ${sql.ref(`of_${state}`)}`;
  });
  return sql<number>`(${sql.join(parts, sql` union all `)})`;
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
