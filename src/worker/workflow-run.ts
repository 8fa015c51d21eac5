/**
 * One held execution of a workflow: turn after turn, each stored in one commit before anything it asks for is done.
 *
 *   W1  One turn at a time; what arrives meanwhile is for the next one.
 *   W2  Nothing is begun before the turn that asks for it is stored.
 *   W3  When a turn could not be stored, the coroutine is dropped and replayed; outcomes in hand are kept and delivered to the new one.
 *   W4  It is let go only while nothing of it runs here, and only if nothing has arrived since arrivals were read.
 */
import type { Workflow } from "../core/durable.ts";
import type { AnyEffect } from "../core/effects/any-effect.ts";
import {
  ExecutionExistsError,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  NonDeterminismError,
  SerializationError,
} from "../core/errors.ts";
import type { Coroutine, Snapshot } from "../core/interpreter/coroutine.ts";
import type { Delivery } from "../core/interpreter/turn.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { ClaimedExecution, ClaimedTask, Next, TurnAnswer } from "../store/store.ts";
import { claimedTask } from "./claimed-task.ts";
import { runAs } from "./context.ts";
import { EmptyTurn } from "./empty-turn.ts";
import { Ending } from "./ending.ts";
import { closingReason, readArrivals } from "./inbound.ts";
import { LocalSteps, stopReason } from "./local-steps.ts";
import { lossOf } from "./lost-hold.ts";
import { findLostCalls, queueAgain, queuedAgain, type LostCall } from "./lost-calls.ts";
import type { Outbound } from "./outbound.ts";
import { Outgoing } from "./outgoing.ts";
import { differenceOf } from "./rehearsal.ts";
import { NoGeneratorError, Replica } from "./replica.ts";
import { RunFacts } from "./run-facts.ts";
import type { RunHost } from "./run-host.ts";
import {
  block,
  blockIfPoison,
  deathsOf,
  endIfUnbegun,
  endWithoutGenerator,
  type HeldRun,
} from "./standstill.ts";
import type { TransactionStep, TransactRefusal } from "./transaction-step.ts";
import { Turn, TurnTools } from "./turn.ts";

/** Held while attempts of it run here; else let go, with its coroutine kept in memory as long as there is room. */
export class WorkflowRun {
  readonly #host: RunHost;
  readonly #fn: Workflow<unknown[], unknown>;
  readonly #local: LocalSteps;
  readonly #outgoing: Outgoing;
  readonly #facts: RunFacts;
  readonly #tools: TurnTools;
  #execution: ClaimedExecution;
  #session: number;
  #replica: Replica | undefined;
  #wakeSeq: number;
  /** Arrivals and the inbox have to be read. */
  #woken: boolean;
  /** The row may have changed since it was claimed: a wake, a cancel. */
  #staleRow = false;
  /** Sessions that died while an attempt was running, by the entry's seq; -1: the turn itself. */
  #deaths: ReadonlyMap<number, number> = unmarked;
  #slotKept: boolean;
  /** What it began with, where it was begun by continueAsNew. */
  readonly #handedOn: Snapshot | undefined;
  #wakeAt: number | undefined;
  #endTimer: (() => void) | undefined;
  /** A turn of it has been stored: there is a journal. */
  #begun = false;
  #busy = false;
  #wanted = false;
  #held = true;

  /** `slotKept`: its claim has taken a slot for the first activity. `handedOn`: counters and state of the run before. */
  constructor(
    execution: ClaimedExecution,
    fn: Workflow<unknown[], unknown>,
    host: RunHost,
    slotKept: boolean,
    handedOn?: Snapshot,
  ) {
    this.#handedOn = handedOn;
    this.#execution = execution;
    this.#fn = fn;
    this.#host = host;
    this.#session = host.session();
    this.#wakeSeq = execution.wakeSeq;
    this.#woken = !execution.fresh;
    this.#slotKept = slotKept;
    this.#local = new LocalSteps(host, execution, () => this.kick());
    this.#outgoing = new Outgoing(host, execution);
    this.#facts = new RunFacts(
      host.deps.clock,
      host.deps.codec,
      execution,
      () => this.#ending().nextFunction,
    );
    this.#tools = new TurnTools(host, this.#local, this.#outgoing, this.#facts);
  }

  get execution(): ClaimedExecution {
    return this.#execution;
  }

  /** Wake-ups that have been noticed. */
  get wakeSeq(): number {
    return this.#wakeSeq;
  }

  /** There is something to do: runs a turn, or another one after this. */
  kick(): void {
    this.#wanted = true;
    if (!this.#busy && this.#held) this.#begin();
  }

  /** Something has happened to it outside: its row, arrivals and messages are read. */
  wake(): void {
    this.#woken = true;
    this.#staleRow = true;
    this.kick();
  }

  /** Claimed again by the same worker, with nobody in between: the coroutine goes on. */
  reclaim(execution: ClaimedExecution, slotKept: boolean): void {
    this.#execution = execution;
    this.#session = this.#host.session();
    this.#wakeSeq = execution.wakeSeq;
    this.#slotKept = slotKept;
    this.#held = true;
    this.#outgoing.reclaimed(execution);
    this.#woken = true;
    this.kick();
  }

  drain(): void {
    this.#local.drain();
  }

  /** It is not ours any more. */
  lose(reason?: Error): void {
    if (!this.#held) return;
    this.#letGo();
    this.#replica = undefined;
    this.#local.lose(reason);
    this.#host.runOver(this.#execution.key);
  }

  // ── one turn after the other ──

  /** A turn that has to read nothing is made at once; what waits for the database is the exception. */
  #begin(): void {
    this.#busy = true;
    this.#wanted = false;
    this.#endTimer?.();
    this.#endTimer = undefined;
    if (this.#mustRead()) {
      void this.#readAndTurn().catch((error: unknown) => this.#stumble(error));
      return;
    }
    try {
      this.#replica ??= Replica.fresh(this.#host.deps, this.#execution, this.#fn, this.#handedOn);
      this.#turn(this.#replica, [], false);
    } catch (error) {
      void this.#stumble(error);
    }
  }

  /** Nothing that it begins with has to be read: a run after the first may begin with counters and state. */
  get #isFresh(): boolean {
    const { fresh, run } = this.#execution;
    return fresh && (run === 1 || this.#handedOn !== undefined);
  }

  #mustRead(): boolean {
    const execution = this.#execution;
    if (this.#staleRow || this.#woken || execution.marks > 0) return true;
    if (this.#replica === undefined && (this.#begun || !this.#isFresh)) return true;
    return (
      closingReason(execution, this.#replica?.coroutine, this.#host.deps.clock.now()) !== undefined
    );
  }

  /** The turn is over: the next one, if there is something for it. */
  #rest(): void {
    this.#busy = false;
    if (this.#slotKept) this.#freeKeptSlot();
    if (this.#wanted && this.#held) this.#begin();
  }

  /** Nothing of the turn is stored: what stands in the way is named, or the turn is tried again by a fresh coroutine. */
  async #stumble(error: unknown): Promise<void> {
    this.#replica = undefined;
    const { observer, clock } = this.#host.deps;
    try {
      if (!this.#held) return;
      if (await this.#canNotGoOn(error)) this.lose();
      else {
        observer.log.error("a turn could not be run; it is tried again", {
          executionId: this.#execution.id,
          error,
        });
        this.#lookAgain();
        this.#wanted = false;
        clock.schedule(stumbleDelayMs, () => this.kick());
      }
    } catch (failure) {
      observer.log.error("an execution could not be blocked; its worker gives it up", {
        executionId: this.#execution.id,
        error: failure,
      });
      this.lose();
    } finally {
      this.#rest();
    }
  }

  /** @returns false for what another try may mend. */
  async #canNotGoOn(error: unknown): Promise<boolean> {
    if (error instanceof NonDeterminismError) await block(this.#heldRun, "non-determinism", error);
    else if (error instanceof SerializationError) await block(this.#heldRun, "unreadable", error);
    else if (error instanceof NoGeneratorError) await endWithoutGenerator(this.#heldRun, error);
    else return false;
    return true;
  }

  /** It has begun in another session, and nothing of it is in memory here. */
  #isTakenOver(): boolean {
    return this.#replica === undefined && !this.#begun && !this.#execution.fresh;
  }

  async #readAndTurn(): Promise<void> {
    const { deps } = this.#host;
    if (this.#staleRow) await this.#readRow();
    if (!this.#held) return this.#rest();
    if (await this.#standsStill()) this.lose();
    else if (this.#isTakenOver() && (await this.#takeUpLostCalls())) return this.#rest();
    if (!this.#held) return this.#rest();
    // Its code runs as it does in a turn.
    this.#replica ??= await runAs(this.#facts, () =>
      Replica.load(deps, this.#execution, this.#fn, this.#local),
    );
    failpoint("turn.after-load");
    const replica = this.#replica;
    const woken = this.#woken;
    this.#woken = false;
    const deliveries: Delivery[] = [];
    const arrived: number[] = [];
    const redeliveries = this.#redeliveries(replica);
    const reason = closingReason(this.#execution, replica.coroutine, deps.clock.now());
    if (reason !== undefined) {
      // First: what it is given before may end it, and an end that does not know of the cancel is refused.
      const awaited = [
        ...(await this.#begunPaths(replica)),
        ...redeliveries.map(({ path }) => path),
      ];
      deliveries.push({ kind: "cancel", reason, awaited });
      replica.closingAt = deps.clock.now();
    }
    deliveries.push(...redeliveries);
    if (woken) {
      const inbound = await readArrivals(deps, this.#execution, replica.open);
      deliveries.push(...inbound.deliveries);
      arrived.push(...inbound.arrived);
    }
    this.#turn(replica, deliveries, woken, arrived);
  }

  /** Makes the turn and hands it to the committer. */
  #turn(
    replica: Replica,
    deliveries: readonly Delivery[],
    woken: boolean,
    arrived: readonly number[] = noRows,
  ): void {
    const { clock } = this.#host.deps;
    const turn = new Turn(this.#tools, this.#execution, replica, this.#deaths, woken);
    turn.arrived = arrived;
    try {
      const due: Delivery[] = [...deliveries];
      for (const step of turn.settled) due.push(step.delivery);
      due.push(...replica.coroutine.due(clock.now()));
      if (this.#graceIsOver(replica)) due.push({ kind: "grace" });
      turn.drive(due);
      failpoint("turn.after-advance");
      const unread = turn.unread();
      if (unread.length === 0) this.#conclude(replica, turn);
      else
        void this.#readMessages(replica, turn, unread).catch((error: unknown) =>
          this.#giveUp(turn, error),
        );
    } catch (error) {
      turn.forgo();
      throw error;
    }
  }

  async #readMessages(replica: Replica, turn: Turn, first: readonly string[]): Promise<void> {
    for (let names = first; names.length > 0; names = turn.unread()) {
      const messages = await turn.readMessages(names);
      if (!this.#held) return this.#giveUp(turn, undefined);
      if (messages.length > 0) turn.drive(messages);
    }
    this.#conclude(replica, turn);
  }

  #conclude(replica: Replica, turn: Turn): void {
    if (replica.trace === undefined) this.#submit(replica, turn);
    else void this.#rehearse(replica, turn).catch((error: unknown) => this.#giveUp(turn, error));
  }

  /** In development mode. By D1, a turn that is not the same twice is not stored. */
  async #rehearse(replica: Replica, turn: Turn): Promise<void> {
    const run = {
      deps: this.#host.deps,
      execution: this.#execution,
      fn: this.#fn,
      facts: this.#facts,
    };
    const different = await differenceOf(run, replica, turn);
    if (different !== undefined) await this.#readRow();
    if (!this.#held) return this.#giveUp(turn, undefined);
    if (different === undefined) return this.#submit(replica, turn);
    await block(this.#heldRun, "non-determinism", different.error, different.kept);
    for (const step of turn.settled) step.report?.();
    this.lose();
    this.#giveUp(turn, undefined);
  }

  #giveUp(turn: Turn, error: unknown): void {
    turn.forgo();
    if (error === undefined) this.#rest();
    else void this.#stumble(error);
  }

  #submit(replica: Replica, turn: Turn): void {
    turn.takeUp();
    if (turn.send(this.#slotKept)) this.#slotKept = false;
    this.#wakeAt = turn.wakeAt;
    const next =
      turn.done === undefined
        ? this.#next(replica, turn.outbound)
        : this.#ending().next(
            turn.done,
            replica.coroutine.failedByOutcome ? replica.failedSteps : noSteps,
            turn.handsOn,
            turn.encodedResult,
          );
    turn.keepUndoLetters(this.#ending());
    const { outbound } = turn;
    const rows = turn.builder.rows();
    const { claim, key, run, marks } = this.#execution;
    const of = { session: this.#session, claim, execution: key, run, wakeSeq: this.#wakeSeq };
    const knowsCancel = replica.coroutine.closingReason !== undefined;
    const request = new EmptyTurn(of, knowsCancel, next);
    request.entries = rows.entries;
    request.changes = rows.changes;
    request.withdrawn = rows.withdrawn;
    request.told = rows.told;
    request.tasks = outbound.tasks;
    request.fanouts = outbound.fanouts;
    request.children = outbound.children;
    request.sends = outbound.sends;
    request.dispatches = outbound.dispatches;
    request.arrived = turn.arrived;
    request.consumed = turn.consumed;
    request.counters = rows.counters;
    request.state = rows.state;
    request.deadLetters = turn.deadLetters;
    request.clearMarks = marks > 0;
    if (next.kind !== "block") failpoint(beforeSubmit[next.kind]);
    this.#host.store(
      "turn",
      request,
      (answer) => {
        if (answer !== undefined) return this.#answered(replica, turn, next, answer);
        turn.forgo();
        this.lose();
        this.#rest();
      },
      (error) => this.#giveUp(turn, error),
    );
  }

  #answered(replica: Replica, turn: Turn, next: Next, answer: TurnAnswer): void {
    if (answer.kind === "stored") {
      failpoint("turn.after-commit");
      if (next.kind !== "block") failpoint(afterCommit[next.kind]);
      if (!this.#host.leaseHolds()) return void this.#actLater(replica, turn, next, answer);
    }
    this.#goOn(replica, turn, next, answer);
  }

  /** This process was held up: others may have taken the execution over, and done what the turn asks for. */
  async #actLater(replica: Replica, turn: Turn, next: Next, answer: TurnAnswer): Promise<void> {
    if (!(await this.#host.renewed())) this.lose();
    this.#goOn(replica, turn, next, answer);
  }

  #goOn(replica: Replica, turn: Turn, next: Next, answer: TurnAnswer): void {
    if (!this.#held) {
      turn.forgo();
    } else if (answer.kind === "refused") {
      this.#replica = undefined;
      turn.forgo();
      if (answer.reason === "session") this.#host.sessionLost();
      else if (answer.reason === "lost") this.lose();
      else this.#lookAgain();
    } else {
      this.#act(replica, turn, next, answer);
    }
    this.#rest();
  }

  #act(
    replica: Replica,
    turn: Turn,
    next: Next,
    answer: Extract<TurnAnswer, { kind: "stored" }>,
  ): void {
    const { outbound } = turn;
    for (const step of turn.settled) step.report?.();
    for (const step of turn.retried) step.report();
    replica.nextSeq = turn.builder.nextSeq;
    replica.step = turn.builder.step;
    if (this.#execution.marks > 0) this.#execution = { ...this.#execution, marks: 0 };
    this.#begun = true;
    if (outbound.takenItems.length > 0) this.#beginItems(replica, outbound, answer);
    if (next.kind === "end") this.#host.steps.deadLettered(next.end.deadLetter);
    for (const letter of turn.deadLetters) this.#host.steps.deadLettered(letter);
    if (next.kind === "continue") return this.#continue(replica, next, answer);
    if (next.kind === "end" || next.kind === "again") {
      this.#letGo();
      this.#local.lose();
      this.#host.runOver(this.#execution.key);
      return;
    }
    for (const step of outbound.steps) this.#local.begin(step);
    for (const { path, fn } of outbound.closures) this.#local.beginClosure(path, fn);
    for (const step of outbound.transactions) this.#transact(replica, step);
    outbound.sends.forEach((send, index) =>
      this.#sent(replica, send.seq, answer.sends[index], send.executionId),
    );
    for (const seq of answer.strangers) this.#stranger(replica, seq);
    failpoint("turn.after-acting");
    if (answer.released) {
      this.#letGo();
      const dueAt = Math.min(
        (next.kind === "park" ? next.dueAt : undefined) ?? Infinity,
        replica.coroutine.closingReason === undefined
          ? (this.#execution.deadline ?? Infinity)
          : Infinity,
      );
      this.#host.runParked(this.#execution.key, dueAt === Infinity ? undefined : dueAt);
    } else if (next.kind === "park") this.#lookAgain();
    else this.#setTimer(replica);
  }

  /** Something has arrived between reading and storing. */
  #lookAgain(): void {
    this.#woken = true;
    this.#staleRow = true;
    this.#wanted = true;
  }

  #next(replica: Replica, outbound: Outbound): Next {
    const { steps, closures, transactions } = outbound;
    const begun = steps.length + closures.length + transactions.length;
    if (this.#local.running + begun > 0 || this.#wanted) return hold;
    const graceAt = isLate(replica.coroutine) ? this.#graceEnd(replica) : Infinity;
    const dueAt = Math.min(this.#wakeAt ?? Infinity, graceAt);
    return { kind: "park", dueAt: dueAt === Infinity ? undefined : dueAt };
  }

  // ── what arrives ──

  /** Outcomes that the journal has, but that a retry has withdrawn: they are delivered again, to today's code. */
  #redeliveries(replica: Replica): Extract<Delivery, { kind: "outcome" }>[] {
    return replica.coroutine
      .undelivered()
      .flatMap((entry): Extract<Delivery, { kind: "outcome" }>[] =>
        entry.outcome === undefined || !replica.open.has(entry.path)
          ? []
          : [{ kind: "outcome", path: entry.path, outcome: entry.outcome }],
      );
  }

  /** Paths of attempts, tasks and children that have begun: closing waits for them. */
  async #begunPaths(replica: Replica): Promise<string[]> {
    const { store } = this.#host.deps;
    const paths = new Set(this.#local.paths());
    const waiting = [...replica.coroutine.pending()];
    if (waiting.some((leaf) => leaf.kind === "call" || leaf.kind === "map")) {
      const tasks = await store.tasks({
        execution: this.#execution.key,
        limit: Number.MAX_SAFE_INTEGER,
      });
      const arrivals = await store.arrivals(this.#execution.key);
      const begun = new Set(
        [...tasks.filter((task) => task.worker !== undefined), ...arrivals].map((row) => row.seq),
      );
      for (const leaf of waiting) {
        const open = replica.open.get(leaf.path);
        if (open !== undefined && begun.has(open.seq)) paths.add(leaf.path);
      }
    }
    for (const leaf of waiting) if (isOverWorkflow(leaf)) paths.add(leaf.path);
    return [...paths];
  }

  #graceEnd(replica: Replica): number {
    return replica.closingAt === undefined
      ? Infinity
      : replica.closingAt + this.#host.cancelGraceMs;
  }

  #graceIsOver(replica: Replica): boolean {
    return (
      replica.closingAt !== undefined &&
      isLate(replica.coroutine) &&
      this.#host.deps.clock.now() >= this.#graceEnd(replica)
    );
  }

  /** What the row says now: whether it is still ours, whether it was cancelled, and which wake-ups have been noticed. */
  async #readRow(): Promise<void> {
    this.#staleRow = false;
    const { store, codec } = this.#host.deps;
    const row = await store.executionByKey(this.#execution.key);
    if (row === undefined || row.worker !== this.#session || row.claim !== this.#execution.claim) {
      this.lose(lossOf(codec, row));
      return;
    }
    this.#wakeSeq = row.wakeSeq;
    this.#execution = {
      ...this.#execution,
      state: row.state,
      cancelReason: row.cancelReason,
      deadline: row.deadline,
    };
  }

  // ── what is done once a turn is stored ──

  /** Held by the same claim, or by whoever takes it. What still runs of the last run is waited for by nobody. */
  #continue(
    replica: Replica,
    next: Extract<Next, { kind: "continue" }>,
    answer: Extract<TurnAnswer, { kind: "stored" }>,
  ): void {
    const { key, run } = this.#execution;
    const woken = this.#woken || this.#staleRow;
    this.#letGo();
    this.#local.lose();
    this.#host.runOver(key);
    if (answer.released) return;
    const { input, version } = next;
    const execution = {
      ...this.#execution,
      run: run + 1,
      input,
      version,
      attempt: 1,
      failures: 0,
      marks: 0,
      fresh: true,
      wakeSeq: this.#wakeSeq,
    };
    this.#host.runContinued({ execution, records: replica.coroutine.snapshot(), woken });
  }

  #beginItems(
    replica: Replica,
    outbound: Outbound,
    answer: Extract<TurnAnswer, { kind: "stored" }>,
  ): void {
    const now = this.#host.deps.clock.now();
    this.#host.tasksTaken(
      outbound.takenItems.flatMap(({ task, items }, index) => {
        const taken = answer.taken[index];
        const options = replica.open.get(task.path)?.options;
        return taken === undefined
          ? []
          : [claimedTask(this.#execution, task, { items, options, taken, now })];
      }),
    );
  }

  #sent(
    replica: Replica,
    seq: number,
    how: "sent" | "not-found" | "finished" | undefined,
    executionId: string,
  ): void {
    const path = pathOf(replica, seq);
    if (path === undefined) return;
    if (how === "sent") this.#local.succeed(path);
    else if (how === "not-found") this.#local.fail(path, new ExecutionNotFoundError(executionId));
    else
      this.#local.fail(
        path,
        new ExecutionFinishedError(
          `execution ${executionId} has ended and takes no signals any more`,
        ),
      );
  }

  #transact(replica: Replica, step: TransactionStep): void {
    const { claim } = this.#execution;
    const knowsCancel = replica.coroutine.closingReason !== undefined;
    const as = { session: this.#session, claim, knowsCancel };
    this.#local.beginTransaction(step, as, (reason) => this.#notTransacted(step.path, reason));
  }

  #notTransacted(path: string, reason: TransactRefusal): void {
    if (reason === "session") return this.#host.sessionLost();
    if (reason === "lost") return this.lose();
    const coroutine = this.#replica?.coroutine;
    // By now the workflow has been told of the cancel, and waits for this as for what runs.
    if (coroutine?.waiting(path)?.late === true)
      return this.#local.fail(path, stopReason(coroutine.closingReason));
    // What is stored is not what it knows: it is read anew, and begins from there if it is still waited for.
    this.#replica = undefined;
    this.wake();
  }

  #stranger(replica: Replica, seq: number): void {
    const path = pathOf(replica, seq);
    if (path === undefined) return;
    this.#local.fail(
      path,
      new ExecutionExistsError(
        `the id of the child at ${path} of ${this.#execution.id} belongs to another execution that is there already; choose ids without slashes`,
      ),
    );
  }

  /** While attempts run here, timers are ours to watch. */
  #setTimer(replica: Replica): void {
    const { clock } = this.#host.deps;
    const deadline =
      replica.coroutine.closingReason === undefined ? this.#execution.deadline : undefined;
    const at = Math.min(this.#wakeAt ?? Infinity, deadline ?? Infinity, this.#graceEnd(replica));
    if (at !== Infinity)
      this.#endTimer = clock.schedule(Math.max(0, at - clock.now()), () => this.kick());
  }

  // ── without a turn ──

  get #heldRun(): HeldRun {
    return {
      host: this.#host,
      execution: this.#execution,
      fn: this.#fn,
      session: this.#session,
      wakeSeq: this.#wakeSeq,
    };
  }

  /** @returns whether it is over here. */
  async #standsStill(): Promise<boolean> {
    if (this.#execution.marks > 0) {
      this.#deaths = await deathsOf(this.#heldRun);
      if (await blockIfPoison(this.#heldRun, this.#deaths)) return true;
    }
    if (!this.#held || this.#replica !== undefined) return false;
    const reason = closingReason(this.#execution, undefined, this.#host.deps.clock.now());
    return reason !== undefined && (await endIfUnbegun(this.#heldRun, reason));
  }

  /** What a replay need not be waited for. @returns whether there was any: then there is another turn. */
  async #takeUpLostCalls(): Promise<boolean> {
    const rows = await findLostCalls(this.#host, this.#execution, this.#deaths);
    if (rows.length === 0 || !this.#held) return false;
    const calls = rows.map((row) =>
      queueAgain(this.#host, this.#execution, row, this.#deaths.get(row.seq) ?? 0),
    );
    const taken = calls.filter(({ task }) => task.here);
    const { claim, key, run } = this.#execution;
    const of = {
      session: this.#session,
      claim,
      execution: key,
      run,
      wakeSeq: this.#wakeSeq,
    };
    const request = new EmptyTurn(of, false, hold);
    request.changes = calls.map((call) => queuedAgain(call));
    request.tasks = calls.map(({ task }) => task);
    let begun = false;
    try {
      failpoint("recover.before-submit");
      const answer = await this.#host.storing(() =>
        this.#host.deps.committer.submit("turn", request),
      );
      failpoint("recover.after-commit");
      if (!this.#host.leaseHolds() && !(await this.#host.renewed())) this.lose();
      // Lost meanwhile: what was stored stands under a session that is dead, and goes on elsewhere.
      if (!this.#held) return true;
      if (answer?.kind === "stored") {
        begun = true;
        this.#host.tasksTaken(this.#claimedCalls(taken, answer));
        this.#wanted = true;
      } else if (answer?.reason === "session") this.#host.sessionLost();
      else if (answer?.reason === "cancelled") this.#lookAgain();
      else this.lose();
      return true;
    } finally {
      if (!begun) this.#host.slots.occupy(-taken.length);
    }
  }

  #claimedCalls(
    calls: readonly LostCall[],
    answer: Extract<TurnAnswer, { kind: "stored" }>,
  ): ClaimedTask[] {
    const now = this.#host.deps.clock.now();
    return calls.flatMap(({ row, task }, index) => {
      const taken = answer.taken[index];
      if (taken === undefined) return [];
      const { input, options, cut } = row;
      const items = input === undefined ? [] : [{ item: undefined, input }];
      return [claimedTask(this.#execution, task, { items, options, cut, taken, now })];
    });
  }

  #ending(): Ending {
    return new Ending(this.#host, this.#execution, this.#fn);
  }

  #freeKeptSlot(): void {
    this.#slotKept = false;
    this.#host.slots.release();
  }

  #letGo(): void {
    this.#held = false;
    this.#endTimer?.();
    this.#endTimer = undefined;
    if (this.#slotKept) this.#freeKeptSlot();
  }
}

/** How long a run waits after an error that is nobody's fault in particular. */
const stumbleDelayMs = 1_000;
const hold: Next = { kind: "hold" };
const beforeSubmit = {
  hold: "hold.before-submit",
  park: "park.before-submit",
  end: "end.before-submit",
  again: "again.before-submit",
  continue: "continue.before-submit",
} as const;
const afterCommit = {
  hold: "hold.after-commit",
  park: "park.after-commit",
  end: "end.after-commit",
  again: "again.after-commit",
  continue: "continue.after-commit",
} as const;
const noRows: readonly never[] = [];
const noSteps: Replica["failedSteps"] = new Map();
const unmarked: ReadonlyMap<number, number> = new Map();

function isLate(coroutine: Coroutine): boolean {
  if (coroutine.closingReason === undefined) return false;
  for (const leaf of coroutine.pending()) if (leaf.late) return true;
  return false;
}

/** A child, or a map whose items are children. */
function isOverWorkflow({ effect }: { readonly effect: AnyEffect }): boolean {
  return (effect.kind === "call" || effect.kind === "map") && effect.fn.kind === "workflow";
}

function pathOf(replica: Replica, seq: number): string | undefined {
  for (const entry of replica.open.values()) if (entry.seq === seq) return entry.path;
  return undefined;
}
