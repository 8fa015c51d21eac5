import { sql } from "kysely";
import { laneHeads } from "./lane-heads.ts";
import { build, given } from "./statement.ts";

/** Statements over the task queue. */
export const taskStatements = {
  insert: build.insertInto("stent_tasks").values({
    execution: given("execution"),
    run: given("run"),
    seq: given("seq"),
    path: given("path"),
    item_from: given("itemFrom"),
    item_to: given("itemTo"),
    name: given("name"),
    lane: given("lane"),
    queue: given("queue"),
    rank: given("rank"),
    tags: given("tags"),
    due_at: given("dueAt"),
    worker: given("worker"),
    claim: given("claim"),
    attempt: given("attempt"),
    failures: given("failures"),
    scheduled_at: given("now"),
    started_at: given("startedAt"),
    error: given("error"),
    heartbeat: given("heartbeat"),
    give_up_at: given("giveUpAt"),
    gates: given("gates"),
  }),
  list: build
    .selectFrom("stent_tasks")
    .selectAll()
    .where(
      sql<boolean>`(${given("running")} is null or case when worker is not null then 1 else 0 end = ${given("running")})`,
    )
    .where(sql<boolean>`(${given("queue")} is null or queue = ${given("queue")})`)
    .where(sql<boolean>`(${given("unqueued")} = 0 or queue is null)`)
    .where("key", ">", given<number>("after"))
    .orderBy("key")
    .limit(given<number>("limit")),
  listOf: build
    .selectFrom("stent_tasks")
    .selectAll()
    .where("execution", "=", given<number>("execution"))
    .where("key", ">", given<number>("after"))
    .orderBy("key")
    .limit(given<number>("limit")),
  /** Items and calls that wait or run. */
  depth: sql<{ count: number }>`
    select coalesce(sum(coalesce(item_to - item_from, 1)), 0) as count from stent_tasks
    where ${given("any")} = 1 or queue is not distinct from ${given("queue")}`,
  byKey: build.selectFrom("stent_tasks").selectAll().where("key", "=", given<number>("key")),
  ofEntry: build
    .selectFrom("stent_tasks")
    .select(["key", "worker", "attempt", "failures", "error", "started_at", "gates"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq")),
  readyLanes: laneHeads("stent_tasks", sql`worker is null`),
  ready: build
    .selectFrom("stent_tasks")
    .selectAll()
    .where("worker", "is", null)
    .where("lane", "=", given<number>("lane"))
    .where("rank", "=", given<number>("rank"))
    .where("due_at", "<=", given<number>("now"))
    .orderBy("due_at")
    .orderBy("key")
    .limit(given<number>("limit")),
  take: build
    .updateTable("stent_tasks")
    .set({
      worker: given<number>("session"),
      claim: sql<number>`claim + 1`,
      attempt: sql<number>`attempt + 1`,
      started_at: given<number>("now"),
    })
    .where("key", "=", given<number>("key"))
    .where("worker", "is", null),
  /** The first items of a waiting range are taken out of it. */
  shorten: build
    .updateTable("stent_tasks")
    .set({ item_from: given<number>("from") })
    .where("key", "=", given<number>("key")),
  /** Waits for its next attempt. */
  again: build
    .updateTable("stent_tasks")
    .set({
      worker: null,
      due_at: given<number>("dueAt"),
      attempt: given<number>("attempt"),
      failures: given<number>("failures"),
      started_at: null,
      error: given("error"),
      heartbeat: given("heartbeat"),
    })
    .where("key", "=", given<number>("key")),
  tell: build
    .updateTable("stent_tasks")
    .set({ cancelled: 1 })
    .where("key", "=", given<number>("key")),
  remove: build.deleteFrom("stent_tasks").where("key", "=", given<number>("key")),
  /** The task of a range of items none of which is open any more. */
  removeEnded: build
    .deleteFrom("stent_tasks")
    .where("key", "=", given<number>("key"))
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom("stent_items")
            .select("item")
            .where("execution", "=", given<number>("execution"))
            .where("run", "=", given<number>("run"))
            .where("seq", "=", given<number>("seq"))
            .where("item", ">=", given<number>("from"))
            .where("item", "<", given<number>("to"))
            .where("status", "=", 0)
            .where("alone", "=", 0),
        ),
      ),
    ),
  removeAll: build.deleteFrom("stent_tasks").where("execution", "=", given<number>("execution")),
  ofExecution: build
    .selectFrom("stent_tasks")
    .select(["key", "worker", "gates"])
    .where("execution", "=", given<number>("execution")),
  heldBy: build
    .selectFrom("stent_tasks")
    .selectAll()
    .where("worker", "=", given<number>("session")),
  release: build
    .updateTable("stent_tasks")
    .set({ worker: null, due_at: given<number>("now"), started_at: null })
    .where("key", "=", given<number>("key")),
};
