import { sql } from "kysely";
import { build, given } from "./statement.ts";

/** Statements over gates: places of `maxConcurrent`, tokens of `rateLimit`, and who waits for a place. A holder is a task, or below zero an execution. */
export const limitStatements = {
  insertGate: build
    .insertInto("stent_gates")
    .values({
      name: given<string>("name"),
      places: given<number | null>("places"),
      tokens: given<number | null>("tokens"),
      at: given<number>("now"),
      promised: given<number>("now"),
    })
    .onConflict((conflict) => conflict.column("name").doNothing()),
  /** By whoever claims: what others are changing just now is passed over. */
  gate: build.selectFrom("stent_gates").selectAll().where("name", "=", given<string>("name")),
  /** By whoever frees places. */
  freedGate: build.selectFrom("stent_gates").selectAll().where("key", "=", given<number>("key")),
  gateKey: build.selectFrom("stent_gates").select("key").where("name", "=", given<string>("name")),
  setPlaces: build
    .updateTable("stent_gates")
    .set({ places: given<number>("places") })
    .where("key", "=", given<number>("key")),
  setTokens: build
    .updateTable("stent_gates")
    .set({
      tokens: given<number>("tokens"),
      at: given<number>("now"),
      promised: given<number>("promised"),
    })
    .where("key", "=", given<number>("key")),

  /** A workflow keeps its place whichever session goes on with it. */
  takePlace: build
    .insertInto("stent_slots")
    .values({ gate: given("gate"), holder: given("holder"), session: given("session") })
    .onConflict((conflict) => conflict.doNothing()),
  place: build
    .selectFrom("stent_slots")
    .select("holder")
    .where("gate", "=", given<number>("gate"))
    .where("holder", "=", given<number>("holder")),
  taken: build
    .selectFrom("stent_slots")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("gate", "=", given<number>("gate")),
  holders: build
    .selectFrom("stent_slots")
    .select("holder")
    .where("gate", "=", given<number>("gate"))
    .limit(given<number>("limit")),
  gatesOf: build
    .selectFrom("stent_slots")
    .select("gate")
    .where("holder", "=", given<number>("holder")),
  leave: build.deleteFrom("stent_slots").where("holder", "=", given<number>("holder")),
  gatesOfSession: build
    .selectFrom("stent_slots")
    .select("gate")
    .distinct()
    .where("session", "=", given<number>("session")),
  leaveSession: build.deleteFrom("stent_slots").where("session", "=", given<number>("session")),

  /** By whoever claims: what others are changing just now is passed over. */
  result: build.selectFrom("stent_results").selectAll().where("name", "=", given<string>("name")),
  /** The same for who only looks. */
  storedResult: build
    .selectFrom("stent_results")
    .select("value")
    .where("name", "=", given<string>("name"))
    .where("stored", "=", 1)
    .where((eb) =>
      eb.or([eb("expires_at", "is", null), eb("expires_at", ">", given<number>("now"))]),
    ),
  resultKey: build
    .selectFrom("stent_results")
    .select("key")
    .where("name", "=", given<string>("name")),
  freedResult: build
    .selectFrom("stent_results")
    .selectAll()
    .where("key", "=", given<number>("key")),
  insertResult: build
    .insertInto("stent_results")
    .values({ name: given<string>("name") })
    .onConflict((conflict) => conflict.column("name").doNothing()),
  reserve: build
    .updateTable("stent_results")
    .set({
      holder: given<number>("holder"),
      session: given<number | null>("session"),
      ttl: given<number | null>("ttl"),
      stored: 0,
      value: null,
      expires_at: null,
    })
    .where("key", "=", given<number>("key")),
  reservedBy: build
    .selectFrom("stent_results")
    .select("key")
    .where("holder", "=", given<number>("holder")),
  store: build
    .updateTable("stent_results")
    .set({
      holder: null,
      session: null,
      stored: 1,
      value: given("value"),
      expires_at: sql<number | null>`${given("now")} + ttl`,
    })
    .where("holder", "=", given<number>("holder")),
  release: build
    .updateTable("stent_results")
    .set({ holder: null, session: null })
    .where("holder", "=", given<number>("holder")),
  reservedIn: build
    .selectFrom("stent_results")
    .select("holder")
    .where("session", "=", given<number>("session")),
  removeResult: build.deleteFrom("stent_results").where("key", "=", given<number>("key")),
  expired: build
    .selectFrom("stent_results")
    .select("key")
    .where("expires_at", "<=", given<number>("now"))
    .where("expires_at", "is not", null)
    .limit(given<number>("limit")),

  wait: build
    .insertInto("stent_waits")
    .values({
      gate: given("gate"),
      holder: given("holder"),
      rank: given("rank"),
      due_at: given("dueAt"),
    })
    .onConflict((conflict) => conflict.doNothing()),
  waiting: build
    .selectFrom("stent_waits")
    .select(["holder", "due_at"])
    .where("gate", "=", given<number>("gate"))
    .orderBy("rank")
    .orderBy("due_at")
    .orderBy("holder")
    .limit(given<number>("limit")),
  /** For those who look: what it waits for. A result's name, or a limit's with its places. */
  waitOf: build
    .selectFrom("stent_waits as w")
    .leftJoin("stent_gates as g", "g.key", "w.gate")
    .leftJoin("stent_results as r", (join) => join.on(sql`r.key`, "=", sql`-w.gate`))
    .select([
      "w.gate as gate",
      "g.name as limit",
      "g.places as places",
      "r.name as result",
      "r.holder as runner",
    ])
    .where("w.holder", "=", given<number>("holder")),
  /** The execution of a holder. */
  executionOfHolder: sql<{ id: string }>`
    select e.id from stent_executions e
    where e.key = case when ${given("holder")} < 0 then -${given("holder")} else (select t.execution from stent_tasks t where t.key = ${given("holder")}) end`,
  stopWaiting: build.deleteFrom("stent_waits").where("holder", "=", given<number>("holder")),

  deferTask: build
    .updateTable("stent_tasks")
    .set({ due_at: given<number>("dueAt") })
    .where("key", "=", given<number>("key")),
  deferExecution: build
    .updateTable("stent_executions")
    .set({ due_at: given<number>("dueAt") })
    .where("key", "=", given<number>("key")),
  /** What waited for a place may be claimed again. */
  readmitTask: build
    .updateTable("stent_tasks")
    .set({ due_at: given<number>("dueAt") })
    .where("key", "=", given<number>("key"))
    .where("worker", "is", null)
    .where("due_at", "=", given<number>("never")),
  readmitExecution: build
    .updateTable("stent_executions")
    .set({ due_at: given<number>("dueAt") })
    .where("key", "=", given<number>("key"))
    .where("worker", "is", null)
    .where("due_at", "=", given<number>("never")),
  idOf: build.selectFrom("stent_executions").select("id").where("key", "=", given<number>("key")),
  parentOf: build
    .selectFrom("stent_executions")
    .select("parent")
    .where("key", "=", given<number>("key")),
};
