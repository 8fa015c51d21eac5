import { sql, type RawBuilder } from "kysely";
import type { Payload } from "../../core/payload.ts";
import { silentKinds } from "../../core/journal.ts";
import { build, given } from "./statement.ts";

/**
 * Entries of a run without an outcome, by the index of these. It is used only where it has everything that is asked for, and where
 * `status = 0` is written out and no parameter.
 */
const openOnes = build
  .selectFrom("stent_journal as o")
  .select("o.seq")
  .where("o.execution", "=", given<number>("execution"))
  .where("o.run", "=", given<number>("run"))
  .where(sql<boolean>`o.status = 0`);

/** How counters and state begin and end with the runs of their execution: `base` is what its current run began with. */
function kept<N extends string>(one: N, name: "stent_counters" | "stent_state") {
  const table = sql.table(name);
  const of = sql`execution = ${given("execution")}`;
  const statements = {
    keep: sql<never>`update ${table} set base = value where ${of}`,
    reset: sql<never>`update ${table} set value = base where ${of}`,
    removeNew: sql<never>`delete from ${table} where ${of} and base is null`,
    removeAll: sql<never>`delete from ${table} where ${of}`,
    removeOne: sql<never>`delete from ${table} where ${of} and name = ${given("name")}`,
  };
  return {
    [`keep${one}s`]: statements.keep,
    [`reset${one}s`]: statements.reset,
    [`removeNew${one}s`]: statements.removeNew,
    [`remove${one}s`]: statements.removeAll,
    [`remove${one}`]: statements.removeOne,
  } as Record<
    `keep${N}s` | `reset${N}s` | `removeNew${N}s` | `remove${N}s` | `remove${N}`,
    RawBuilder<never>
  >;
}

/** Statements over journals, the items of maps and what has arrived. */
export const journalStatements = {
  insert: build.insertInto("stent_journal").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    path: given("path"),
    kind: given("kind"),
    name: given("name"),
    input: given("input"),
    options: given("options"),
    status: given("status"),
    value: given("value"),
    reached: given("reached"),
    delivery: given("delivery"),
    due_at: given("dueAt"),
    scheduled_at: given("scheduledAt"),
    started_at: given("startedAt"),
    ended_at: given("endedAt"),
    step: given("step"),
    attempt: given("attempt"),
    failures: given("failures"),
    worker: given("worker"),
    cut: given("cut"),
    withdrawn: given("withdrawn"),
  }),

  change: build
    .updateTable("stent_journal")
    .set({
      status: given<0>("status"),
      value: given("value"),
      delivery: given<number | null>("delivery"),
      started_at: given<number | null>("startedAt"),
      ended_at: given<number | null>("endedAt"),
      attempt: given<number>("attempt"),
      failures: given<number>("failures"),
      worker: given<number | null>("worker"),
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("delivery", "is", null),

  /** The outcome of an entry that waits for one, to be delivered by its holder. */
  complete: build
    .updateTable("stent_journal")
    .set({
      status: 1,
      value: given("value"),
      attempt: given<number>("attempt"),
      ended_at: given<number>("now"),
      worker: null,
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("status", "=", 0),

  withdraw: build
    .updateTable("stent_journal")
    .set({
      status: 3,
      ended_at: given<number>("now"),
      worker: null,
      withdrawn: given<number>("delivery"),
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("status", "=", 0),

  /** Undoes a delivery: the value is kept to be delivered again, an error is asked for anew. */
  setOptions: build
    .updateTable("stent_journal")
    .set({ options: given<string>("options") })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  /** Its attempts before it was asked for anew count. */
  keepCount: build
    .updateTable("stent_journal")
    .set({ attempt: given<number>("attempt"), failures: given<number>("failures") })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  undeliver: build
    .updateTable("stent_journal")
    .set({
      delivery: null,
      withdrawn: null,
      status: given<0>("status"),
      value: given("value"),
      attempt: given<number>("attempt"),
      failures: given<number>("failures"),
      started_at: given<number | null>("startedAt"),
      ended_at: given<number | null>("endedAt"),
      worker: null,
      due_at: given<number | null>("dueAt"),
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),

  one: build
    .selectFrom("stent_journal")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),

  page: build
    .selectFrom("stent_journal")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", ">", given<number>("after"))
    .orderBy("seq")
    .limit(given<number>("limit")),

  newest: build
    .selectFrom("stent_journal")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .orderBy("seq", "desc")
    .limit(given<number>("limit")),

  /** No payloads are read, which may be long, but for what `progress` told. */
  newestSteps: build
    .selectFrom("stent_journal")
    .select([
      "seq",
      "path",
      "kind",
      "name",
      "status",
      "scheduled_at",
      "started_at",
      "ended_at",
      "step",
      "worker",
      "cut",
      "attempt",
    ])
    .select((eb) => eb.case().when("kind", "=", "progress").then(eb.ref("value")).end().as("value"))
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("kind", "not in", silentKinds)
    .orderBy("seq", "desc")
    .limit(given<number>("limit")),

  /** What replay needs of a run, and no more. */
  replay: build
    .selectFrom("stent_journal")
    .select([
      "seq",
      "path",
      "kind",
      "name",
      "status",
      "value",
      "reached",
      "delivery",
      "due_at as dueAt",
      "step",
      "attempt",
      "cut",
      // What steps were given is not looked at in replay, and may be most of what is stored.
      sql<Payload | null>`case when kind in ('call', 'child', 'dispatch', 'sendSignal') then null else input end`.as(
        "input",
      ),
      "options",
      "scheduled_at as scheduledAt",
    ])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .orderBy("seq"),

  pending: build
    .selectFrom("stent_journal")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "in", openOnes)
    .orderBy("seq")
    .limit(given<number>("limit")),

  /** Attempts that a session had begun itself. */
  begunBy: build
    .selectFrom("stent_journal")
    .select(["seq"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "in", openOnes)
    .where("worker", "=", given<number>("session")),

  /** Calls of held executions whose attempt their holder has begun itself. A cross join, and no bare key, so that it begins at what is held. */
  begunCalls: build
    .selectFrom("stent_executions as e")
    .crossJoin("stent_journal as j")
    .selectAll("j")
    .where("e.worker", "is not", null)
    .where(sql<boolean>`+e.key >= ${given<number>("execution")}`)
    .whereRef("j.execution", "=", "e.key")
    .whereRef("j.run", "=", "e.run")
    .where(
      "j.seq",
      "in",
      sql<number>`(select o.seq from stent_journal o where o.execution = e.key and o.run = e.run and o.status = 0)`,
    )
    .where("j.kind", "=", "call")
    .where("j.worker", "is not", null)
    .where((eb) =>
      eb.or([
        eb("j.execution", ">", given<number>("execution")),
        eb("j.seq", ">", given<number>("seq")),
      ]),
    )
    .orderBy("j.execution")
    .orderBy("j.seq")
    .limit(given<number>("limit")),

  removeEntry: build
    .deleteFrom("stent_journal")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  /** Whether anything of an execution is queued, under way or on its way. */
  anyWork: sql<{ any: number }>`
    select case when exists (select 1 from stent_tasks where execution = ${given("execution")})
      or exists (select 1 from stent_arrivals where execution = ${given("execution")})
      or exists (select 1 from stent_fanouts where execution = ${given("execution")}) then 1 else 0 end as "any"`,

  /** The first entries of a run that is over. */
  removeRun: build
    .deleteFrom("stent_journal")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "in", (eb) =>
      eb
        .selectFrom("stent_journal")
        .select("seq")
        .where("execution", "=", given<number>("execution"))
        .where("run", "=", given<number>("run"))
        .orderBy("seq")
        .limit(given<number>("limit")),
    ),
  removeItemsOfRun: sql`
    delete from stent_items where execution = ${given("execution")} and run = ${given("run")} and (seq, item) in (
      select seq, item from stent_items where execution = ${given("execution")} and run = ${given("run")}
      order by seq, item limit ${given("limit")})`,
  anyOfRun: sql<{ any: number }>`
    select case when exists (select 1 from stent_journal where execution = ${given("execution")} and run = ${given("run")})
      or exists (select 1 from stent_items where execution = ${given("execution")} and run = ${given("run")}) then 1 else 0 end as "any"`,
  leaveRun: build
    .insertInto("stent_left_runs")
    .values({ execution: given("execution"), run: given("run") }),
  leftRun: build.selectFrom("stent_left_runs").select(["execution", "run"]).limit(1),
  removeLeftRun: build
    .deleteFrom("stent_left_runs")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run")),
  removeLeftRuns: build
    .deleteFrom("stent_left_runs")
    .where("execution", "=", given<number>("execution")),

  insertItem: build.insertInto("stent_items").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    item: given("item"),
    input: given("input"),
    gates: given("gates"),
    status: 0,
  }),
  endItem: build
    .updateTable("stent_items")
    .set({
      status: given<0>("status"),
      value: given("value"),
      attempt: given<number>("attempt"),
      ended_at: given<number>("now"),
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item"))
    .where("status", "=", 0),
  /** The item has a task of its own from now on. */
  setItemApart: build
    .updateTable("stent_items")
    .set({ alone: 1, attempt: given<number>("attempt") })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  /** Items that a task of that path is for: the one that an item is given for its retry has another path than its entry. */
  itemsOfTask: build
    .selectFrom("stent_items")
    .select(["item", "input"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("from"))
    .where("item", "<", given<number>("to"))
    .where("status", "=", 0)
    .where(
      "alone",
      "=",
      sql<number>`(select case when j.path = ${given("path")} then 0 else 1 end from stent_journal j
        where j.execution = ${given("execution")} and j.run = ${given("run")} and j.seq = ${given("seq")})`,
    )
    .orderBy("item")
    .limit(given<number>("limit")),
  openItems: build
    .selectFrom("stent_items")
    .select(["item", "input", "gates"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("from"))
    .where("item", "<", given<number>("to"))
    .where("status", "=", 0)
    .where("alone", "=", given<number>("alone"))
    .orderBy("item")
    .limit(given<number>("limit")),
  /** The same without what they carry. */
  openItemNumbers: build
    .selectFrom("stent_items")
    .select("item")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("from"))
    .where("item", "<", given<number>("to"))
    .where("status", "=", 0)
    .where("alone", "=", given<number>("alone"))
    .orderBy("item")
    .limit(given<number>("limit")),
  /** Whether a range holds an item that waits for its outcome. The last ones are the likely ones. */
  anyOpenItem: build
    .selectFrom("stent_items")
    .select("item")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("from"))
    .where("item", "<", given<number>("to"))
    .where("status", "=", 0)
    .where("alone", "=", given<number>("alone"))
    .orderBy("item", "desc")
    .limit(1),
  /** Which items wait and have not been put into the queue, from one on. */
  waitingItems: build
    .selectFrom("stent_items")
    .select(["item", "gates"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("from"))
    .where("status", "=", 0)
    .orderBy("item")
    .limit(given<number>("limit")),
  item: build
    .selectFrom("stent_items")
    .select(["status", "alone"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  /** An item whose child is retried by itself waits again, beside those that its map lets run. */
  takeBackItem: build
    .updateTable("stent_items")
    .set({ status: 0, value: null, alone: 1, ended_at: null })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item"))
    .where("status", "in", [0, 2]),
  /** Its map lets it run: it is one of those that are counted. */
  countItem: build
    .updateTable("stent_items")
    .set({ alone: 0 })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  /** Items that have not begun as children will not. */
  forgoUnbegun: build
    .updateTable("stent_items")
    .set({ status: 3, ended_at: given<number>("now") })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("next"))
    .where("status", "=", 0)
    .where("alone", "=", 0),
  /** Items without an outcome that no task is for will get none. */
  forgoItems: sql<never>`
    update stent_items set status = 3, ended_at = ${given("now")}
    where execution = ${given("execution")} and run = ${given("run")} and seq = ${given("seq")} and status = 0 and not exists (
      select 1 from stent_tasks t
      where t.execution = stent_items.execution and t.run = stent_items.run and t.seq = stent_items.seq
      and t.item_from <= item and t.item_to > item and case when t.path <> ${given("path")} then 1 else 0 end = alone)`,
  items: build
    .selectFrom("stent_items")
    .select(["item", "status", "value"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .orderBy("item"),
  itemPage: build
    .selectFrom("stent_items")
    .select(["item", "input", "status", "value", "attempt", "ended_at", "alone"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">", given<number>("after"))
    .orderBy("item")
    .limit(given<number>("limit")),
  reopenItem: build
    .updateTable("stent_items")
    .set({ status: 0, value: null, alone: 0, attempt: 0, ended_at: null })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  removeItems: build
    .deleteFrom("stent_items")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),

  insertFanout: build.insertInto("stent_fanouts").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    total: given("total"),
    next: given("next"),
    left: given("left"),
    tolerated: given("tolerated"),
  }),
  fanout: build
    .selectFrom("stent_fanouts")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  changeFanout: build
    .updateTable("stent_fanouts")
    .set({
      left: given<number>("left"),
      failed: given<number>("failed"),
      next: given<number>("next"),
      forgone: given<number>("forgone"),
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  /** Maps of a run of which not every item has begun. */
  unbegunFanouts: build
    .selectFrom("stent_fanouts")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .whereRef("next", "<", "total"),
  /** It is waited for as far as it has begun, and no failure ends it any more. */
  tellFanout: build
    .updateTable("stent_fanouts")
    .set({
      left: given<number>("left"),
      forgone: given<number>("forgone"),
      next: sql<number>`total`,
      tolerated: null,
    })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeFanout: build
    .deleteFrom("stent_fanouts")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeAllFanouts: build
    .deleteFrom("stent_fanouts")
    .where("execution", "=", given<number>("execution")),

  insertArrival: build.insertInto("stent_arrivals").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    kind: given("kind"),
    status: given("status"),
    value: given("value"),
    records: given("records"),
    attempt: given("attempt"),
    failures: given("failures"),
    started_at: given("startedAt"),
    ended_at: given("now"),
  }),
  arrivals: build
    .selectFrom("stent_arrivals")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .orderBy("key"),
  removeArrival: build.deleteFrom("stent_arrivals").where("key", "=", given<number>("key")),
  removeArrivalsOf: build
    .deleteFrom("stent_arrivals")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeArrivals: build
    .deleteFrom("stent_arrivals")
    .where("execution", "=", given<number>("execution")),

  setCounter: build
    .insertInto("stent_counters")
    .values({ execution: given("execution"), name: given("name"), value: given("amount") })
    .onConflict((conflict) =>
      conflict.columns(["execution", "name"]).doUpdateSet({ value: sql<number>`excluded.value` }),
    ),
  counters: build
    .selectFrom("stent_counters")
    .select(["name", "value"])
    .where("execution", "=", given<number>("execution"))
    .orderBy("name"),
  ...kept("Counter", "stent_counters"),

  setState: build
    .insertInto("stent_state")
    .values({ execution: given("execution"), name: given("name"), value: given("value") })
    .onConflict((conflict) =>
      conflict.columns(["execution", "name"]).doUpdateSet({ value: sql<string>`excluded.value` }),
    ),
  state: build
    .selectFrom("stent_state")
    .select(["name", "value"])
    .where("execution", "=", given<number>("execution"))
    .orderBy("name"),
  ...kept("State", "stent_state"),
};
