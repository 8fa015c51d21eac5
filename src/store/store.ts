/**
 * The storage port: verbs of the domain. Each transition is all or nothing; those handed in together are written in one
 * database transaction, in order, and one that is refused is refused alone.
 *
 *   S1  Every transition of a worker names its session; one of a session that is marked dead writes nothing.
 *   S2  A transition of an execution or task names the claim under which it is held; a claim number is never used twice.
 *   S3  Whatever happens to an execution from outside leaves a row and raises `wake_seq`. Parking succeeds only if `wake_seq` is still
 *       what it was before arrivals were read, so no wake-up is lost.
 *   S4  An execution that has ended is changed by nothing but `retry`, `restart` and `remove`.
 */
import type { Payload } from "../core/payload.ts";
import type { EntryStatus, ExecutionStatus } from "../core/status.ts";
import type { RestoredExecution } from "./restored.ts";
import type { Survey } from "./survey.ts";

export type Json = string;

/** What a new execution is. Times in milliseconds; `priority` higher first. */
export interface NewExecution {
  readonly id: string;
  /** The id was made for it just now: nobody else can have it. */
  readonly ownId?: boolean;
  readonly kind: "workflow" | "activity";
  readonly name: string;
  readonly version: string | undefined;
  readonly input: Payload;
  readonly options: Json | undefined;
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly delayMs: number;
  readonly maxDurationMs: number | undefined;
  /** Of a job: it fails by itself if it has no outcome so long after its scheduled start. */
  readonly totalTimeoutMs?: number | undefined;
  /** What has to be open before it may begin (core/gates.ts). */
  readonly gates?: Json | undefined;
}

/** The holder of something: a session, and the claim under which it holds it. */
export interface Holder {
  readonly session: number;
  readonly claim: number;
}

// ── dispatch ──

export interface DispatchRequest {
  readonly executions: readonly NewExecution[];
  readonly ifExists: "reject" | "join" | "restart-if-failed";
  /** The session that takes each new execution at once, in this same commit; undefined: none does. */
  readonly adopt: (number | undefined)[];
}
export type Dispatched =
  | {
      readonly kind: "created" | "restarted";
      readonly key: number;
      readonly claim: number;
      readonly now: number;
    }
  | { readonly kind: "joined" }
  | {
      readonly kind: "refused";
      readonly reason: "exists" | "other-function";
      readonly name: string;
    };
/** One answer an execution; if one was refused, none was written. */
export type DispatchAnswer = readonly Dispatched[];

// ── turns ──

/** A journal entry to be inserted. */
export interface NewEntry {
  readonly seq: number;
  readonly path: string;
  readonly kind: string;
  readonly name: string | undefined;
  readonly input: Payload | undefined;
  readonly options: Json | undefined;
  readonly status: EntryStatus;
  readonly value: Payload | undefined;
  readonly reached: number;
  readonly delivery: number | undefined;
  readonly dueAt: number | undefined;
  /** By the same clock as when it was begun and ended, so that its times are ordered. */
  readonly scheduledAt: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly step: number;
  readonly attempt: number;
  readonly failures: number;
  /** The attempt is begun by the holder itself. */
  readonly here: boolean;
}

/** A journal entry that gets its outcome, or another attempt. */
export interface EntryChange {
  readonly seq: number;
  readonly status: EntryStatus;
  readonly value: Payload | undefined;
  readonly delivery: number | undefined;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly here: boolean;
}

/** An activity for the queue: a call, or the items of a map from `itemFrom` up to `itemTo`. */
export interface NewTask {
  readonly seq: number;
  readonly path: string;
  readonly name: string;
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly delayMs: number;
  readonly attempt: number;
  readonly failures: number;
  readonly error: Payload | undefined;
  readonly itemFrom: number | undefined;
  readonly itemTo: number | undefined;
  /** Of the items of a map: each fails by itself if it has no outcome so long after it was put into the queue. */
  readonly totalTimeoutMs?: number | undefined;
  /** What the last attempt told in its last heartbeat. */
  readonly heartbeat?: Payload | undefined;
  /** What has to be open before an attempt may begin. */
  readonly gates?: Json | undefined;
  /** Taken by this session at once. */
  readonly here: boolean;
}

export interface NewFanout {
  readonly seq: number;
  readonly inputs: readonly Payload[];
  readonly tolerated: number | undefined;
  /** How many items are put into the queue at once; the others follow as those end. */
  readonly released: number;
  /** Its items are children: the first `released` begin in this very commit. How they run stands in the options of its entry. */
  readonly children?: boolean;
  /** What has to be open before an item may begin, by item. Each has a task of its own then. */
  readonly gates?: readonly (Json | undefined)[] | undefined;
}

/** An entry whose work is to stop. */
export interface Unwanted {
  readonly seq: number;
  readonly kind: string;
}

export interface Send {
  readonly seq: number;
  readonly executionId: string;
  readonly name: string;
  readonly payload: Payload;
  readonly dedupe: string;
}

export interface NewChild extends NewExecution {
  readonly seq: number;
}

/** An execution that a workflow starts and does not wait for. */
export interface NewDispatch {
  readonly seq: number;
  readonly ifExists: DispatchRequest["ifExists"];
  readonly execution: NewExecution;
}

/** How an execution ends. */
export interface End {
  readonly state: "completed" | "failed" | "timed_out" | "cancelled";
  readonly result: Payload | undefined;
  readonly failedBy: number | undefined;
  readonly deadLetter: NewDeadLetter | undefined;
  /** The result as it is kept for others. */
  readonly stored?: Payload | undefined;
}

export interface NewDeadLetter {
  readonly task: string;
  readonly seq: number;
  readonly item: number;
  readonly reason: string;
  readonly error: Payload | undefined;
  /** The task as it was, as JSON. */
  readonly record: Json;
}

/** What becomes of the execution after a turn. */
export type Next =
  /** It stays held: attempts of it run here. */
  | { readonly kind: "hold" }
  /** Nothing to do before `dueAt`, or before something arrives. */
  | { readonly kind: "park"; readonly dueAt: number | undefined }
  | { readonly kind: "end"; readonly end: End }
  /** The next attempt of a job, or the next run of a workflow by its retry policy. */
  | {
      readonly kind: "again";
      readonly delayMs: number;
      readonly failures: number;
      readonly result: Payload | undefined;
      readonly newRun: boolean;
      /** Of a job: what its attempt told in its last heartbeat. */
      readonly heartbeat?: Payload | undefined;
    }
  /** The next run, by continueAsNew. `handsOn`: it has counters or state. `hold`: its holder goes on with it. */
  | {
      readonly kind: "continue";
      readonly input: Payload;
      readonly name: string;
      readonly version: string | undefined;
      readonly queue: string | undefined;
      readonly tags: readonly string[];
      readonly handsOn: boolean;
      readonly hold: boolean;
    }
  /** It cannot go on with this code or journal; `reason` is JSON. */
  | {
      readonly kind: "block";
      readonly reason: Json;
      readonly deadLetter: NewDeadLetter | undefined;
    };

export interface TurnRequest extends Holder {
  readonly execution: number;
  readonly run: number;
  /** `wake_seq` before arrivals were read. */
  readonly wakeSeq: number;
  /** The workflow has been told of a cancel, so one that stands in the row is no news. */
  readonly knowsCancel: boolean;
  readonly entries: readonly NewEntry[];
  readonly changes: readonly EntryChange[];
  /** Entries whose work is not wanted any more: their tasks are removed, their children cancelled. */
  readonly withdrawn: readonly Unwanted[];
  /** Entries whose work is told to stop, but still waited for. */
  readonly told: readonly Unwanted[];
  readonly tasks: readonly NewTask[];
  readonly fanouts: readonly NewFanout[];
  readonly children: readonly NewChild[];
  readonly sends: readonly Send[];
  /** Executions that are started and not waited for. What comes of each arrives as an outcome of its entry. */
  readonly dispatches: readonly NewDispatch[];
  /** Keys of arrivals that are in the journal now. */
  readonly arrived: readonly number[];
  readonly consumed: readonly { readonly signal: number; readonly seq: number }[];
  readonly counters: readonly { readonly name: string; readonly value: number }[];
  readonly state: readonly { readonly name: string; readonly value: Payload }[];
  readonly deadLetters: readonly NewDeadLetter[];
  /** Marks of dead sessions that this commit clears. */
  readonly clearMarks: boolean;
  readonly next: Next;
}

export type TurnAnswer =
  | {
      readonly kind: "stored";
      /** False if something arrived meanwhile: the execution is still held. */
      readonly released: boolean;
      readonly wakeSeq: number;
      /** How sending went, in the order of `sends`. */
      readonly sends: readonly ("sent" | "not-found" | "finished")[];
      /** The tasks that were taken at once, in their order. */
      readonly taken: readonly { readonly key: number; readonly claim: number }[];
      /** Entries (seq) whose children could not be started, since their id is taken by a stranger. */
      readonly strangers: readonly number[];
      readonly now: number;
    }
  /** "lost": not held any more. "cancelled": there is a cancel that the turn has not seen. */
  | { readonly kind: "refused"; readonly reason: "session" | "lost" | "cancelled" };

// ── transactions ──

/** A closure of the user's that runs inside the transaction that stores its outcome. */
export interface TransactRequest extends Holder {
  readonly execution: number;
  readonly run: number;
  /** Its entry, which waits for an outcome. */
  readonly seq: number;
  /** What errors call it: `transaction "post"`. */
  readonly title: string;
  readonly attempt: number;
  /** The workflow has been told of a cancel, so one that stands in the row is no news. */
  readonly knowsCancel: boolean;
  /** Runs it. `tx` is a Kysely transaction, which is over when this settles. */
  readonly act: (tx: unknown) => Promise<unknown>;
  /** Its value as it will be stored. What this throws rolls back too. */
  readonly encode: (value: unknown) => Payload;
}
export type TransactAnswer =
  /** What it wrote, and its value as the outcome of its entry, which is not delivered yet. */
  | { readonly kind: "stored" }
  /** It threw, or did what cannot be done in a transaction: nothing of it is stored. */
  | { readonly kind: "rolled-back"; readonly error: unknown }
  /** It was not run. "over": its entry waits for no outcome any more; the others as of a turn. */
  | { readonly kind: "refused"; readonly reason: "session" | "lost" | "cancelled" | "over" };

// ── claims ──

export interface ClaimRequest {
  readonly session: number;
  /** At most this much of what needs a slot: tasks, jobs, workflows that have not begun. */
  readonly limit: number;
  /** At most this many workflows that have begun: their turns need none. */
  readonly turns: number;
  /** Lanes that this worker may take, by key; lanes not known yet are asked for. */
  readonly accepts: (lane: Lane) => boolean;
  /** Suspects (two marks or more) may be taken: at most one. */
  readonly suspects: boolean;
  /** Executions to which messages have come within transactions of their senders are woken first, as `peek` has found some. */
  readonly wakes?: boolean;
  /**
   * Where a look has found something a moment ago, which is then not looked for again; nor is what stands behind what is taken: `nextDueAt` says
   * nothing of it.
   */
  readonly heads?: readonly Head[];
}
/** A result that stands for every run under its name. */
export interface StoredResult {
  readonly name: string;
  readonly value: Payload;
}
/** The first of what waits in a lane at a rank. */
export interface Head {
  readonly kind: Lane["kind"];
  readonly of: "unbegun" | "begun" | "task";
  readonly lane: number;
  readonly rank: number;
  readonly dueAt: number;
}
export interface Lane {
  readonly key: number;
  readonly kind: "workflow" | "activity";
  readonly name: string;
  readonly version: string | undefined;
  readonly queue: string | undefined;
  readonly tags: readonly string[];
}
export interface ClaimAnswer {
  readonly kind: "claimed" | "refused";
  readonly executions: readonly ClaimedExecution[];
  readonly tasks: readonly ClaimedTask[];
  /** There was more to take than `limit`. */
  readonly more: boolean;
  /** When the next thing becomes due that this worker may take. */
  readonly nextDueAt: number | undefined;
  readonly now: number;
}
export interface ClaimedExecution {
  /** What it had to pass: it may hold a place of a limit, or be the one that runs for others. */
  readonly gates: Json | undefined;
  /** Why it can never begin: it waits for those who wait for it. */
  readonly deadlock: string | undefined;
  /** What stands for its run: it ends with that. */
  readonly stored: StoredResult | undefined;
  readonly key: number;
  readonly id: string;
  readonly kind: "workflow" | "activity";
  readonly name: string;
  readonly version: string | undefined;
  readonly state: ExecutionStatus;
  readonly input: Payload;
  readonly options: Json | undefined;
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly claim: number;
  readonly run: number;
  readonly cut: number;
  readonly attempt: number;
  readonly failures: number;
  readonly wakeSeq: number;
  readonly createdAt: number;
  readonly notBefore: number;
  /** When what goes on now was to begin: the dispatch, or the last retry by a person. */
  readonly scheduledAt: number;
  readonly deadline: number | undefined;
  readonly dueAt: number | undefined;
  readonly cancelReason: Json | undefined;
  /** Of a job: what its last attempt told in its last heartbeat. */
  readonly heartbeat?: Payload | undefined;
  /** Its run has no journal yet. */
  readonly fresh: boolean;
  readonly blocked: boolean;
  /** How many sessions died in its turn, or in its attempt if it is a job. */
  readonly marks: number;
}
/** What the row of an execution tells of it. */
export type StoredExecution = Omit<
  ClaimedExecution,
  "fresh" | "blocked" | "marks" | "gates" | "deadlock" | "stored"
>;
export interface ClaimedTask {
  /** What it had to pass: it may hold a place of a limit, or be the one that runs for others. */
  readonly gates: Json | undefined;
  /** Why it can never begin: it waits for those who wait for it. */
  readonly deadlock: string | undefined;
  /** What stands for its run: it ends with that. */
  readonly stored: StoredResult | undefined;
  readonly key: number;
  readonly claim: number;
  readonly execution: number;
  readonly executionId: string;
  readonly run: number;
  readonly cut: number;
  readonly seq: number;
  readonly path: string;
  readonly name: string;
  readonly queue: string | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly scheduledAt: number;
  readonly dueAt: number;
  readonly options: Json | undefined;
  /** How often it has been claimed by sessions that then died or let go. */
  readonly marks: number;
  /** What the last attempt told in its last heartbeat. */
  readonly heartbeat?: Payload | undefined;
  /** One item of a map that waits for its retry: `path` is the item's. */
  readonly apart: boolean;
  readonly items: readonly { readonly item: number | undefined; readonly input: Payload }[];
}

// ── tasks ──

/** How an attempt of a task, or of one item of it, ended. */
export interface TaskOutcome extends Holder {
  /** It may hold a place of a limit, also where its task is gone. */
  readonly gated?: boolean;
  readonly task: number;
  readonly item: number | undefined;
  readonly outcome:
    | {
        readonly kind: "completed";
        readonly value: Payload;
        readonly records: Payload | undefined;
        /** The value as it is kept for others. */
        readonly stored?: Payload | undefined;
      }
    | { readonly kind: "failed"; readonly value: Payload }
    /** It waits for its next attempt. */
    | {
        readonly kind: "again";
        readonly delayMs: number;
        readonly error: Payload | undefined;
        /** What the attempt told in its last heartbeat. */
        readonly heartbeat?: Payload | undefined;
      };
  readonly attempt: number;
  readonly failures: number;
  readonly startedAt: number;
}

// ── messages, cancel, retry ──

export interface SignalRequest {
  readonly executionId: string;
  readonly name: string;
  readonly payload: Payload;
  readonly dedupe: string | undefined;
}
export type SignalAnswer = "sent" | "not-found" | "finished";

export interface CancelRequest {
  readonly executionId: string;
  readonly reason: string | undefined;
  readonly force: boolean;
}
export type CancelAnswer = "cancelled" | "finished" | "not-found";

export interface RetryRequest {
  readonly executionId: string;
  readonly from: "failure" | "start";
  readonly force: boolean;
}
export type RetryAnswer =
  | { readonly kind: "done" | "not-found" | "running" | "finished" }
  | {
      readonly kind: "cleaned-up";
      readonly executionId: string;
      readonly steps: readonly string[];
    };

/** Opens the step of a dead letter again, and with it what failed by it. */
export interface ReplayRequest {
  /** The dead letter's. */
  readonly task: string;
  /** Where it runs now; undefined: where it did. null: where the unqueued does. */
  readonly queue: string | null | undefined;
  /** Its attempts so far count. */
  readonly keepsCount: boolean;
}
export type ReplayAnswer =
  | Exclude<RetryAnswer, { readonly kind: "done" | "not-found" | "running" | "finished" }>
  | { readonly kind: "not-found" | "running" | "finished" | "undo" }
  | { readonly kind: "done"; readonly task: string };

// ── sessions ──

/** A function of which a session has the code. */
export type ServedFunction = Pick<Lane, "kind" | "name" | "version">;

export interface NewSession {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly process: Json;
  readonly leaseMs: number;
  readonly queues: readonly string[] | undefined;
  readonly tags: readonly string[] | undefined;
  readonly functions: readonly ServedFunction[];
  /** A session of this process that was found dead: its marks are removed. */
  readonly former: number | undefined;
}
export interface SessionRow extends Omit<NewSession, "former"> {
  readonly key: number;
  readonly state: "live" | "dead";
  readonly beat: number;
  readonly startedAt: number;
  readonly seenAt: number;
}

/** Everything that goes through the committer: what is asked, and what is answered. */
export interface Transitions {
  dispatch: { request: DispatchRequest; answer: DispatchAnswer };
  turn: { request: TurnRequest; answer: TurnAnswer };
  claim: { request: ClaimRequest; answer: ClaimAnswer };
  task: { request: TaskOutcome; answer: "stored" | "refused" };
  signal: { request: SignalRequest; answer: SignalAnswer };
  cancel: { request: CancelRequest; answer: CancelAnswer };
  retry: { request: RetryRequest; answer: RetryAnswer };
  replay: { request: ReplayRequest; answer: ReplayAnswer };
  register: { request: NewSession; answer: number };
  heartbeat: { request: { readonly session: number }; answer: boolean };
  /** Marks a session dead and releases what it held. `died`: what was running in it gets a mark. */
  reap: { request: ReapRequest; answer: ReapAnswer };
  /** Ends what has passed its time while nobody works on it: executions by their deadline, jobs and items of maps by their totalTimeout. */
  expire: { request: { readonly limit: number }; answer: Expired };
  remove: { request: RemoveRequest; answer: Removed };
  /** Removes some of what has been kept long enough beside executions. */
  sweep: {
    request: SweepRequest;
    answer: { readonly gatesAfter: number | undefined; readonly more: boolean };
  };
  /** Removes some of what runs that are over, or executions that were removed, have left behind. Answers whether there is more. */
  trim: { request: object; answer: boolean };
  discardDeadLetter: { request: { readonly task: string }; answer: boolean };
  /** An attempt of a job that was ended from outside has answered: its place is free. */
  leave: { request: { readonly session: number; readonly execution: number }; answer: boolean };
}
export interface ReapRequest {
  readonly session: number;
  readonly died: boolean;
  /** Its heartbeats when it was last looked at: one that has come since has renewed its lease, and it lives. Left out: whatever they are. */
  readonly beat?: number;
}
export interface ReapAnswer {
  readonly released: number;
  /** Nothing was done. */
  readonly lives?: true;
}
export interface Expired {
  /** How many executions and items were ended: as many as the limit where there may be more. */
  readonly ended: number;
  readonly deadLetters: readonly NewDeadLetter[];
}
export interface RemoveRequest {
  /** Executions, with their children. Only what has ended goes, and no child of a current run whose root goes on. */
  readonly keys: readonly number[];
  /** Nothing is done unless this session has the duty to clean up. */
  readonly onDuty?: number;
}
export interface Removed {
  /** Ids, those of children too. */
  readonly removed: readonly string[];
  /** How many of the keys were looked at: the others were too much for one transaction. */
  readonly looked: number;
  /** Something was left to `trim`, or children without a parent. */
  readonly left: boolean;
}
export interface SweepRequest {
  readonly lettersBefore?: number;
  readonly sessionsBefore?: number;
  /** Gates up to this key have been looked at. */
  readonly gatesAfter: number;
  /** Of each kind. */
  readonly limit: number;
  /** Nothing is done unless this session has the duty to clean up, or gets it, since nobody has it who lives. */
  readonly onDuty?: number;
}
/** An execution that has ended. */
export interface Finished {
  readonly key: number;
  readonly endedAt: number;
}
export type Transition<K extends keyof Transitions = keyof Transitions> = {
  [N in K]: { readonly kind: N; readonly request: Transitions[N]["request"] };
}[K];
/** How a transition went: its answer, or the error for which it alone was refused. */
export type Settled =
  | { readonly answer: Transitions[keyof Transitions]["answer"] }
  | { readonly error: unknown }
  /** Somebody's open transaction stands in its way, and others do not wait for that. */
  | { readonly later: Promise<SettledLater> };

/** How it went in the end, by itself. */
export interface SettledLater {
  readonly settled: Exclude<Settled, { readonly later: unknown }>;
  readonly hints: Hints;
}

/** What may be stored in a transaction of the caller's. */
export type WithinKind = "dispatch" | "signal";
export type WithinTransition = Extract<Transition, { readonly kind: WithinKind }>;

/** An execution that has ended. */
export interface EndedExecution {
  readonly id: string;
  /** Undefined: it is not there (any more). */
  readonly state: ExecutionStatus | undefined;
  /** Its result, or its failure. */
  readonly result: Payload | undefined;
}

/** What happened in a commit that others may be waiting for; sent as hints after it. */
export interface Hints {
  /** Keys of executions that were woken while a session holds them. */
  readonly woken: readonly number[];
  /** Executions that ended, with how they did: who waits for them in this process has to read nothing. */
  readonly ended: readonly EndedExecution[];
  /** Something became ready to be claimed. */
  readonly ready: boolean;
  /** Tasks that are to stop, by key. */
  readonly stopped: readonly number[];
}

// ── reading ──

export interface EntryRow extends Omit<NewEntry, "here"> {
  readonly run: number;
  readonly cut: number;
  /** The session that began its attempt itself; undefined for work in the queue. */
  readonly worker: number | undefined;
  /** Of a withdrawn one: the last delivery of the turn that withdrew it. */
  readonly withdrawn?: number | undefined;
}
/** What replay needs of an entry, as the database has it. */
export interface JournalRow {
  readonly seq: number;
  readonly path: string;
  readonly kind: string;
  readonly name: string | null;
  readonly status: EntryStatus;
  readonly value: Payload | null;
  readonly reached: number;
  readonly delivery: number | null;
  readonly dueAt: number | null;
  readonly step: number;
  readonly attempt: number;
  readonly cut: number;
  readonly input: Payload | null;
  readonly options: Json | null;
  readonly scheduledAt: number;
}
export interface ItemRow {
  readonly item: number;
  readonly status: EntryStatus;
  readonly value: Payload | undefined;
}
export interface FullItemRow extends ItemRow {
  readonly input: Payload;
  readonly attempt: number;
  readonly endedAt: number | undefined;
  /** It has a task of its own, for its retry. */
  readonly apart: boolean;
}
/** How far a map is that waits for items. */
export interface MapProgress {
  readonly total: number;
  readonly left: number;
  /** Of those that are left: neither in the queue nor begun as children yet. */
  readonly unqueued: number;
  readonly failed: number;
  /** One of its children that is blocked, if there is one. */
  readonly blocked: string | undefined;
}
/** What progress shows of an entry. `value`: only of what `progress` told. */
export type StepRow = Pick<
  EntryRow,
  | "seq"
  | "path"
  | "kind"
  | "name"
  | "status"
  | "value"
  | "scheduledAt"
  | "startedAt"
  | "endedAt"
  | "step"
  | "worker"
  | "cut"
  | "attempt"
>;
/** An entry whose attempt its execution's holder has begun itself. */
export interface BegunRow extends EntryRow {
  readonly execution: number;
}
export interface ArrivalRow {
  readonly key: number;
  readonly seq: number;
  /** "item": a map has failed by the child of one item, whose number is the value; the failure is with the item. "dispatched": what came of a dispatch; where it was refused, the value tells by what, as JSON. */
  readonly kind: "outcome" | "map" | "item" | "records" | "dispatched" | "stored";
  readonly status: EntryStatus;
  readonly value: Payload | undefined;
  readonly records: Payload | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly startedAt: number | undefined;
  readonly endedAt: number;
}
export interface ExecutionRow extends StoredExecution {
  readonly result: Payload | undefined;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly parentId: string | undefined;
  readonly worker: number | undefined;
  readonly blocked: Json | undefined;
  readonly failedBy: number | undefined;
  readonly gates: Json | undefined;
}
export interface TaskRow {
  readonly key: number;
  readonly execution: number;
  readonly executionId: string;
  readonly run: number;
  readonly cut: number;
  readonly seq: number;
  readonly path: string;
  readonly itemFrom: number | undefined;
  readonly itemTo: number | undefined;
  readonly name: string;
  readonly lane: number;
  readonly queue: string | undefined;
  readonly priority: number;
  readonly tags: readonly string[];
  readonly dueAt: number;
  readonly worker: number | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly scheduledAt: number;
  readonly startedAt: number | undefined;
  readonly error: Payload | undefined;
  readonly gates: Json | undefined;
}
/** What a task or execution is held back by. */
export interface HeldBack {
  /** The limit or the result that it waits for, as gates call it. */
  readonly gate: string;
  /** Of a limit; of a rate, how many tokens it has. */
  readonly places: number | undefined;
  /** Of a rate: in how many milliseconds. */
  readonly per: number | undefined;
  /** Ids of the executions that hold the places, or of the one that runs: some of them. */
  readonly by: readonly string[];
}
export interface DeadLetterRow {
  readonly key: number;
  readonly task: string;
  readonly executionId: string;
  readonly reason: string;
  readonly record: Json;
  readonly error: Payload | undefined;
  readonly movedAt: number;
}

/** Which executions. `before`: only those older than this key. */
export interface ExecutionQuery {
  readonly idPrefix?: string;
  readonly kind?: "workflow" | "activity";
  readonly states?: readonly ExecutionStatus[];
  readonly name?: string;
  readonly queue?: string;
  readonly tag?: string;
  readonly parentId?: string;
  readonly since?: number;
  readonly until?: number;
  readonly error?: string;
  readonly before?: number;
  readonly limit: number;
  readonly offset?: number;
}

/** Makes the failures of executions that the store itself ends, for the execution of that id. */
export interface Failures {
  cancelled(reason: string | undefined, executionId: string): Payload;
  timedOut(executionId: string): Payload;
  /** The id that an item of a map was to have is that of a stranger. */
  taken(executionId: string): Payload;
  /** A job had no outcome within its totalTimeout. */
  jobOutOfTime(job: StoredExecution): {
    readonly failure: Payload;
    readonly deadLetter: NewDeadLetter;
  };
  /** An item of a map had no outcome within its totalTimeout. `path`: of the map. */
  itemOutOfTime(item: {
    readonly executionId: string;
    readonly run: number;
    readonly path: string;
    readonly name: string;
  }): Payload;
}

/** A database with everything that Stent keeps in it. Every method may throw DatabaseError. */
export interface Store {
  /** As shown in messages: no password. */
  readonly name: string;
  /** Writes all of these in one transaction. Rejects only if nothing of it is stored. */
  commit(
    batch: readonly Transition[],
  ): Promise<{ readonly settled: readonly Settled[]; readonly hints: Hints }>;
  /** Closures run beside commits and beside each other, a few at a time; else one by one, and between commits. */
  readonly closuresAside: boolean;
  /**
   * Runs a closure in a transaction of its own, and stores its value as the outcome of its entry in the same one: both or neither.
   * Nothing else of this store sees what is not committed yet. Where it ran into other transactions it may be run again from its start.
   * Rejects only if nothing is stored; what the closure throws is an answer.
   */
  transact(request: TransactRequest): Promise<TransactAnswer>;
  /**
   * Writes a transition in a transaction of the caller's on the same database, with which it is stored or not: nobody is told, and no
   * row of Stent's is locked but those that it writes. What fails leaves nothing behind in that transaction, and it goes on.
   * @throws TypeError for what is no open transaction on this database
   */
  within<K extends WithinKind>(
    transaction: unknown,
    kind: K,
    request: Transitions[K]["request"],
  ): Promise<Transitions[K]["answer"]>;
  /** Milliseconds since 1970 by the database's clock. */
  now(): Promise<number>;
  /** Changes whenever another process has committed something. Cheap; not there where it would not be. */
  foreignChange?(): Promise<number>;

  /** Whether there is something due that a worker may take, or to be woken by whoever claims, and when the next thing becomes due. */
  peek(accepts: (lane: Lane) => boolean): Promise<{
    readonly due: boolean;
    /** Among it something that needs no slot. */
    readonly turns: boolean;
    readonly wakes: boolean;
    /** All that waits, due or not. */
    readonly heads: readonly Head[];
    readonly nextDueAt: number | undefined;
    readonly now: number;
  }>;
  /** What a task, or below zero an execution, waits aside for. */
  heldBack(holder: number): Promise<HeldBack | undefined>;
  /** Roots, those without a parent any more, and children of earlier runs that had ended by a time; in the order in which they ended. */
  finishedBefore(time: number, after: Finished, limit: number): Promise<readonly Finished[]>;
  /** Whether something has passed its time that nobody works on, and how long it is, in milliseconds, until the next one does. */
  deadlines(): Promise<{ readonly passed: boolean; readonly nextInMs: number | undefined }>;
  /** Whether a run that is over has left something behind that is to be removed. */
  anyLeftRun(): Promise<boolean>;

  execution(id: string): Promise<ExecutionRow | undefined>;
  executionByKey(key: number): Promise<ExecutionRow | undefined>;
  executions(query: ExecutionQuery): Promise<readonly ExecutionRow[]>;
  countExecutions(query: Omit<ExecutionQuery, "limit">): Promise<number>;
  /** Those of these ids that have ended, or are not there (any more). */
  ended(ids: readonly string[]): Promise<readonly EndedExecution[]>;
  /** How an execution ended, `ended` undefined while it has not; undefined if there is none. */
  outcome(id: string): Promise<{ readonly ended: EndedExecution | undefined } | undefined>;
  /** Entries of a run in the order of `seq`, from `after` on. */
  entries(
    execution: number,
    run: number,
    page?: { readonly after: number; readonly limit: number },
  ): Promise<readonly EntryRow[]>;
  /** The newest entries, newest first. */
  newestEntries(execution: number, run: number, limit: number): Promise<readonly EntryRow[]>;
  /** The newest entries that show as progress, newest first; without payloads, but for what `progress` told. */
  newestSteps(execution: number, run: number, limit: number): Promise<readonly StepRow[]>;
  /** A whole run, in the order of `seq`, as replay needs it: without what steps were given. */
  journal(execution: number, run: number): Promise<readonly JournalRow[]>;
  /** Entries without an outcome. */
  pendingEntries(execution: number, run: number, limit: number): Promise<readonly EntryRow[]>;
  items(execution: number, run: number, seq: number): Promise<readonly ItemRow[]>;
  /** Items of a map in order, with what they carry, from `after` on. */
  itemPage(
    execution: number,
    run: number,
    seq: number,
    page: { readonly after: number; readonly limit: number },
  ): Promise<readonly FullItemRow[]>;
  /** Undefined once its outcome is known. */
  mapProgress(execution: number, run: number, seq: number): Promise<MapProgress | undefined>;
  arrivals(execution: number): Promise<readonly ArrivalRow[]>;
  /** Messages of that name that nothing has consumed, oldest first. */
  inbox(
    execution: number,
    name: string,
    limit: number,
  ): Promise<readonly { readonly key: number; readonly payload: Payload }[]>;
  /** Those of the names under which there are such messages. */
  inboxNames(execution: number, names: readonly string[]): Promise<readonly string[]>;
  counters(
    execution: number,
  ): Promise<readonly { readonly name: string; readonly value: number }[]>;
  state(execution: number): Promise<readonly { readonly name: string; readonly value: Payload }[]>;
  tasks(query: {
    readonly execution?: number;
    readonly running?: boolean;
    readonly queue?: string;
    readonly after?: number;
    readonly limit: number;
  }): Promise<readonly TaskRow[]>;
  /** Calls of held executions whose attempt their holder has begun itself, in the order of execution and entry, after that one. */
  begunEntries(
    after: { readonly execution: number; readonly seq: number },
    limit: number,
  ): Promise<readonly BegunRow[]>;
  marks(
    execution: number,
    run: number,
  ): Promise<readonly { readonly seq: number; readonly item: number; readonly session: number }[]>;
  children(
    execution: number,
    states: readonly ExecutionStatus[],
    limit: number,
  ): Promise<readonly ExecutionRow[]>;
  lanes(): Promise<readonly Lane[]>;
  sessions(): Promise<readonly SessionRow[]>;
  /** What a session holds: executions with their `wake_seq` and state, and tasks. */
  held(session: number): Promise<{
    readonly executions: readonly {
      readonly key: number;
      readonly run: number;
      readonly wakeSeq: number;
      readonly claim: number;
    }[];
    readonly tasks: readonly { readonly key: number; readonly cancelled: boolean }[];
  }>;
  queueDepth(queue: string | undefined): Promise<number>;
  deadLetters(page: {
    readonly before?: number;
    readonly limit: number;
  }): Promise<readonly DeadLetterRow[]>;
  deadLetter(task: string): Promise<DeadLetterRow | undefined>;

  /** Writes an execution from elsewhere, in a transaction of its own. @returns false if there is one of that id */
  restore(execution: RestoredExecution): Promise<boolean>;

  /** What operators ask of all of it. */
  readonly survey: Survey;

  close(): Promise<void>;
}
