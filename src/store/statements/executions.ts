import { sql } from "kysely";
import type { Payload } from "../../core/payload.ts";
import type { ExecutionStatus } from "../../core/status.ts";
import { laneHeads } from "./lane-heads.ts";
import { build, compile, given } from "./statement.ts";

export const unfinished = sql<boolean>`ended_at is null`;

const ready = build
  .selectFrom("stent_executions")
  // What their lane tells is not read: a text costs more than a number.
  .select([
    "key",
    "id",
    "state",
    "input",
    "options",
    "claim",
    "run",
    "cut",
    "attempt",
    "failures",
    "wake_seq",
    "created_at",
    "not_before",
    "scheduled_at",
    "deadline",
    "due_at",
    "cancel_reason",
    "heartbeat",
    "gates",
    sql<0 | 1>`case when blocked is not null then 1 else 0 end`.as("blocked"),
  ])
  .where("worker", "is", null)
  .where("due_at", "is not", null)
  .where("lane", "=", given<number>("lane"))
  .where("rank", "=", given<number>("rank"))
  .where("due_at", "<=", given<number>("now"))
  .orderBy("due_at")
  .orderBy("key")
  .limit(given<number>("limit"));

const heldRun = build
  .selectFrom("stent_executions")
  .where("key", "=", given<number>("execution"))
  .where("worker", "=", given<number>("session"))
  .where("claim", "=", given<number>("claim"))
  .where("run", "=", given<number>("run"));

/** How a held execution stands, in one number, since each column that is read costs a tenth of the look-up: bits, and above them its cut. */
export const standingBits = {
  cancelling: 1,
  cancelSeen: 2,
  blocked: 4,
  deadline: 8,
  gated: 16,
  cut: 32,
} as const;
const standing = sql<number>`
  case when state = 'cancelling' then ${standingBits.cancelling} else 0 end
  + cancel_seen * ${standingBits.cancelSeen}
  + case when blocked is not null then ${standingBits.blocked} else 0 end
  + case when deadline is not null then ${standingBits.deadline} else 0 end
  + case when gates is not null then ${standingBits.gated} else 0 end
  + cut * ${standingBits.cut}`;

/** The same as text, for a statement that is not built here. */
export const standingColumn: string = compile(standing).sql;

/** Now, or when it is to begin. */
const soonest = sql<number>`case when not_before > ${given<number>("now")} then not_before else ${given<number>("now")} end`;

const newRow = {
  id: given<string>("id"),
  kind: given<"workflow">("kind"),
  name: given<string>("name"),
  version: given<string | null>("version"),
  state: given<"pending">("state"),
  input: given<string>("input"),
  options: given<string | null>("options"),
  queue: given<string | null>("queue"),
  rank: given<number>("rank"),
  tags: given<string | null>("tags"),
  lane: given<number>("lane"),
  parent: given<number | null>("parent"),
  parent_run: given<number | null>("parentRun"),
  parent_seq: given<number | null>("parentSeq"),
  root: given<number | null>("root"),
  created_at: given<number>("now"),
  started_at: given<number | null>("startedAt"),
  not_before: given<number>("notBefore"),
  scheduled_at: given<number>("notBefore"),
  max_duration: given<number | null>("maxDuration"),
  deadline: given<number | null>("deadline"),
  due_at: given<number | null>("dueAt"),
  worker: given<number | null>("worker"),
  claim: given<number>("claim"),
  gates: given<string | null>("gates"),
};

/** Statements over executions. */
export const executionStatements = {
  insert: build.insertInto("stent_executions").values(newRow),
  /** A child that is an item of a map. By itself, so that nobody else binds a value for it. */
  insertItem: build
    .insertInto("stent_executions")
    .values({ ...newRow, parent_item: given<number>("parentItem") }),
  /** A job with a totalTimeout. By itself as well. */
  insertTimed: build
    .insertInto("stent_executions")
    .values({ ...newRow, give_up_at: given<number>("giveUpAt") }),

  /** Executions that wait for a worker before their first attempt; both indexes of what waits are read, and nothing else. */
  depth: sql<{ count: number }>`
    select (
      select count(*) from stent_executions
      where worker is null and due_at is not null and started_at is null and state = 'pending' and (${given("any")} = 1 or queue is not distinct from ${given("queue")})
    ) + (
      select count(*) from stent_executions
      where worker is null and due_at is not null and started_at is not null and state = 'pending' and (${given("any")} = 1 or queue is not distinct from ${given("queue")})
    ) as count`,

  byId: build.selectFrom("stent_executions").selectAll().where("id", "=", given<string>("id")),
  /** How it ended, and no more. */
  outcome: build
    .selectFrom("stent_executions")
    .select(["id", "state", "result", "ended_at"])
    .where("id", "=", given<string>("id")),
  /** Those of these ids, as JSON, that have ended or are not there. */
  ended: sql<{ id: string; state: ExecutionStatus | null; result: Payload | null }>`
    select asked.value as id, e.state, e.result
    from json_each(${given("ids")}) asked left join stent_executions e on e.id = asked.value
    where e.id is null or e.ended_at is not null`,
  byKey: build.selectFrom("stent_executions").selectAll().where("key", "=", given<number>("key")),

  /** As `standing`, for those who do not wait for the execution. */
  wakeable: build
    .selectFrom("stent_executions")
    .select(["key", "worker", "ended_at"])
    .where("key", "=", given<number>("key")),
  /** What a transition has to know of the execution that it changes. */
  standing: build
    .selectFrom("stent_executions")
    .select([
      "key",
      "cancel_seen",
      "id",
      "kind",
      "state",
      "worker",
      "claim",
      "wake_seq",
      "run",
      "cut",
      "parent",
      "parent_run",
      "parent_seq",
      "root",
      "deadline",
      "blocked",
      "ended_at",
      "gates",
    ])
    .where("key", "=", given<number>("key")),

  /** What a claim has to know of an execution, where nobody is changing it just now: a claim waits for nobody. */
  unchanging: build
    .selectFrom("stent_executions")
    .select(["id", "state", "cancel_seen"])
    .where("key", "=", given<number>("key")),
  runOf: build.selectFrom("stent_executions").select("run").where("key", "=", given<number>("key")),

  /** The workflow has been told of the cancel. */
  seeCancel: build
    .updateTable("stent_executions")
    .set({ cancel_seen: 1 })
    .where("key", "=", given<number>("key")),

  /** Whether its holder still holds it, and what its turn has to know of it. Read for every turn. */
  fence: heldRun.select(standing.as("standing")),
  /** The same for a turn that ends it. */
  fenceOfEnd: heldRun.select([standing.as("standing"), "id", "parent", "parent_run", "parent_seq"]),

  /** I7: a wake never starts an execution before its time; a cancel does. */
  wake: build
    .updateTable("stent_executions")
    .set({
      due_at: sql<number>`case when due_at <= not_before or due_at <= ${given<number>("now")} then due_at else ${soonest} end`,
      wake_seq: sql<number>`wake_seq + 1`,
    })
    .where("key", "=", given<number>("key"))
    .where(unfinished),

  requestCancel: build
    .updateTable("stent_executions")
    .set({
      state: "cancelling",
      cancel_reason: given<string>("reason"),
      due_at: given<number>("now"),
      wake_seq: sql<number>`wake_seq + 1`,
    })
    .where("key", "=", given<number>("key")),

  /** Takes those of these keys that nobody holds. */
  take: build
    .updateTable("stent_executions")
    .set({
      worker: given<number>("session"),
      claim: sql<number>`claim + 1`,
      state: sql<"running">`case state when 'pending' then 'running' else state end`,
      started_at: sql<number>`coalesce(started_at, ${given<number>("now")})`,
    })
    .where(
      "key",
      "in",
      sql<number>`(select cast(value as bigint) from json_each(${given("keys")}))`,
    )
    .where("worker", "is", null),

  /** S3: changes nothing if something has arrived meanwhile. */
  park: build
    .updateTable("stent_executions")
    .set({ worker: null, due_at: given<number | null>("dueAt") })
    .where("key", "=", given<number>("key"))
    .where("wake_seq", "=", given<number>("wakeSeq")),

  end: build
    .updateTable("stent_executions")
    .set({
      state: given<"completed">("state"),
      result: given("result"),
      failed_by: given<number | null>("failedBy"),
      ended_at: given<number>("now"),
      due_at: null,
      worker: null,
      blocked: null,
    })
    .where("key", "=", given<number>("key")),

  again: build
    .updateTable("stent_executions")
    .set({
      worker: null,
      due_at: given<number>("dueAt"),
      not_before: given<number>("dueAt"),
      attempt: sql<number>`attempt + 1`,
      failures: given<number>("failures"),
      run: given<number>("run"),
      result: given("result"),
      heartbeat: given("heartbeat"),
      blocked: null,
    })
    .where("key", "=", given<number>("key")),

  continueRun: build
    .updateTable("stent_executions")
    .set({
      worker: sql<number | null>`case ${given("released")} when 1 then null else worker end`,
      due_at: sql<
        number | null
      >`case ${given("released")} when 1 then ${given("now")} else due_at end`,
      run: given<number>("run"),
      input: given("input"),
      version: given<string | null>("version"),
      lane: given<number>("lane"),
      attempt: 1,
      failures: 0,
      result: null,
    })
    .where("key", "=", given<number>("key")),

  block: build
    .updateTable("stent_executions")
    .set({ worker: null, due_at: null, blocked: given<string>("reason") })
    .where("key", "=", given<number>("key")),

  unblock: build
    .updateTable("stent_executions")
    .set({ blocked: null })
    .where("key", "=", given<number>("key"))
    .where("blocked", "is not", null),

  /** What a dead or drained session held becomes due. */
  heldBy: build
    .selectFrom("stent_executions")
    .select(["key", "run", "kind", "wake_seq", "claim", "state", "cancel_reason"])
    .where("worker", "=", given<number>("session")),
  release: build
    .updateTable("stent_executions")
    .set({
      worker: null,
      due_at: soonest,
      wake_seq: sql<number>`wake_seq + 1`,
      // A job that is held has begun an attempt.
      attempt: sql<number>`attempt + case when kind = 'activity' then 1 else 0 end`,
    })
    .where("key", "=", given<number>("key")),

  /** Each lane and rank that has something waiting, with the time of its first. A workflow that has begun needs no slot, so it is another queue. */
  unbegunLanes: laneHeads(
    "stent_executions",
    sql`worker is null and due_at is not null and started_at is null`,
  ),
  begunLanes: laneHeads(
    "stent_executions",
    sql`worker is null and due_at is not null and started_at is not null`,
  ),
  unbegun: ready.where("started_at", "is", null),
  begun: ready.where("started_at", "is not", null),

  blockedOnes: build
    .selectFrom("stent_executions")
    .select(["key", "blocked"])
    .where("blocked", "is not", null),

  restart: build
    .updateTable("stent_executions")
    .set({
      kind: given<"workflow">("kind"),
      version: given<string | null>("version"),
      state: given<"pending">("state"),
      input: given("input"),
      options: given<string | null>("options"),
      result: null,
      queue: given<string | null>("queue"),
      rank: given<number>("rank"),
      tags: given<string | null>("tags"),
      lane: given<number>("lane"),
      started_at: given<number | null>("startedAt"),
      ended_at: null,
      not_before: given<number>("notBefore"),
      scheduled_at: given<number>("notBefore"),
      max_duration: given<number | null>("maxDuration"),
      deadline: given<number | null>("deadline"),
      give_up_at: given<number | null>("giveUpAt"),
      gates: given<string | null>("gates"),
      due_at: given<number>("dueAt"),
      wake_seq: sql<number>`wake_seq + 1`,
      worker: given<number | null>("worker"),
      claim: sql<number>`claim + 1`,
      run: sql<number>`run + 1`,
      attempt: 1,
      failures: 0,
      failed_by: null,
      blocked: null,
      cancel_reason: null,
      cancel_seen: 0,
    })
    .where("key", "=", given<number>("key"))
    .returning(["key", "claim"]),

  /** Reopened from its failure, or from the top as a new run. */
  reopen: build
    .updateTable("stent_executions")
    .set({
      state: given<"running">("state"),
      result: null,
      started_at: given<number | null>("startedAt"),
      ended_at: null,
      deadline: given<number | null>("deadline"),
      // Its totalTimeout is counted anew.
      give_up_at: sql<number | null>`give_up_at - scheduled_at + ${given<number>("now")}`,
      not_before: given<number>("now"),
      scheduled_at: given<number>("now"),
      due_at: given<number>("now"),
      wake_seq: sql<number>`wake_seq + 1`,
      worker: null,
      run: given<number>("run"),
      cut: given<number>("cut"),
      attempt: 1,
      failures: 0,
      failed_by: null,
      blocked: null,
      cancel_reason: null,
      cancel_seen: 0,
    })
    .where("key", "=", given<number>("key")),

  /** To another queue, as the replay of a dead letter asks for. */
  move: build
    .updateTable("stent_executions")
    .set({
      queue: given<string | null>("queue"),
      lane: given<number>("lane"),
      options: given<string>("options"),
    })
    .where("key", "=", given<number>("key")),
  /** Its attempts before it was opened again count. */
  keepCount: build
    .updateTable("stent_executions")
    .set({ attempt: given<number>("attempt"), failures: given<number>("failures") })
    .where("key", "=", given<number>("key")),

  childrenOf: build
    .selectFrom("stent_executions")
    .select(["key", "id", "state", "parent_run", "parent_seq"])
    .where("parent", "=", given<number>("parent"))
    .where(unfinished),
  /** `states`: as JSON. */
  childrenIn: build
    .selectFrom("stent_executions")
    .selectAll()
    .where("parent", "=", given<number>("parent"))
    .where(sql<boolean>`state in (select value from json_each(${given("states")}))`)
    .orderBy("key")
    .limit(given<number>("limit")),
  childOf: build
    .selectFrom("stent_executions")
    .selectAll()
    .where("parent", "=", given<number>("parent"))
    .where("parent_run", "=", given<number>("run"))
    .where("parent_seq", "=", given<number>("seq")),
  /** Which item of a map it is. Asked of children whose entry is one. */
  itemOf: build
    .selectFrom("stent_executions")
    .select("parent_item")
    .where("key", "=", given<number>("key")),
  /** What the children of a map take from the execution that makes it. */
  mapper: build
    .selectFrom("stent_executions")
    .select(["id", "run", "root", "queue", "rank", "tags", "state", "cancel_seen", "ended_at"])
    .where("key", "=", given<number>("key")),
  /** The children of one map that have not ended. */
  childrenOfEntry: build
    .selectFrom("stent_executions")
    .select("key")
    .where("parent", "=", given<number>("execution"))
    .where("parent_run", "=", given<number>("run"))
    .where("parent_seq", "=", given<number>("seq"))
    .where(unfinished),
  /** The children of one map that failed, and those that are being cancelled. */
  stoppedChildrenOf: build
    .selectFrom("stent_executions")
    .selectAll()
    .where("parent", "=", given<number>("execution"))
    .where("parent_run", "=", given<number>("run"))
    .where("parent_seq", "=", given<number>("seq"))
    .where("state", "in", ["failed", "timed_out", "cancelling"]),
  blockedChildOf: build
    .selectFrom("stent_executions")
    .select("id")
    .where("parent", "=", given<number>("execution"))
    .where("parent_run", "=", given<number>("run"))
    .where("parent_seq", "=", given<number>("seq"))
    .where("blocked", "is not", null)
    .limit(1),
  /** Their entry is taken out of the journal; its number may be another's before long. */
  letGoChildren: build
    .updateTable("stent_executions")
    .set({ parent_seq: null, parent_item: null })
    .where("parent", "=", given<number>("execution"))
    .where("parent_run", "=", given<number>("run"))
    .where("parent_seq", "=", given<number>("seq")),
  remove: build.deleteFrom("stent_executions").where("key", "=", given<number>("key")),
};
