import { sql, type Selectable } from "kysely";
import type { Tables } from "../schema.ts";
import { build, given } from "./statement.ts";

/** Somebody who is not there any more waits for nothing. */
const stillWaits = sql`case when w.holder > 0
      then exists (select 1 from stent_tasks t where t.key = w.holder and t.worker is null)
      else exists (select 1 from stent_executions e where e.key = -w.holder and e.worker is null and e.ended_at is null) end`;

type RowOf<T extends keyof Tables> = Selectable<Tables[T]>;

/** Statements over gates: places of `maxConcurrent`, tokens of `rateLimit`, and who waits for a place. A holder is a task, or below zero an execution. */
export const limitStatements = {
  insertGate: build
    .insertInto("stent_gates")
    .values({
      name: given<string>("name"),
      places: given<number>("places"),
      per: given<number | null>("per"),
      tokens: given<number | null>("tokens"),
      at: given<number>("now"),
    })
    .onConflict((conflict) => conflict.column("name").doNothing()),
  /** By whoever claims: what others are changing just now is passed over. */
  gate: build.selectFrom("stent_gates").selectAll().where("name", "=", given<string>("name")),
  gateKey: build.selectFrom("stent_gates").select("key").where("name", "=", given<string>("name")),
  /** By whoever frees places: the same. `keys`: as JSON. */
  freedGates: sql<RowOf<"stent_gates">>`
    select * from stent_gates where key in (select cast(value as bigint) from json_each(${given<string>("keys")}))`,
  gateIsThere: build
    .selectFrom("stent_gates")
    .select("key")
    .where("key", "=", given<number>("key")),
  setPlaces: build
    .updateTable("stent_gates")
    .set({ places: given<number>("places") })
    .where("key", "=", given<number>("key")),
  setTokens: build
    .updateTable("stent_gates")
    .set({
      places: given<number>("places"),
      per: given<number>("per"),
      tokens: given<number>("tokens"),
      at: given<number>("now"),
    })
    .where("key", "=", given<number>("key")),

  /** A workflow keeps its place whichever session goes on with it. */
  takePlace: build
    .insertInto("stent_slots")
    .values({ gate: given("gate"), holder: given("holder"), session: given("session") })
    .onConflict((conflict) => conflict.doNothing()),
  taken: build
    .selectFrom("stent_slots")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("gate", "=", given<number>("gate")),
  holders: build
    .selectFrom("stent_slots")
    .select("holder")
    .where("gate", "=", given<number>("gate"))
    .limit(given<number>("limit")),
  /** An attempt among those who have a place. */
  anyAttempt: build
    .selectFrom("stent_slots")
    .select("holder")
    .where("gate", "=", given<number>("gate"))
    .where("holder", ">", 0)
    .limit(1),
  /** Where it has a place, where it was called to, and what it is to store. A result counts below zero. */
  tracesOf: sql<{ gate: number; what: "place" | "call" | "result" }>`
    select gate, 'place' as what from stent_slots where holder = ${given("holder")}
    union all select gate, 'call' from stent_waits where holder = ${given("holder")} and called = 1
    union all select -key, 'result' from stent_results where holder = ${given("holder")}`,
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
  freedResults: sql<RowOf<"stent_results">>`
    select * from stent_results where key in (select cast(value as bigint) from json_each(${given<string>("keys")}))`,
  resultIsThere: build
    .selectFrom("stent_results")
    .select("key")
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

  /** It keeps what it is called by, whenever it comes back, and wherever it waits next. */
  wait: build
    .insertInto("stent_waits")
    .values({
      gate: given("gate"),
      holder: given("holder"),
      lane: given("lane"),
      rank: given("rank"),
      due_at: sql<number>`coalesce((select min(w.due_at) from stent_waits w where w.holder = ${given("holder")}), ${given("dueAt")})`,
    })
    .onConflict((conflict) => conflict.columns(["gate", "holder"]).doUpdateSet({ called: 0 })),
  /** Who was called to one gate and waits at another is not on its way any more. Whoever is to bring about a result is, wherever it waits. */
  leaveOtherLines: build
    .deleteFrom("stent_waits")
    .where("holder", "=", given<number>("holder"))
    .where("gate", "<>", given<number>("gate"))
    .where("gate", ">", 0),
  /** Lanes in which somebody waits, or was called and has not come yet. */
  waitingLanes: sql<{ lane: number }>`
    with recursive lanes(lane) as (
      select min(lane) from stent_waits where gate = ${given("gate")}
      union all
      select (select min(w.lane) from stent_waits w where w.gate = ${given("gate")} and w.lane > lanes.lane) from lanes where lanes.lane is not null)
    select lane from lanes where lane is not null`,
  /** How many were called and are in the queue. */
  called: sql<{ count: number }>`
    select count(*) as count from (
      select 1 from stent_waits w
      where w.gate = ${given("gate")} and w.lane = ${given("lane")} and w.called = 1 and ${stillWaits}
      limit ${given<number>("limit")}) there`,
  waiting: sql<{ holder: number; due_at: number }>`
    select w.holder, w.due_at from stent_waits w
    where w.gate = ${given("gate")} and w.lane = ${given("lane")} and w.called = 0 and ${stillWaits}
    order by w.rank, w.due_at, abs(w.holder)
    limit ${given<number>("limit")}`,
  call: build
    .updateTable("stent_waits")
    .set({ called: 1 })
    .where("gate", "=", given<number>("gate"))
    .where("holder", "=", given<number>("holder")),
  /** For those who look: what it waits for. A result's name, or a limit's with its places. */
  waitOf: build
    .selectFrom("stent_waits as w")
    .leftJoin("stent_gates as g", "g.key", "w.gate")
    .leftJoin("stent_results as r", (join) => join.on(sql`r.key`, "=", sql`-w.gate`))
    .select([
      "w.gate as gate",
      "g.name as limit",
      "g.places as places",
      "g.per as per",
      "r.name as result",
      "r.holder as runner",
    ])
    .where("w.holder", "=", given<number>("holder"))
    .where("w.called", "=", 0),
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
  idOf: build.selectFrom("stent_executions").select("id").where("key", "=", given<number>("key")),
  parentOf: build
    .selectFrom("stent_executions")
    .select("parent")
    .where("key", "=", given<number>("key")),
};
