/**
 * A worker: one session, what it holds, and what keeps it going.
 *
 *   V1  What is held is in one of the maps here, and in the database under this session; nothing else runs.
 *   V2  A session that was lost loses everything at once: what runs is told, what it would store is refused anyway.
 *   V3  Draining claims nothing more, waits, tells the rest, and gives back everything before it says that it has stopped.
 *   V4  Nothing is begun once the lease may have run out, before it has been renewed: others may have done it meanwhile (I4).
 */
import { DatabaseError } from "../core/errors.ts";
import { TurnoverMap } from "../core/turnover-map.ts";
import type { Workflow } from "../core/durable.ts";
import { delay, monotonicMs } from "../runtime/clock.ts";
import { EmptyTurn } from "./empty-turn.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { ForeignHints } from "../store/foreign-changes.ts";
import type {
  ClaimAnswer,
  ClaimedExecution,
  ClaimedTask,
  Hints,
  Lane,
  Transitions,
} from "../store/store.ts";
import { Acceptance } from "./acceptance.ts";
import { RecentlyUsed } from "./cache.ts";
import { Claimer } from "./claimer.ts";
import { takeActive } from "./context.ts";
import type { WorkerDeps } from "./deps.ts";
import { JobRun } from "./job-run.ts";
import { Maintenance } from "./maintenance.ts";
import type { ContinuedRun, RunHost } from "./run-host.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";
import { Session } from "./session.ts";
import { Slots } from "./slots.ts";
import { StepRunner } from "./step-runner.ts";
import { TaskRun } from "./task-run.ts";
import { guardUnhandledRejections } from "./unhandled-rejections.ts";
import { WorkflowRun } from "./workflow-run.ts";

/** How many workflows that have begun are taken at a time beside what there are slots for: their turns need none. */
const turnsBesideSlots = 500;
/** How often it is looked at what is held, in case a hint was lost. */
const heldCheckMs = 1_000;
/** Shortest pause between such looks when another process writes. */
const heldCheckPauseMs = 50;
/** How long attempts may take to answer after a drain has told them. */
const drainGraceMs = 1_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;

export class Worker {
  readonly stopped: Promise<void>;
  /** For a client of the same process, which hands over new executions in the commit that stores them. */
  readonly adopter: {
    reserve(lane: Omit<Lane, "key">): number | undefined;
    adopted(execution: ClaimedExecution): void;
    forgo(): void;
  };
  readonly #deps: WorkerDeps;
  readonly #options: ResolvedServeOptions;
  readonly #acceptance: Acceptance;
  readonly #slots: Slots;
  readonly #session: Session;
  readonly #claimer: Claimer;
  readonly #maintenance: Maintenance;
  readonly #host: RunHost;
  readonly #runs = new TurnoverMap<number, WorkflowRun>();
  readonly #jobs = new TurnoverMap<number, JobRun>();
  readonly #tasks = new TurnoverMap<number, TaskRun>();
  readonly #parked: RecentlyUsed<number, WorkflowRun>;
  readonly #ending = new AbortController();
  #unsubscribe: (() => void)[] = [];
  #markStopped: () => void = nothing;
  #backlog = false;
  #suspects = new Set<number>();
  #state: "new" | "ready" | "draining" | "stopped" = "new";
  #losing: Promise<void> | undefined;
  #lastHeldCheck = 0;
  #nextHeldCheck = Infinity;
  /** How often something was seen to be held that nothing here knows of, by key and claim. */
  #forgotten = new Map<string, number>();
  #endHeldCheck: () => void = nothing;
  /** Claims and adoptions on their way: what they bring has been begun by nobody, and given back it would count as an attempt. */
  #coming = 0;

  constructor(deps: WorkerDeps, options: ResolvedServeOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#acceptance = new Acceptance(deps.registry, options);
    this.#slots = new Slots(options.maxConcurrency, () => this.#slotFreed());
    this.#session = new Session(
      deps,
      options,
      () => this.#sessionLost(),
      () => activeNames(),
    );
    this.#maintenance = new Maintenance(deps, options, (letter) =>
      this.#host.steps.deadLettered(letter),
    );
    this.#parked = new RecentlyUsed(options.maxCachedWorkflows, nothing);
    this.#claimer = new Claimer({
      claim: () => this.#claim(),
      taken: (answer) => this.#take(answer),
      now: () => deps.clock.now(),
      schedule: (afterMs, fn) => deps.clock.schedule(afterMs, fn),
      polling: {
        minMs: options.pollIntervalMs,
        maxMs: options.pollIntervalMaxMs,
        factor: options.pollBackoffFactor,
      },
    });
    this.#host = this.#makeHost();
    this.stopped = new Promise((resolve) => {
      this.#markStopped = resolve;
    });
    this.adopter = {
      reserve: (lane) => {
        if (this.#state !== "ready" || this.#backlog) return undefined;
        if (!this.#acceptance.accepts(lane) || !this.#slots.take()) return undefined;
        this.#coming += 1;
        return this.#session.key;
      },
      adopted: (execution) => void this.#adopt(execution).finally(() => (this.#coming -= 1)),
      forgo: () => {
        this.#coming -= 1;
        this.#slots.release();
      },
    };
  }

  /** Registers, buries the dead of this machine, and begins to claim. @throws DatabaseError */
  async start(): Promise<void> {
    const { lifecycle } = this.#options;
    try {
      await this.#session.register();
      await this.#session.lookAfterOthers();
    } catch (error) {
      lifecycle.toStopped(error instanceof Error ? error : new Error(String(error)));
      this.#markStopped();
      throw error;
    }
    this.#state = "ready";
    this.#unsubscribe = [
      guardUnhandledRejections(this.#deps.observer),
      this.#deps.hints.on((hints) => this.#hinted(hints)),
      this.#deps.foreign.on((hints) => this.#hintedFromElsewhere(hints)),
    ];
    this.#session.start();
    this.#maintenance.start();
    this.#checkHeldLater();
    this.#claimer.wake();
    lifecycle.toReady();
    lifecycle.onDrain(() => this.drain());
  }

  /** Begins to drain. */
  drain(): void {
    if (this.#state !== "ready") return;
    this.#state = "draining";
    failpoint("drain.begun");
    this.#claimer.stop();
    void this.#drain();
  }

  /** Leaves at once: what runs is given up, and goes on elsewhere. */
  async leave(): Promise<void> {
    if (this.#state === "stopped" || this.#state === "new") return;
    this.#state = "stopped";
    this.#claimer.stop();
    this.#maintenance.stop();
    this.#endHeldCheck();
    this.#ending.abort();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    try {
      await this.#session.leave();
    } catch (error) {
      this.#deps.observer.log.warn(
        "the session could not be ended; others will find it dead when its lease is over",
        { error },
      );
    }
    this.#loseEverything();
    this.#options.lifecycle.toStopped();
    this.#markStopped();
  }

  async #drain(): Promise<void> {
    // A claim that has been answered is taken up within this turn of the event loop.
    await new Promise((done) => {
      setImmediate(done);
    });
    await this.#quiet(this.#options.drainTimeoutMs);
    for (const run of [...this.#runs.values(), ...this.#jobs.values(), ...this.#tasks.values()])
      run.drain();
    await this.#quiet(drainGraceMs);
    await this.leave();
  }

  /** Waits until nothing is held any more nor on its way, or the time is up. */
  async #quiet(timeoutMs: number): Promise<void> {
    const endAt = monotonicMs() + timeoutMs;
    while (
      this.#coming + this.#runs.size + this.#jobs.size + this.#tasks.size > 0 &&
      monotonicMs() < endAt &&
      this.#state === "draining"
    ) {
      await delay(
        this.#deps.clock,
        Math.min(quietLookMs, Math.max(1, endAt - monotonicMs())),
        this.#ending.signal,
      );
    }
  }

  // ── claiming ──

  async #claim(): Promise<ClaimAnswer | undefined> {
    let limit = 0;
    let used = 0;
    let comes = false;
    if (this.#losing !== undefined) await this.#losing;
    if (this.#state !== "ready") return undefined;
    try {
      const accepts = (lane: Lane): boolean => this.#acceptance.accepts(lane);
      const peeked = await this.#deps.store.peek(accepts);
      if (this.#state !== "ready") return undefined;
      if (!peeked.due) {
        this.#backlog = false;
        return {
          kind: "claimed",
          executions: [],
          tasks: [],
          more: false,
          nextDueAt: peeked.nextDueAt,
          now: peeked.now,
        };
      }
      // Kept while the claim is on its way, so that what runs never exceeds the limit.
      limit = this.#slotsToFill();
      this.#slots.occupy(limit);
      this.#coming += 1;
      comes = true;
      failpoint("claim.before-submit");
      const answer = await this.#deps.committer.submit("claim", {
        session: this.#session.key,
        limit,
        turns: turnsBesideSlots,
        accepts,
        suspects: this.#suspects.size === 0,
        wakes: peeked.wakes,
      });
      if (answer.kind === "refused") {
        this.#sessionLost();
        return undefined;
      }
      failpoint("claim.after-commit");
      if (!this.#leaseHolds && !(await this.#renewed())) return undefined; // by V4
      this.#backlog = answer.more;
      used = slotsOf(answer);
      return answer;
    } catch (error) {
      if (this.#ending.signal.aborted) return undefined; // its database is closed with it
      this.#deps.observer.log.error("claiming failed; it is tried again", {
        workerId: this.#options.workerId,
        error,
      });
      return undefined;
    } finally {
      this.#slots.occupy(used - limit);
      if (comes) this.#coming -= 1;
    }
  }

  /** Half of many free slots, all of few: some stay for the next steps of what is held. */
  #slotsToFill(): number {
    const free = Math.max(0, this.#slots.free);
    return free > fewSlots ? Math.ceil(free / 2) : free;
  }

  /** By V4. */
  async #adopt(execution: ClaimedExecution): Promise<void> {
    if (this.#leaseHolds || (await this.#renewed())) this.#begin(execution, true);
    else this.#slots.release();
  }

  #take(answer: ClaimAnswer): void {
    for (const execution of answer.executions) {
      this.#begin(execution, needsSlot(execution));
    }
    for (const task of answer.tasks) this.#beginTask(task);
    if (answer.more && this.#slots.free > 0) this.#claimer.wake();
  }

  #begin(execution: ClaimedExecution, slotKept: boolean): void {
    if (execution.marks >= suspectMarks) this.#suspects.add(execution.key);
    if (execution.kind === "activity") {
      const job = new JobRun(execution, this.#host);
      this.#jobs.set(execution.key, job);
      job.begin();
      return;
    }
    const parked = this.#parked.take(execution.key);
    if (parked !== undefined && continues(parked.execution, execution)) {
      this.#runs.set(execution.key, parked);
      parked.reclaim(execution, slotKept);
      return;
    }
    const fn = this.#deps.registry.exact(execution.name, execution.version);
    if (fn === undefined || fn.kind !== "workflow") {
      // What is claimed is what there is code for; a registry that shrank meanwhile leaves it to others when this session ends.
      if (slotKept) this.#slots.release();
      return;
    }
    const run = new WorkflowRun(
      execution,
      fn as Workflow<unknown[], unknown>,
      this.#host,
      slotKept,
    );
    this.#runs.set(execution.key, run);
    run.kick();
  }

  #continued({ execution, records, woken }: ContinuedRun): void {
    const fn = this.#deps.registry.exact(execution.name, execution.version);
    if (fn === undefined || fn.kind !== "workflow") return; // as above
    const run = new WorkflowRun(
      execution,
      fn as Workflow<unknown[], unknown>,
      this.#host,
      false,
      records,
    );
    this.#runs.set(execution.key, run);
    if (woken) run.wake();
    else run.kick();
  }

  #beginTask(task: ClaimedTask): void {
    const run = new TaskRun(task, {
      deps: this.#deps,
      steps: this.#host.steps,
      slots: this.#slots,
      maxClaims: this.#options.maxClaims,
      cancelGraceMs: this.#options.cancelGraceMs,
      session: this.#host.session,
      store: this.#host.store,
      sessionLost: this.#host.sessionLost,
      taskOver: (over) => {
        this.#tasks.take(over.task.key);
        this.#clearOf(-over.task.key);
      },
    });
    if (task.marks >= suspectMarks) this.#suspects.add(-task.key);
    this.#tasks.set(task.key, run);
    run.begin();
  }

  #slotFreed(): void {
    if (this.#backlog) this.#claimer.wake();
  }

  // ── what runs need ──

  #makeHost(): RunHost {
    const { workerId, maxClaims, cancelGraceMs } = this.#options;
    return {
      deps: this.#deps,
      steps: new StepRunner(this.#deps, workerId),
      slots: this.#slots,
      workerId,
      maxClaims,
      cancelGraceMs,
      session: () => this.#session.key,
      serves: (lane) => this.#acceptance.accepts({ ...lane }),
      takeEagerly: (lane, places) => this.#takeEagerly(lane, places),
      leaseHolds: () => this.#leaseHolds,
      renewed: () => this.#renewed(),
      tasksTaken: (tasks) => {
        for (const task of tasks) this.#beginTask(task);
      },
      isReady: () => this.#state === "ready",
      runOver: (key) => this.#forget(key),
      runContinued: (continued) => this.#continued(continued),
      runParked: (key, dueAt) => this.#park(key, dueAt),
      sessionLost: () => this.#sessionLost(),
      store: (kind, request, answered, failed) => this.#store(kind, request, answered, failed),
      storing: (act) => this.#storing(act),
    };
  }

  #store<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
    answered: (answer: Transitions[K]["answer"] | undefined) => void,
    failed: (error: unknown) => void,
  ): void {
    this.#deps.committer.hand(kind, request, answered, (error) => {
      if (error instanceof DatabaseError) void this.#storeLater(kind, request, answered, failed);
      else failed(error);
    });
  }

  /** The database could not: a commit that failed has stored nothing, so the same request is handed in again. */
  async #storeLater<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
    answered: (answer: Transitions[K]["answer"] | undefined) => void,
    failed: (error: unknown) => void,
  ): Promise<void> {
    try {
      answered(await this.#storing(() => this.#deps.committer.submit(kind, request)));
    } catch (error) {
      failed(error);
    }
  }

  /** What waits in the queue comes first: else long chains would starve it. */
  #takeEagerly(lane: Omit<Lane, "key">, places: number): number {
    if (this.#state !== "ready" || this.#backlog || !this.#acceptance.accepts(lane)) return 0;
    const taken = Math.max(0, Math.min(places, this.#slots.free));
    this.#slots.occupy(taken);
    return taken;
  }

  #forget(key: number): void {
    this.#runs.take(key);
    this.#jobs.take(key);
    this.#clearOf(key);
  }

  /** The next suspect may be taken. */
  #clearOf(suspect: number): void {
    if (this.#suspects.delete(suspect)) this.#claimer.wake();
  }

  #park(key: number, dueAt: number | undefined): void {
    if (dueAt !== undefined) this.#claimer.noteDue(dueAt);
    const run = this.#runs.get(key);
    this.#forget(key);
    if (run !== undefined) this.#parked.put(key, run);
  }

  /** Tries again while the database cannot: a commit that failed has stored nothing. Undefined once this worker has stopped. */
  async #storing<T>(act: () => Promise<T>): Promise<T | undefined> {
    for (let pause = firstPauseMs; ; pause = Math.min(longestPauseMs, pause * 2)) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        if (this.#state === "stopped") return undefined;
        if (pause === firstPauseMs)
          this.#deps.observer.log.error(
            "what was done could not be stored yet; it is tried again",
            { workerId: this.#options.workerId, error },
          );
      }
      await delay(this.#deps.clock, pause, this.#ending.signal);
    }
  }

  // ── losing the session ──

  get #leaseHolds(): boolean {
    return this.#state !== "stopped" && this.#session.leaseHolds;
  }

  /** This process was held up for longer than its lease: finds out whether the session is still its own. */
  async #renewed(): Promise<boolean> {
    return (await this.#storing(() => this.#session.renew())) === true && this.#state !== "stopped";
  }

  /** By V2. */
  #sessionLost(): void {
    if (this.#losing !== undefined || this.#state === "stopped" || this.#state === "new") return;
    this.#deps.observer.log.error(
      "this worker's session was found dead by the others (was the process stopped, or its event loop blocked?); what it held goes on elsewhere, and it registers anew",
      { workerId: this.#options.workerId, running: activeNames() },
    );
    const former = this.#session.key;
    this.#loseEverything();
    this.#losing = this.#registerAnew(former).finally(() => {
      this.#losing = undefined;
      this.#claimer.wake();
    });
  }

  async #registerAnew(former: number): Promise<void> {
    await this.#storing(() => this.#session.register(former));
  }

  #loseEverything(): void {
    for (const run of [...this.#runs.values(), ...this.#jobs.values(), ...this.#tasks.values()])
      run.lose();
    this.#runs.clear();
    this.#jobs.clear();
    this.#tasks.clear();
    this.#suspects.clear();
  }

  // ── hints ──

  #hinted(hints: Omit<Hints, "ended">): void {
    for (const key of hints.woken) {
      this.#runs.get(key)?.wake();
      void this.#jobs.get(key)?.wake();
    }
    for (const key of hints.stopped) this.#tasks.get(key)?.stop();
    if (hints.ready) this.#claimer.wake();
  }

  #hintedFromElsewhere({ ready, woken, stopped }: ForeignHints): void {
    if (ready) this.#claimer.hint();
    if (woken === "any" || stopped === "any") return this.#checkHeldSoon();
    this.#hinted({ woken, stopped, ready: false });
  }

  /** Many times within a pause are one look at its end. */
  #checkHeldSoon(): void {
    const restMs = this.#lastHeldCheck + heldCheckPauseMs - monotonicMs();
    if (restMs <= 0) void this.#checkHeld();
    else this.#checkHeldLater(restMs);
  }

  #checkHeldLater(afterMs = heldCheckMs): void {
    if (this.#state === "stopped") return;
    const at = monotonicMs() + afterMs;
    if (at >= this.#nextHeldCheck) return;
    this.#endHeldCheck();
    this.#nextHeldCheck = at;
    this.#endHeldCheck = this.#deps.clock.schedule(afterMs, () => {
      this.#nextHeldCheck = Infinity;
      void this.#checkHeld().then(() => this.#checkHeldLater());
    });
  }

  /** Hints may be lost: what is held is looked up by itself. */
  async #checkHeld(): Promise<void> {
    this.#lastHeldCheck = monotonicMs();
    // What is claimed while the answer is on its way is not in it.
    const asked = [...this.#tasks];
    try {
      const held = await this.#deps.store.held(this.#session.key);
      const executions = new Map(held.executions.map((row) => [row.key, row]));
      for (const [key, run] of this.#runs)
        if (run.wakeSeq !== executions.get(key)?.wakeSeq) run.wake();
      for (const [key, job] of this.#jobs)
        if (job.wakeSeq !== executions.get(key)?.wakeSeq) void job.wake();
      const tasks = new Map(held.tasks.map((row) => [row.key, row]));
      for (const [key, task] of asked)
        if (this.#tasks.get(key) === task && tasks.get(key)?.cancelled !== false) task.stop();
      await this.#letGoOfForgotten(held.executions);
    } catch (error) {
      this.#deps.observer.log.warn("what is held could not be looked up; it is tried again", {
        error,
      });
    }
  }

  /** By V1: what stands under this session and is in none of the maps would wait for ever. It becomes due, for whoever can take it. */
  async #letGoOfForgotten(held: Held["executions"]): Promise<void> {
    const unknown = held.filter(({ key }) => !this.#runs.has(key) && !this.#jobs.has(key));
    const seen = new Map<string, number>();
    for (const { key, claim, run, wakeSeq } of unknown) {
      const id = `${key}/${claim}`;
      const looks = (this.#forgotten.get(id) ?? 0) + 1;
      seen.set(id, looks);
      if (looks < looksBeforeLettingGo) continue;
      const of = { session: this.#session.key, claim, execution: key, run, wakeSeq };
      const next = { kind: "park" as const, dueAt: this.#deps.clock.now() };
      await this.#deps.committer.submit("turn", new EmptyTurn(of, true, next));
      this.#claimer.wake();
    }
    this.#forgotten = seen;
  }
}

type Held = Awaited<ReturnType<WorkerDeps["store"]["held"]>>;

/** A forgotten execution is let go at the second look: what was just claimed is not known here for a moment. */
const looksBeforeLettingGo = 2;

/** From this many marks on, a turn or task is suspected of killing its process; one at a time is run. */
const suspectMarks = 2;
const quietLookMs = 10;

/** Up to this many free slots, a claim may fill them all. */
const fewSlots = 20;

/** A workflow that has begun needs none for its turn. */
function needsSlot(execution: ClaimedExecution): boolean {
  return execution.kind === "activity" || execution.fresh;
}

function slotsOf(answer: ClaimAnswer): number {
  const items = answer.tasks.reduce((sum, task) => sum + task.items.length, 0);
  return answer.executions.filter((execution) => needsSlot(execution)).length + items;
}

/** The coroutine that this worker kept is still where the execution is. */
function continues(kept: ClaimedExecution, claimed: ClaimedExecution): boolean {
  return kept.claim + 1 === claimed.claim && kept.run === claimed.run && kept.cut === claimed.cut;
}

function activeNames(): string {
  return takeActive().join(", ") || "no activity";
}

function nothing(): void {
  // nothing is kept beside the coroutine
}
