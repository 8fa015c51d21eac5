/**
 * One held execution of a workflow: turn after turn, each stored in one commit before anything it asks for is done.
 *
 *   W1  One turn at a time; what arrives meanwhile is for the next one.
 *   W2  Nothing is begun before the turn that asks for it is stored.
 *   W3  When a turn could not be stored, the coroutine is dropped and replayed; outcomes in hand are kept and delivered to the new one.
 *   W4  It is let go only while nothing of it runs here, and only if nothing has arrived since arrivals were read.
 */
import type { Workflow } from "../core/durable.ts";
import type { CallEffect } from "../core/effects/call.ts";
import { ExecutionExistsError, ExecutionFinishedError, ExecutionNotFoundError, LeaseLostError, NonDeterminismError, NotSupportedError, PoisonError, SerializationError } from "../core/errors.ts";
import { Coroutine } from "../core/interpreter/coroutine.ts";
import type { Delivery, Facts, Turn } from "../core/interpreter/turn.ts";
import { cancelPath } from "../core/journal.ts";
import { inputPlace, resultPlace } from "../core/places.ts";
import { entryStatus } from "../core/status.ts";
import { attemptPolicy, unsupportedOptions, type StoredOptions } from "../core/step-options.ts";
import { newUuid } from "../runtime/ids.ts";
import type { ClaimedExecution, ClaimedTask, EntryRow, NewTask, Next, TurnAnswer, TurnRequest } from "../store/store.ts";
import { deadLetterOf } from "./dead-letter.ts";
import { Ending, type FailedStep } from "./ending.ts";
import { closingReason, readArrivals, readInbox } from "./inbound.ts";
import { loadJournal, loadRecords } from "./journal-loading.ts";
import { LocalSteps, stopReason, type RetriedStep, type SettledStep } from "./local-steps.ts";
import { codecFor, nothingOutbound, Outgoing, type Outbound } from "./outbound.ts";
import type { RunHost } from "./run-host.ts";
import { TurnBuilder, type OpenEntry, type OutcomeFacts } from "./turn-builder.ts";

/** Held while attempts of it run here; else let go, with its coroutine kept in memory as long as there is room. */
export class WorkflowRun {
  readonly #host: RunHost;
  readonly #fn: Workflow<unknown[], unknown>;
  readonly #local: LocalSteps;
  readonly #outgoing: Outgoing;
  readonly #ending: Ending;
  readonly #facts: Facts;
  #execution: ClaimedExecution;
  #session: number;
  #coroutine: Coroutine | undefined;
  #open = new Map<string, OpenEntry>();
  /** Failures of steps that were delivered, by delivery number: one of them may end the execution. */
  #failedSteps = new Map<number, FailedStep>();
  /** After a replay: attempts that were lost, or are asked for anew. */
  #lost: EntryRow[] = [];
  #nextSeq = 1;
  #step = 0;
  #wakeSeq: number;
  /** Arrivals and the inbox have to be read. */
  #woken: boolean;
  #slotKept: boolean;
  #closingAt: number | undefined;
  #wakeAt: number | undefined;
  #endTimer: () => void = nothing;
  /** The row may have changed since it was claimed: a wake, a cancel. */
  #staleRow = false;
  /** Sessions that died while an attempt was running, by the entry's seq; -1: the turn itself. */
  #marks: ReadonlyMap<number, number> = new Map();
  #busy = false;
  #wanted = false;
  #held = true;

  /** `slotKept`: its claim has taken a slot for the first activity. */
  constructor(execution: ClaimedExecution, fn: Workflow<unknown[], unknown>, host: RunHost, slotKept: boolean) {
    this.#execution = execution;
    this.#fn = fn;
    this.#host = host;
    this.#session = host.session();
    this.#wakeSeq = execution.wakeSeq;
    this.#woken = !execution.fresh;
    this.#slotKept = slotKept;
    this.#local = new LocalSteps(host, execution, () => this.kick());
    this.#outgoing = new Outgoing(host, execution);
    this.#ending = new Ending(host, execution, fn);
    const { clock } = host.deps;
    this.#facts = { now: () => clock.now(), random: Math.random, uuid: newUuid, ...codecFor(host, execution) };
  }

  get execution(): ClaimedExecution {
    return this.#execution;
  }

  /** Attempts and closures that run here. */
  get running(): number {
    return this.#local.running;
  }

  /** Wake-ups that have been noticed. */
  get wakeSeq(): number {
    return this.#wakeSeq;
  }

  /** There is something to do: runs a turn, or another one after this. */
  kick(): void {
    this.#wanted = true;
    if (this.#busy || !this.#held) return;
    this.#busy = true;
    void this.#work();
  }

  /** Something has happened to it outside: arrivals and messages are read. */
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
    this.#ending.reclaimed(execution);
    this.#woken = true;
    this.kick();
  }

  drain(): void {
    this.#local.drain();
  }

  /** It is not ours any more. */
  lose(): void {
    if (!this.#held) return;
    this.#letGo();
    this.#coroutine = undefined;
    this.#local.lose();
    this.#host.runOver(this.#execution.key);
  }

  // ── the loop ──

  async #work(): Promise<void> {
    try {
      while (this.#wanted && this.#held) {
        this.#wanted = false;
        await this.#turn();
      }
    } catch (error) {
      await this.#stumble(error);
    } finally {
      this.#busy = false;
      this.#freeKeptSlot();
    }
    if (this.#wanted && this.#held) this.kick();
  }

  /** Nothing of the turn is stored: what stands in the way is named, or the turn is tried again by a fresh coroutine. */
  async #stumble(error: unknown): Promise<void> {
    this.#coroutine = undefined;
    if (!this.#held) return;
    if (error instanceof NonDeterminismError) await this.#block("non-determinism", error.message, error);
    else if (error instanceof SerializationError) await this.#block("unreadable", error.message, error);
    else {
      this.#host.deps.observer.log.error("a turn could not be run; it is tried again", { executionId: this.#execution.id, error });
      this.#woken = true;
      this.#host.deps.clock.schedule(stumbleDelayMs, () => this.kick());
    }
  }

  async #turn(): Promise<void> {
    const { clock } = this.#host.deps;
    this.#endTimer();
    if (this.#staleRow) await this.#readRow();
    if (!this.#held || (this.#execution.marks > 0 && (await this.#isPoison())) || (await this.#endsUnbegun())) return;
    const coroutine = this.#coroutine ?? (await this.#load());
    if (coroutine === undefined || !this.#held) return;
    const settled = this.#local.takeSettled();
    const retried = this.#local.takeRetried();
    const builder = new TurnBuilder(this.#host.deps.codec, this.#execution, { nextSeq: this.#nextSeq, step: this.#step, open: this.#open, now: clock.now() });
    try {
      const request = await this.#advance(coroutine, builder, settled, retried);
      await this.#store(coroutine, builder, request, settled, retried);
    } catch (error) {
      this.#local.giveBack(settled, retried);
      throw error;
    }
  }

  /** What the row says now: whether it is still ours, whether it was cancelled, and which wake-ups have been noticed. */
  async #readRow(): Promise<void> {
    this.#staleRow = false;
    const row = await this.#host.deps.store.executionByKey(this.#execution.key);
    if (row === undefined || row.worker !== this.#session || row.claim !== this.#execution.claim) {
      this.lose();
      return;
    }
    this.#wakeSeq = row.wakeSeq;
    this.#execution = { ...this.#execution, state: row.state, cancelReason: row.cancelReason, deadline: row.deadline };
  }

  /** By the marks: what keeps killing its process is not run again by itself. */
  async #isPoison(): Promise<boolean> {
    const marks = await this.#host.deps.store.marks(this.#execution.key, this.#execution.run);
    const counts = new Map<number, number>();
    for (const mark of marks) if (mark.item === -1) counts.set(mark.seq, (counts.get(mark.seq) ?? 0) + 1);
    this.#marks = counts;
    const deaths = counts.get(-1) ?? 0;
    if (deaths < this.#host.maxClaims) return false;
    const { id, name } = this.#execution;
    const message = `a turn of workflow "${name}" was running in ${deaths} worker sessions when they died; look for an endless loop or an exhausted memory in its code, then: stent retry ${id}`;
    await this.#block("poison", message, new PoisonError(message));
    return true;
  }

  /** Cancelled or timed out before its run has begun: it ends without running any of its code. */
  async #endsUnbegun(): Promise<boolean> {
    const reason = closingReason(this.#execution, this.#coroutine, this.#host.deps.clock.now());
    if (reason === undefined || this.#coroutine !== undefined) return false;
    const begun = await this.#host.deps.store.newestEntries(this.#execution.key, this.#execution.run, 1);
    if (begun.length > 0) return false;
    const next = this.#ending.next({ kind: "closed", reason, errors: [] }, this.#failedSteps);
    await this.#storeOnly(next, true);
    return true;
  }

  /** It stays where it is until the code or the journal has been put right: nothing is lost, and others go on. */
  async #block(kind: "non-determinism" | "poison" | "unreadable", message: string, error: Error): Promise<void> {
    const { codec, observer, clock } = this.#host.deps;
    const execution = this.#execution;
    const details = error instanceof NonDeterminismError ? { path: error.path, recorded: error.recorded, yielded: error.yielded } : {};
    const reason = JSON.stringify({ kind, message, since: clock.now(), ...details });
    const letter = kind === "poison" ? deadLetterOf({ execution, path: "turn", seq: -1, item: -1, name: execution.name, attempt: execution.attempt, maxAttempts: this.#host.maxClaims, error, payload: codec.encodeFailure(error, resultPlace(execution.id)) }) : undefined;
    await this.#storeOnly({ kind: "block", reason, deadLetter: letter }, true);
    observer.emit({ type: "executionBlocked", executionId: execution.id, workflow: execution.name, reason: message });
  }

  /** Stores what becomes of the execution, and nothing else. */
  async #storeOnly(next: Next, knowsCancel: boolean): Promise<void> {
    const answer = await this.#host.storing(() =>
      this.#host.deps.committer.submit("turn", { ...this.#emptyRequest(), knowsCancel, next }),
    );
    if (answer?.kind === "refused" && answer.reason === "session") this.#host.sessionLost();
    this.lose();
  }

  #emptyRequest(): Omit<TurnRequest, "next" | "knowsCancel"> {
    return {
      session: this.#session,
      claim: this.#execution.claim,
      execution: this.#execution.key,
      run: this.#execution.run,
      wakeSeq: this.#wakeSeq,
      entries: [],
      changes: [],
      withdrawn: [],
      told: [],
      tasks: [],
      fanouts: [],
      children: [],
      sends: [],
      arrived: [],
      consumed: [],
      counters: [],
      state: [],
      deadLetters: [],
      clearMarks: false,
    };
  }

  // ── loading ──

  async #load(): Promise<Coroutine | undefined> {
    const { codec, store } = this.#host.deps;
    const execution = this.#execution;
    const args = codec.decode(execution.input, inputPlace(execution.id)) as readonly unknown[];
    this.#open = new Map();
    this.#lost = [];
    this.#nextSeq = 1;
    this.#step = 0;
    this.#closingAt = undefined;
    const { entries, rows } = execution.fresh && this.#nextSeq === 1 ? { entries: [], rows: [] } : await loadJournal(store, codec, execution);
    if (rows.length === 0) {
      this.#coroutine = Coroutine.start(this.#fn, args, execution.fresh ? {} : await loadRecords(store, codec, execution));
      return this.#coroutine;
    }
    this.#coroutine = Coroutine.resume(this.#fn, args, entries, await loadRecords(store, codec, execution));
    await this.#takeUp(this.#coroutine, rows);
    return this.#coroutine;
  }

  /** Finds out what of the journal still waits, and what of that has nobody who works on it. */
  async #takeUp(coroutine: Coroutine, rows: readonly EntryRow[]): Promise<void> {
    const last = rows.at(-1);
    this.#nextSeq = (last?.seq ?? 0) + 1;
    this.#step = last?.step ?? 0;
    for (const row of rows) {
      if (row.path === cancelPath) this.#closingAt = row.scheduledAt;
      if (row.status === entryStatus.failed && row.delivery !== undefined) this.#noteFailure(row.delivery, row);
      if (coroutine.waiting(row.path) !== undefined) this.#open.set(row.path, { ...row });
    }
    const queued = await this.#queuedSeqs();
    this.#lost = rows.filter((row) => {
      if (!this.#open.has(row.path) || row.status === entryStatus.completed || this.#local.has(row.path)) return false;
      if (row.kind === "run" || row.kind === "sendSignal") return true;
      return row.kind === "call" && !queued.has(row.seq);
    });
  }

  async #queuedSeqs(): Promise<ReadonlySet<number>> {
    if (![...this.#open.values()].some((entry) => entry.kind === "call")) return new Set();
    const tasks = await this.#host.deps.store.tasks({ execution: this.#execution.key, limit: Number.MAX_SAFE_INTEGER });
    const arrivals = await this.#host.deps.store.arrivals(this.#execution.key);
    return new Set([...tasks.map((task) => task.seq), ...arrivals.map((arrival) => arrival.seq)]);
  }

  // ── driving ──

  async #advance(coroutine: Coroutine, builder: TurnBuilder, settled: readonly SettledStep[], retried: readonly RetriedStep[]): Promise<Prepared> {
    const { clock, store, codec } = this.#host.deps;
    const outbound = nothingOutbound();
    const arrived: number[] = [];
    const consumed: { signal: number; seq: number }[] = [];
    const asked = new Set<string>();
    const woken = this.#woken;
    this.#woken = false;
    const deliveries: Delivery[] = this.#redeliveries(coroutine);
    const reason = closingReason(this.#execution, coroutine, clock.now());
    if (reason !== undefined) {
      deliveries.push({ kind: "cancel", reason, awaited: await this.#begunPaths(coroutine) });
      this.#closingAt = clock.now();
    }
    if (woken) {
      const inbound = await readArrivals({ store, codec }, this.#execution, this.#open);
      deliveries.push(...inbound.deliveries);
      arrived.push(...inbound.arrived);
    }
    deliveries.push(...settled.map((step) => step.delivery), ...coroutine.due(clock.now()));
    if (this.#graceIsOver(coroutine)) deliveries.push({ kind: "grace" });
    this.#readoptLost(coroutine, builder, outbound);
    for (const step of retried) {
      if (coroutine.waiting(step.path) !== undefined) this.#outgoing.retryLater(step.step, step.payload, step.delayMs, step.counted, builder, outbound);
    }
    let next: readonly Delivery[] = deliveries;
    let turn: Turn;
    let wakeAt: number | undefined;
    do {
      turn = coroutine.advance(next, this.#facts);
      wakeAt = turn.wakeAt;
      this.#noteTurn(turn, builder, coroutine);
      next = [...this.#instantly(turn), ...(await this.#messages(coroutine, builder, consumed, asked, woken))];
    } while (next.length > 0 && turn.done === undefined);
    this.#wakeAt = wakeAt;
    if (turn.done === undefined) {
      const used = this.#outgoing.send(builder.scheduled, builder, outbound, this.#slotKept);
      if (used) this.#slotKept = false;
    }
    return { outbound, arrived, consumed, done: turn.done };
  }

  /** Outcomes that the journal has, but that a retry has withdrawn: they are delivered again, to today's code. */
  #redeliveries(coroutine: Coroutine): Delivery[] {
    return coroutine.undelivered().flatMap((entry): Delivery[] => {
      const open = this.#open.get(entry.path);
      if (open === undefined || entry.outcome === undefined) return [];
      return [{ kind: "outcome", path: entry.path, outcome: entry.outcome }];
    });
  }

  #noteTurn(turn: Turn, builder: TurnBuilder, coroutine: Coroutine): void {
    for (const entry of turn.delivered) {
      const open = this.#open.get(entry.path);
      if (entry.outcome?.ok === false && entry.delivery !== undefined && open !== undefined) {
        this.#noteFailure(entry.delivery, { ...open, attempt: (entry.tag as OutcomeFacts | undefined)?.attempt ?? open.attempt });
      }
    }
    builder.add(turn, (path) => coroutine.waiting(path) !== undefined);
    const why = stopReason(coroutine.closingReason);
    for (const path of turn.cancelled) {
      if (coroutine.waiting(path) === undefined) this.#local.withdraw(path, why);
      else this.#local.tell(path, why);
    }
    for (const error of turn.unheard) {
      this.#host.deps.observer.log.warn("an error was thrown while a branch was being closed", { executionId: this.#execution.id, error });
    }
  }

  #noteFailure(delivery: number, entry: { readonly seq: number; readonly path: string; readonly kind: string; readonly name: string | undefined; readonly attempt: number }): void {
    if (entry.kind === "call" || entry.kind === "map") this.#failedSteps.set(delivery, { ...entry, name: entry.name ?? "" });
  }

  /** What a new entry asks for and gets at once: a map of nothing, a function that this version cannot run. */
  #instantly(turn: Turn): Delivery[] {
    return turn.scheduled.flatMap((entry): Delivery[] => {
      const { effect, path } = entry;
      if (effect?.kind !== "call" && effect?.kind !== "map") return [];
      const refused = unsupportedOptions(effect.fn);
      if (refused.length > 0) return [this.#refusal(path, refused, effect.name)];
      const empty = effect.kind === "map" && effect.items.length === 0;
      return empty ? [{ kind: "outcome", path, outcome: { ok: true, value: [] } }] : [];
    });
  }

  #refusal(path: string, options: readonly string[], name: string): Delivery {
    const error = new NotSupportedError(`"${name}" has the option ${options.join(", ")}, which this version of Stent does not keep yet; it was not run`);
    return { kind: "outcome", path, outcome: { ok: false, error } };
  }

  async #messages(coroutine: Coroutine, builder: TurnBuilder, consumed: { signal: number; seq: number }[], asked: Set<string>, woken: boolean): Promise<Delivery[]> {
    const deliveries: Delivery[] = [];
    const { store, codec } = this.#host.deps;
    for (const [name, paths] of coroutine.signalWaits) {
      const fresh = new Set([...paths].filter((path) => (woken || isNew(builder, path)) && !asked.has(path)));
      if (fresh.size === 0) continue;
      for (const path of fresh) asked.add(path);
      const taken = new Set(consumed.map((message) => message.signal));
      for (const message of await readInbox({ store, codec }, this.#execution, name, fresh, taken)) {
        const open = builder.entry(message.delivery.path);
        if (open === undefined) continue;
        consumed.push({ signal: message.key, seq: open.seq });
        deliveries.push(message.delivery);
      }
    }
    return deliveries;
  }

  /** Paths of attempts, tasks and children that have begun: closing waits for them. */
  async #begunPaths(coroutine: Coroutine): Promise<string[]> {
    const paths = new Set(this.#local.paths());
    const waiting = [...coroutine.pending()];
    if (waiting.some((leaf) => leaf.kind === "call" || leaf.kind === "map")) {
      const tasks = await this.#host.deps.store.tasks({ execution: this.#execution.key, limit: Number.MAX_SAFE_INTEGER });
      const arrivals = await this.#host.deps.store.arrivals(this.#execution.key);
      const begun = new Set([...tasks.filter((task) => task.worker !== undefined).map((task) => task.seq), ...arrivals.map((arrival) => arrival.seq)]);
      for (const leaf of waiting) {
        const open = this.#open.get(leaf.path);
        if (open !== undefined && begun.has(open.seq)) paths.add(leaf.path);
      }
    }
    for (const leaf of waiting) if (leaf.kind === "child") paths.add(leaf.path);
    return [...paths];
  }

  #graceIsOver(coroutine: Coroutine): boolean {
    return coroutine.closingReason !== undefined && this.#closingAt !== undefined && this.#host.deps.clock.now() >= this.#closingAt + this.#host.cancelGraceMs;
  }

  /** Attempts that were lost with their worker, or are asked for anew after a retry. */
  #readoptLost(coroutine: Coroutine, builder: TurnBuilder, outbound: Outbound): void {
    for (const row of this.#lost.splice(0)) {
      const leaf = coroutine.waiting(row.path);
      if (leaf === undefined || leaf.late) continue;
      const { effect } = leaf;
      if (effect.kind === "run") {
        builder.change(row.path, { attempt: row.attempt + 1, failures: 0, here: true, value: undefined, startedAt: this.#host.deps.clock.now() });
        outbound.closures.push({ path: row.path, fn: effect.fn });
      } else if (effect.kind === "sendSignal" && row.input !== undefined) {
        this.#outgoing.resend(row.path, effect, row.input, builder, outbound);
      } else if (effect.kind === "call" && row.input !== undefined) {
        this.#readopt(row, effect, row.input, builder, outbound);
      }
    }
  }

  #readopt(row: EntryRow, effect: CallEffect, input: NonNullable<EntryRow["input"]>, builder: TurnBuilder, outbound: Outbound): void {
    const policy = attemptPolicy(effect.fn, JSON.parse(row.options ?? "{}") as StoredOptions);
    const marks = this.#marks.get(row.seq) ?? 0;
    if (marks >= this.#host.maxClaims) {
      this.#local.fail(row.path, new PoisonError(`activity "${effect.name}" was running in ${marks} worker sessions when they died; it is not tried again by itself`));
    } else if (policy.retry.maxAttempts === 1 && row.attempt > 0 && row.worker !== undefined) {
      this.#local.fail(row.path, new LeaseLostError(`the worker that ran activity "${effect.name}" was lost, and maxAttempts: 1 allows no second start`));
    } else {
      this.#outgoing.again({ path: row.path, effect, attempt: row.attempt, failures: row.failures, input }, builder, outbound);
    }
  }

  // ── storing ──

  async #store(coroutine: Coroutine, builder: TurnBuilder, prepared: Prepared, settled: readonly SettledStep[], retried: readonly RetriedStep[]): Promise<void> {
    const { outbound, arrived, consumed, done } = prepared;
    const rows = builder.rows();
    const next: Next = done === undefined ? this.#next(coroutine, outbound) : this.#ending.next(done, this.#failedSteps);
    const request: TurnRequest = {
      ...this.#emptyRequest(),
      ...rows,
      knowsCancel: coroutine.closingReason !== undefined,
      tasks: outbound.tasks,
      fanouts: outbound.fanouts,
      children: outbound.children,
      sends: outbound.sends,
      arrived,
      consumed,
      clearMarks: this.#execution.marks > 0,
      next,
    };
    const answer = await this.#host.storing(() => this.#host.deps.committer.submit("turn", request));
    if (answer === undefined) {
      this.lose();
      return;
    }
    if (answer.kind === "refused") {
      this.#local.giveBack(settled, retried);
      await this.#refused(answer.reason, outbound);
      return;
    }
    for (const step of settled) step.report?.();
    for (const step of retried) step.report();
    this.#nextSeq = builder.nextSeq;
    this.#step = builder.step;
    this.#act(answer, outbound, next);
  }

  #next(coroutine: Coroutine, outbound: Outbound): Next {
    if (this.#local.running + outbound.steps.length + outbound.closures.length > 0 || this.#wanted) return { kind: "hold" };
    const graceAt = coroutine.closingReason !== undefined && this.#closingAt !== undefined && isLate(coroutine) ? this.#closingAt + this.#host.cancelGraceMs : Infinity;
    const dueAt = Math.min(this.#wakeAt ?? Infinity, graceAt);
    return { kind: "park", dueAt: dueAt === Infinity ? undefined : dueAt };
  }

  #act(answer: Extract<TurnAnswer, { kind: "stored" }>, outbound: Outbound, next: Next): void {
    this.#execution = { ...this.#execution, marks: 0, fresh: false };
    const tasks = outbound.takenItems.flatMap(({ task, items }, index) => {
      const taken = answer.taken[index];
      return taken === undefined ? [] : [this.#claimedTask(task, items, taken)];
    });
    this.#host.tasksTaken(tasks);
    if (next.kind === "end" || next.kind === "again") {
      this.#letGo();
      this.#local.lose();
      this.#host.runOver(this.#execution.key);
      return;
    }
    for (const step of outbound.steps) {
      if (this.#host.leaseHolds()) this.#local.begin(step);
      else this.#host.sessionLost();
    }
    for (const { path, fn } of outbound.closures) this.#local.beginClosure(path, fn);
    outbound.sends.forEach((send, index) => this.#sent(send.seq, answer.sends[index], send.executionId));
    for (const seq of answer.strangers) this.#stranger(seq);
    if (answer.released) {
      this.#letGo();
      this.#host.runParked(this.#execution.key);
    } else if (next.kind === "park") this.#lookAgain();
    else this.#setTimer();
  }

  /** Something has arrived between reading and storing. */
  #lookAgain(): void {
    this.#woken = true;
    this.#staleRow = true;
    this.#wanted = true;
  }

  #sent(seq: number, how: "sent" | "not-found" | "finished" | undefined, executionId: string): void {
    const entry = [...this.#open.values()].find((open) => open.seq === seq);
    if (entry === undefined) return;
    if (how === "sent") this.#local.succeed(entry.path);
    else if (how === "not-found") this.#local.fail(entry.path, new ExecutionNotFoundError(executionId));
    else this.#local.fail(entry.path, new ExecutionFinishedError(`execution ${executionId} has ended and takes no signals any more`));
  }

  #stranger(seq: number): void {
    const entry = [...this.#open.values()].find((open) => open.seq === seq);
    if (entry === undefined) return;
    this.#local.fail(entry.path, new ExecutionExistsError(`the id of this child, ${this.#execution.id}/…/${entry.path}, belongs to another execution that is there already`));
  }

  async #refused(reason: "session" | "lost" | "cancelled", outbound: Outbound): Promise<void> {
    this.#coroutine = undefined;
    for (const _step of outbound.steps) this.#host.slots.release();
    for (const { items } of outbound.takenItems) for (const _item of items) this.#host.slots.release();
    if (reason === "session") this.#host.sessionLost();
    else if (reason === "lost") this.lose();
    else this.#lookAgain();
  }

  #claimedTask(task: NewTask, items: ClaimedTask["items"], taken: { readonly key: number; readonly claim: number }): ClaimedTask {
    const { id, key, run, cut, queue } = this.#execution;
    const now = this.#host.deps.clock.now();
    return {
      ...taken,
      execution: key,
      executionId: id,
      run,
      cut,
      seq: task.seq,
      path: task.path,
      name: task.name,
      queue: task.queue ?? queue,
      attempt: task.attempt + 1,
      failures: task.failures,
      scheduledAt: now,
      dueAt: now,
      options: this.#open.get(task.path)?.options,
      marks: 0,
      apart: false,
      items,
    };
  }

  /** While attempts run here, timers are ours to watch. */
  #setTimer(): void {
    const { clock } = this.#host.deps;
    const deadline = this.#coroutine?.closingReason === undefined ? this.#execution.deadline : undefined;
    const graceAt = this.#closingAt === undefined ? Infinity : this.#closingAt + this.#host.cancelGraceMs;
    const at = Math.min(this.#wakeAt ?? Infinity, deadline ?? Infinity, graceAt);
    this.#endTimer();
    this.#endTimer = at === Infinity ? nothing : clock.schedule(Math.max(0, at - clock.now()), () => this.kick());
  }

  #freeKeptSlot(): void {
    if (!this.#slotKept) return;
    this.#slotKept = false;
    this.#host.slots.release();
  }

  #letGo(): void {
    this.#held = false;
    this.#endTimer();
    this.#freeKeptSlot();
  }
}

interface Prepared {
  readonly outbound: Outbound;
  readonly arrived: readonly number[];
  readonly consumed: readonly { readonly signal: number; readonly seq: number }[];
  readonly done: Turn["done"];
}

/** How long a run waits after an error that is nobody's fault in particular. */
const stumbleDelayMs = 1_000;

function nothing(): void {
  // no timer is set
}

function isNew(builder: TurnBuilder, path: string): boolean {
  return builder.scheduled.some((entry) => entry.path === path);
}

function isLate(coroutine: Coroutine): boolean {
  for (const leaf of coroutine.pending()) if (leaf.late) return true;
  return false;
}
