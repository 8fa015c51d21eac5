import type { Generated, GeneratedAlways } from "kysely";
import type { Payload } from "../core/payload.ts";
import type { EntryStatus, ExecutionStatus } from "../core/status.ts";

/**
 * One execution. Everything else refers to it by `key`; `id` is what users see.
 * Times are milliseconds since 1970 by the database's clock.
 */
export interface ExecutionTable {
  key: GeneratedAlways<number>;
  id: string;
  kind: "workflow" | "activity";
  name: string;
  version: string | null;
  state: ExecutionStatus;
  input: Payload;
  /** Overrides of the place of dispatch or call, as JSON. */
  options: string | null;
  /** The result, or the failure, once it has ended; of a job between attempts, the last failure. */
  result: Payload | null;
  queue: string | null;
  /** The negated priority, so that every index column ascends. */
  rank: number;
  tags: string | null;
  /** Interned combination of function, version, queue and tags: what decides who may take it. */
  lane: number;
  parent: number | null;
  parent_run: number | null;
  /** The entry that waits for it; null too where that entry was taken out of the journal. */
  parent_seq: number | null;
  /** Of a child of a map: its item. */
  parent_item: number | null;
  /** The execution at the top of its tree; null for itself. */
  root: number | null;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** Scheduled start, or time of the next retry. */
  not_before: number;
  /** When what goes on now was to begin: the dispatch, or the last retry by a person. `totalTimeout` counts from it. */
  scheduled_at: number;
  max_duration: number | null;
  deadline: number | null;
  /** Of a job: when it fails by its totalTimeout, whether a worker takes it or none does. */
  give_up_at: number | null;
  /** When it next needs a turn; null: only an event can wake it. */
  due_at: number | null;
  wake_seq: Generated<number>;
  /** The session that holds it. */
  worker: number | null;
  /** Raised by every claim; names the holder together with the session. */
  claim: Generated<number>;
  run: Generated<number>;
  cut: Generated<number>;
  /** Starts of this run's attempts: of a job, of its activity; of a workflow, runs begun by its retry policy. */
  attempt: Generated<number>;
  failures: Generated<number>;
  /** Delivery number of the outcome that made it fail. */
  failed_by: number | null;
  /** Why it is blocked, as JSON; null if it is not. */
  blocked: string | null;
  cancel_reason: string | null;
  /** 1 once the workflow has been told: what waits in the queue from then on belongs to its clean-up. */
  cancel_seen: Generated<number>;
  /** Of a job: what the last attempt told in its last heartbeat. */
  heartbeat: Payload | null;
  /** What has to be open before it may begin, as JSON. */
  gates: string | null;
}

/** One entry of a run's journal, in the order in which entries were reached. */
export interface JournalTable {
  execution: number;
  run: number;
  seq: number;
  path: string;
  kind: string;
  name: string | null;
  input: Payload | null;
  options: string | null;
  status: EntryStatus;
  value: Payload | null;
  reached: number;
  delivery: number | null;
  due_at: number | null;
  scheduled_at: number;
  started_at: number | null;
  ended_at: number | null;
  /** How many entries that show as progress the run has up to here, this one included. */
  step: number;
  attempt: number;
  failures: number;
  /** The session in which its attempt was begun by the holder itself; null for work in the queue. */
  worker: number | null;
  cut: number;
  /** Of a withdrawn one: the last delivery of the turn that withdrew it. */
  withdrawn: number | null;
}

/** One item of a `map`; completed in place by whoever ran it, or by the end of its child. */
export interface ItemTable {
  execution: number;
  run: number;
  seq: number;
  item: number;
  input: Payload;
  status: EntryStatus;
  value: Payload | null;
  /** 1 once it has a task of its own, for its retry; of a child: it was retried by itself, beside those that its map lets run. */
  alone: Generated<number>;
  attempt: Generated<number>;
  ended_at: number | null;
  /** Of its task or child. */
  gates: string | null;
}

/** A `map` that is under way. */
export interface FanoutTable {
  execution: number;
  run: number;
  seq: number;
  total: number;
  /** First item that has not been put into the queue, or begun as a child, yet. */
  next: number;
  left: number;
  failed: Generated<number>;
  /** Items that were taken back before they began, since its execution is being closed. */
  forgone: Generated<number>;
  /** It fails once more than this many items have failed; null: never. */
  tolerated: number | null;
}

/** An activity waiting or running on some worker: one call, or the items of a `map` from `item_from` up to `item_to`. */
export interface TaskTable {
  key: GeneratedAlways<number>;
  execution: number;
  run: number;
  seq: number;
  path: string;
  item_from: number | null;
  item_to: number | null;
  name: string;
  lane: number;
  queue: string | null;
  rank: number;
  tags: string | null;
  due_at: number;
  worker: number | null;
  /** Raised by every claim. */
  claim: Generated<number>;
  attempt: number;
  failures: number;
  scheduled_at: number;
  started_at: number | null;
  /** The failure of the last attempt, for those who look. */
  error: Payload | null;
  /** What the last attempt told in its last heartbeat. */
  heartbeat: Payload | null;
  cancelled: Generated<number>;
  /** Of items of a map: when they fail by their totalTimeout, whether a worker takes them or none does. */
  give_up_at: number | null;
  /** What has to be open before an attempt may begin, as JSON. */
  gates: string | null;
}

/** Something that has happened to an execution and is not in its journal yet. */
export interface ArrivalTable {
  key: GeneratedAlways<number>;
  execution: number;
  run: number;
  seq: number;
  /** "item": a map has failed by the child of one item, whose number is the value; the failure is with the item. */
  /** "stored": a result that stands for the call; `records` is the name under which it is kept. */
  kind: "outcome" | "map" | "item" | "records" | "dispatched" | "stored";
  status: EntryStatus;
  value: Payload | null;
  records: Payload | null;
  attempt: number;
  failures: number;
  started_at: number | null;
  ended_at: number;
}

/** A message in an inbox. */
export interface SignalTable {
  key: GeneratedAlways<number>;
  execution: number;
  name: string;
  payload: Payload;
  dedupe: string | null;
  sent_at: number;
  consumed_run: number | null;
  consumed_seq: number | null;
}

/** A worker session: one start of one worker process. */
export interface WorkerTable {
  key: GeneratedAlways<number>;
  id: string;
  name: string;
  host: string;
  pid: number;
  /** ProcessIdentity as JSON. */
  process: string;
  state: "live" | "dead";
  beat: Generated<number>;
  lease: number;
  started_at: number;
  seen_at: number;
  queues: string | null;
  tags: string | null;
  functions: string;
}

/** A combination of function, version, queue and tags. */
export interface LaneTable {
  key: GeneratedAlways<number>;
  kind: "workflow" | "activity";
  name: string;
  version: string | null;
  queue: string | null;
  tags: string | null;
  /** The above in one text, for uniqueness over nulls. */
  text: string;
}

/** A session died while this turn (seq -1) or attempt was running in it. */
export interface MarkTable {
  execution: number;
  run: number;
  seq: number;
  item: number;
  session: number;
}

/** A counter of an execution. */
export interface CounterTable {
  execution: number;
  name: string;
  value: number;
  /** What the last input began with; null if it began with none. */
  base: number | null;
}

/** A value of an execution's own state. */
export interface StateTable {
  execution: number;
  name: string;
  value: Payload;
  /** What the last input began with; null if it began with none. */
  base: Payload | null;
}

/** A run that is over and whose journal and items are to be removed; run 0: an execution that was removed, with everything that belonged to it. */
export interface LeftRunTable {
  execution: number;
  run: number;
}

/** A task that has used up its attempts, or poison. */
export interface DeadLetterTable {
  key: GeneratedAlways<number>;
  task: string;
  execution: number;
  run: number;
  seq: number;
  item: number;
  reason: string;
  record: string;
  error: Payload | null;
  moved_at: number;
}

/** Left where something could not be locked just then: who claims sees to it. */
export interface WakeTable {
  key: GeneratedAlways<number>;
  /** A message has come to it in a transaction of the sender's. */
  execution: number | null;
  /** Those who wait there are to be called. */
  gate: number | null;
}

/** What work has to pass before it begins: so many places of `maxConcurrent`, or a bucket of tokens. Whoever decides about one holds its row. */
export interface GateTable {
  key: GeneratedAlways<number>;
  name: string;
  /** Of a bucket: how many tokens it has room for. */
  places: number;
  /** How long an empty bucket takes to fill up; null for what is none. */
  per: number | null;
  /** In the bucket at the time `at`. */
  tokens: number | null;
  at: number;
}

/** A place of a `maxConcurrent` that is taken: by an attempt of a task, or below zero by an execution. */
export interface SlotTable {
  gate: number;
  holder: number;
  /** In which an attempt runs; null for a workflow, which keeps its place between its turns. */
  session: number | null;
}

/** Who waits for a place, a token or a result: a task or, below zero, an execution, with what it is taken by. */
export interface WaitTable {
  gate: number;
  holder: number;
  lane: number;
  rank: number;
  due_at: number;
  /** 1 while it is back in the queue, since it may be its turn. */
  called: Generated<0 | 1>;
}

/** What was run once under a name, or is being run: its result stands for every other run. */
export interface ResultTable {
  key: GeneratedAlways<number>;
  name: string;
  /** Who runs it: a task or, below zero, an execution; null if nobody does. */
  holder: number | null;
  /** In which its attempt was last begun; null for a workflow. */
  session: number | null;
  /** For how long its result is kept; null: for ever. */
  ttl: number | null;
  /** 1 once there is a result. */
  stored: Generated<0 | 1>;
  value: Payload | null;
  expires_at: number | null;
}

/** What one worker does for all of them, and which session that is. */
export interface DutyTable {
  name: string;
  session: number;
}

/** Every table of Stent. */
export interface Tables {
  stent_executions: ExecutionTable;
  stent_journal: JournalTable;
  stent_items: ItemTable;
  stent_fanouts: FanoutTable;
  stent_tasks: TaskTable;
  stent_arrivals: ArrivalTable;
  stent_signals: SignalTable;
  stent_workers: WorkerTable;
  stent_lanes: LaneTable;
  stent_marks: MarkTable;
  stent_counters: CounterTable;
  stent_state: StateTable;
  stent_left_runs: LeftRunTable;
  stent_dead_letters: DeadLetterTable;
  stent_wakes: WakeTable;
  stent_gates: GateTable;
  stent_slots: SlotTable;
  stent_waits: WaitTable;
  stent_results: ResultTable;
  stent_duties: DutyTable;
}
