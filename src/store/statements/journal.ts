import { sql } from "kysely";
import { silentKinds } from "../../core/journal.ts";
import { build, given } from "./statement.ts";

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
    scheduled_at: given("now"),
    started_at: given("startedAt"),
    ended_at: given("endedAt"),
    step: given("step"),
    attempt: given("attempt"),
    failures: given("failures"),
    worker: given("worker"),
    cut: given("cut"),
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

  withdraw: build
    .updateTable("stent_journal")
    .set({ status: 3, ended_at: given<number>("now"), worker: null })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("status", "=", 0),

  /** Undoes a delivery: the value is kept to be delivered again, an error is asked for anew. */
  undeliver: build
    .updateTable("stent_journal")
    .set({
      delivery: null,
      status: given<0>("status"),
      value: given("value"),
      failures: 0,
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
    .select(["seq", "path", "kind", "name", "status", "scheduled_at", "started_at", "ended_at", "step", "worker", "cut"])
    .select((eb) => eb.case().when("kind", "=", "progress").then(eb.ref("value")).end().as("value"))
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("kind", "not in", silentKinds)
    .orderBy("seq", "desc")
    .limit(given<number>("limit")),

  pending: build
    .selectFrom("stent_journal")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("status", "=", 0)
    .orderBy("seq")
    .limit(given<number>("limit")),

  /** Attempts that a session had begun itself. */
  begunBy: build
    .selectFrom("stent_journal")
    .select(["seq"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("status", "=", 0)
    .where("worker", "=", given<number>("session")),

  /** Calls of held executions whose attempt their holder has begun itself. */
  begunCalls: build
    .selectFrom("stent_executions as e")
    .innerJoin("stent_journal as j", (join) => join.onRef("j.execution", "=", "e.key").onRef("j.run", "=", "e.run"))
    .selectAll("j")
    .where("e.worker", "is not", null)
    .where("j.status", "=", 0)
    .where("j.kind", "=", "call")
    .where("j.worker", "is not", null)
    .where(sql<boolean>`(j.execution, j.seq) > (${given<number>("execution")}, ${given<number>("seq")})`)
    .orderBy("j.execution")
    .orderBy("j.seq")
    .limit(given<number>("limit")),

  removeEntry: build
    .deleteFrom("stent_journal")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeAll: build.deleteFrom("stent_journal").where("execution", "=", given<number>("execution")),

  insertItem: build.insertInto("stent_items").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    item: given("item"),
    input: given("input"),
    status: 0,
  }),
  endItem: build
    .updateTable("stent_items")
    .set({ status: given<0>("status"), value: given("value"), attempt: given<number>("attempt"), ended_at: given<number>("now") })
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
  openItems: build
    .selectFrom("stent_items")
    .select(["item", "input"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", ">=", given<number>("from"))
    .where("item", "<", given<number>("to"))
    .where("status", "=", 0)
    .where("alone", "=", given<number>("alone"))
    .orderBy("item"),
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
    .set({ status: 0, value: null, alone: 0, ended_at: null })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  removeItems: build
    .deleteFrom("stent_items")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeAllItems: build.deleteFrom("stent_items").where("execution", "=", given<number>("execution")),

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
    .set({ left: given<number>("left"), failed: given<number>("failed"), next: given<number>("next") })
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeFanout: build
    .deleteFrom("stent_fanouts")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  removeAllFanouts: build.deleteFrom("stent_fanouts").where("execution", "=", given<number>("execution")),

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
  arrivals: build.selectFrom("stent_arrivals").selectAll().where("execution", "=", given<number>("execution")).orderBy("key"),
  removeArrival: build.deleteFrom("stent_arrivals").where("key", "=", given<number>("key")),
  removeArrivals: build.deleteFrom("stent_arrivals").where("execution", "=", given<number>("execution")),

  setCounter: build
    .insertInto("stent_counters")
    .values({ execution: given("execution"), name: given("name"), value: given("value") })
    .onConflict((conflict) => conflict.columns(["execution", "name"]).doUpdateSet({ value: sql<number>`excluded.value` })),
  counters: build.selectFrom("stent_counters").select(["name", "value"]).where("execution", "=", given<number>("execution")).orderBy("name"),
  removeCounters: build.deleteFrom("stent_counters").where("execution", "=", given<number>("execution")),
  removeCounter: build.deleteFrom("stent_counters").where("execution", "=", given<number>("execution")).where("name", "=", given<string>("name")),
  setState: build
    .insertInto("stent_state")
    .values({ execution: given("execution"), name: given("name"), value: given("value") })
    .onConflict((conflict) => conflict.columns(["execution", "name"]).doUpdateSet({ value: sql<string>`excluded.value` })),
  state: build.selectFrom("stent_state").select(["name", "value"]).where("execution", "=", given<number>("execution")).orderBy("name"),
  removeStates: build.deleteFrom("stent_state").where("execution", "=", given<number>("execution")),
  removeState: build.deleteFrom("stent_state").where("execution", "=", given<number>("execution")).where("name", "=", given<string>("name")),
};
