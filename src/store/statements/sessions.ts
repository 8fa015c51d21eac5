import { sql } from "kysely";
import { build, given } from "./statement.ts";

/** Statements over worker sessions, lanes, marks, messages and dead letters. */
export const sessionStatements = {
  register: build.insertInto("stent_workers").values({
    id: given("id"),
    name: given("name"),
    host: given("host"),
    pid: given("pid"),
    process: given("process"),
    state: "live",
    lease: given("leaseMs"),
    started_at: given("now"),
    seen_at: given("now"),
    queues: given("queues"),
    tags: given("tags"),
    functions: given("functions"),
  }),
  /** S1: whether the session may write. */
  live: build
    .selectFrom("stent_workers")
    .select("key")
    .where("key", "=", given<number>("session"))
    .where("state", "=", "live"),
  beat: build
    .updateTable("stent_workers")
    .set({ beat: sql<number>`beat + 1`, seen_at: given<number>("now") })
    .where("key", "=", given<number>("session"))
    .where("state", "=", "live"),
  bury: build
    .updateTable("stent_workers")
    .set({ state: "dead" })
    .where("key", "=", given<number>("session"))
    .where("state", "=", "live"),
  buryUnlessBeaten: build
    .updateTable("stent_workers")
    .set({ state: "dead" })
    .where("key", "=", given<number>("session"))
    .where("state", "=", "live")
    .where("beat", "=", given<number>("beat")),
  all: build.selectFrom("stent_workers").selectAll().orderBy("key"),

  lane: build.selectFrom("stent_lanes").select("key").where("text", "=", given<string>("text")),
  insertLane: build
    .insertInto("stent_lanes")
    .values({
      kind: given("kind"),
      name: given("name"),
      version: given("version"),
      queue: given("queue"),
      tags: given("tags"),
      text: given("text"),
    })
    .onConflict((conflict) => conflict.column("text").doNothing()),
  laneByKey: build.selectFrom("stent_lanes").selectAll().where("key", "=", given<number>("key")),
  lanesAfter: build
    .selectFrom("stent_lanes")
    .selectAll()
    .where("key", ">", given<number>("after"))
    .orderBy("key"),

  mark: build
    .insertInto("stent_marks")
    .values({
      execution: given("execution"),
      run: given("run"),
      seq: given("seq"),
      item: given("item"),
      session: given("session"),
    })
    .onConflict((conflict) => conflict.doNothing()),
  marks: build
    .selectFrom("stent_marks")
    .select(["seq", "item", "session"])
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run")),
  countMarks: build
    .selectFrom("stent_marks")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  /** How many sessions died in a turn of this run, or in one of its attempts that has no outcome yet; the most of any. */
  turnMarks: sql<{ count: number }>`
    select coalesce(max(count), 0) as count from (
      select count(*) as count from stent_marks m
      where m.execution = ${given("execution")} and m.run = ${given("run")} and m.item = -1 and (m.seq = -1 or exists (
        select 1 from stent_journal j where j.execution = m.execution and j.run = m.run and j.seq = m.seq and j.status = 0))
      group by m.seq) of_each`,
  /** How many sessions died while an item of a range was running; or a call, whose item is -1. */
  itemMarks: sql<{ item: number; count: number }>`
    select item, count(*) as count from stent_marks
    where execution = ${given("execution")} and run = ${given("run")} and seq = ${given("seq")}
    and item >= ${given("from")} and item < ${given("to")}
    group by item`,
  /** How many suspects there are, at the most. */
  countSuspects: sql<{ count: number }>`
    select count(*) as count from (
      select 1 from stent_marks group by execution, run, seq, item having count(*) >= ${given("suspect")}) suspects`,
  anyMark: build.selectFrom("stent_marks").select("session").limit(1),
  clearMarks: build
    .deleteFrom("stent_marks")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run"))
    .where("seq", "=", given<number>("seq"))
    .where("item", "=", given<number>("item")),
  removeMarks: build.deleteFrom("stent_marks").where("execution", "=", given<number>("execution")),
  removeMarksOf: build.deleteFrom("stent_marks").where("session", "=", given<number>("session")),

  send: build.insertInto("stent_signals").values({
    execution: given("execution"),
    name: given("name"),
    payload: given("payload"),
    dedupe: given("dedupe"),
    sent_at: given("now"),
  }),
  sentBefore: build
    .selectFrom("stent_signals")
    .select("key")
    .where("execution", "=", given<number>("execution"))
    .where("dedupe", "=", given<string>("dedupe"))
    .where("dedupe", "is not", null),
  inbox: build
    .selectFrom("stent_signals")
    .select(["key", "payload"])
    .where("execution", "=", given<number>("execution"))
    .where("name", "=", given<string>("name"))
    .where("consumed_run", "is", null)
    .orderBy("key")
    .limit(given<number>("limit")),
  /** `names`: as JSON. */
  inboxNames: sql<{ name: string }>`
    select n.value as name from json_each(${given<string>("names")}) as n
    where exists (
      select 1 from stent_signals as s
      where s.execution = ${given<number>("execution")} and s.name = n.value and s.consumed_run is null
    )`,
  consume: build
    .updateTable("stent_signals")
    .set({ consumed_run: given<number>("run"), consumed_seq: given<number>("seq") })
    .where("key", "=", given<number>("key"))
    .where("execution", "=", given<number>("execution"))
    .where("consumed_run", "is", null),
  returnMessage: build
    .updateTable("stent_signals")
    .set({ consumed_run: null, consumed_seq: null })
    .where("execution", "=", given<number>("execution"))
    .where("consumed_run", "=", given<number>("run"))
    .where("consumed_seq", "=", given<number>("seq")),
  /** Messages that a run which is over has read; those that a resend would be told from stay. */
  removeConsumed: build
    .deleteFrom("stent_signals")
    .where("execution", "=", given<number>("execution"))
    .where("consumed_run", "is not", null)
    .where("dedupe", "is", null),
  removeSignals: build
    .deleteFrom("stent_signals")
    .where("execution", "=", given<number>("execution")),

  leaveWake: build
    .insertInto("stent_wakes")
    .values({ execution: given("execution"), gate: given("gate") }),
  wakes: build
    .selectFrom("stent_wakes")
    .select(["key", "execution", "gate"])
    .orderBy("key")
    .limit(given<number>("limit")),
  removeWake: build.deleteFrom("stent_wakes").where("key", "=", given<number>("key")),

  keepLetter: build
    .insertInto("stent_dead_letters")
    .values({
      task: given("task"),
      execution: given("execution"),
      run: given("run"),
      seq: given("seq"),
      item: given("item"),
      reason: given("reason"),
      record: given("record"),
      error: given("error"),
      moved_at: given("now"),
    })
    .onConflict((conflict) => conflict.column("task").doNothing()),
  letters: build
    .selectFrom("stent_dead_letters")
    .innerJoin("stent_executions", "stent_executions.key", "stent_dead_letters.execution")
    .selectAll("stent_dead_letters")
    .select("stent_executions.id as execution_id")
    .where("stent_dead_letters.key", "<", given<number>("before"))
    .orderBy("stent_dead_letters.key", "desc")
    .limit(given<number>("limit")),
  letter: build
    .selectFrom("stent_dead_letters")
    .innerJoin("stent_executions", "stent_executions.key", "stent_dead_letters.execution")
    .selectAll("stent_dead_letters")
    .select("stent_executions.id as execution_id")
    .where("task", "=", given<string>("task")),
  removeLetter: build.deleteFrom("stent_dead_letters").where("task", "=", given<string>("task")),
  removeLetters: build
    .deleteFrom("stent_dead_letters")
    .where("execution", "=", given<number>("execution")),
  removeLettersOfRun: build
    .deleteFrom("stent_dead_letters")
    .where("execution", "=", given<number>("execution"))
    .where("run", "=", given<number>("run")),
};
