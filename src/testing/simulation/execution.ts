/**
 * One execution in virtual time: turn after turn of the interpreter, each written to a journal in memory before anything it asks for is
 * done, as a worker does it.
 */
import type { Workflow, WorkflowOptions } from "../../core/durable.ts";
import { parseDuration } from "../../core/duration.ts";
import { CancelledError, DeadlockError } from "../../core/errors.ts";
import type { Delivery, Done, Turn } from "../../core/interpreter/turn.ts";
import type { Payload } from "../../core/payload.ts";
import { resultPlace, storedResultPlace } from "../../core/places.ts";
import { afterFailure } from "../../core/retry.ts";
import { attemptPolicy } from "../../core/step-options.ts";
import { closingReason, isLate } from "../../worker/closing.ts";
import { withErrors } from "../../worker/ending.ts";
import { keptFor } from "../../worker/kept-result.ts";
import { failed } from "../../worker/verdict.ts";
import { payloadOf } from "./entry-codec.ts";
import { Inbox } from "./inbox.ts";
import type { MemoryRecords } from "./memory-journal.ts";
import { MemoryRun } from "./memory-run.ts";
import { Performing } from "./performing.ts";
import type { Ended, NewSimulated, Simulated, SimulationHost } from "./host.ts";

/** How long a cancel waits for what runs: a worker's default. */
const cancelGraceMs = 30_000;

const nothingHandedOn: MemoryRecords = { counters: new Map(), state: new Map() };

export class SimulatedExecution implements Simulated {
  readonly id: string;
  readonly inbox: Inbox;
  readonly runs: MemoryRun[] = [];
  readonly startedAt: number;
  readonly #world: SimulationHost;
  readonly #making: NewSimulated;
  readonly #key: number;
  readonly #ready: (execution: SimulatedExecution) => void;
  readonly #performing: Performing;
  #fn: Workflow<unknown[], unknown>;
  #input: Payload;
  /** What the current input began with. */
  #handedOn = nothingHandedOn;
  #settled: Delivery[] = [];
  #ended: Ended | undefined;
  #failures = 0;
  #deadline: number | undefined;
  #cancelReason: { readonly reason: string | undefined } | undefined;
  #closingAt: number | undefined;
  #notBefore = 0;
  #endWake: (() => void) | undefined;
  #wakeAt = Infinity;

  /** `ready` is told when there is something for it to do. */
  constructor(
    world: SimulationHost,
    making: NewSimulated,
    key: number,
    ready: (execution: SimulatedExecution) => void,
  ) {
    this.#ready = ready;
    this.id = making.id;
    this.#world = world;
    this.#making = making;
    this.#key = key;
    this.#fn = making.fn;
    this.#input = making.input;
    world.gates.addExecution(key, { id: making.id, parent: making.parent }, () => this.#wake());
    this.inbox = new Inbox(world.codec, making.id, () => this.#wake());
    this.#performing = new Performing(world, this, (delivery) => this.#settle(delivery));
    this.startedAt = world.clock.now() + (making.delayMs ?? 0);
    const own: WorkflowOptions<unknown[]> = making.fn.options;
    const maxDuration =
      making.maxDurationMs ??
      (own.maxDuration === undefined ? undefined : parseDuration(own.maxDuration));
    if (maxDuration !== undefined) this.#deadline = this.startedAt + maxDuration;
  }

  get name(): string {
    return this.#fn.functionName;
  }

  get ended(): Ended | undefined {
    return this.#ended;
  }

  /** As a step of its parent's. */
  get isRunning(): boolean {
    return this.#ended === undefined;
  }

  get run(): MemoryRun {
    const run = this.runs.at(-1);
    if (run === undefined) throw new Error("the execution has not begun");
    return run;
  }

  /** Counters and state as they stand. */
  get records(): MemoryRecords {
    return this.runs.at(-1)?.journal.records ?? nothingHandedOn;
  }

  wakeAfter(delayMs: number): void {
    this.#notBefore = this.#world.clock.now() + delayMs;
    if (delayMs === 0) this.#wake();
    else this.#world.clock.schedule(delayMs, () => this.#wake());
  }

  cancel(reason?: string): void {
    this.#cancelReason ??= { reason };
    this.#wake();
  }

  /** As a step of its parent's, which still waits for it. */
  tell(reason: Error): void {
    this.cancel(reason instanceof CancelledError ? reason.reason : undefined);
  }

  /** As a step of its parent's, which waits for it no more. */
  withdraw(reason: Error): void {
    this.tell(reason);
  }

  /** What it waits for where nothing can come any more. */
  stuck(): Error {
    const waits = this.runs.length === 0 ? [] : [...this.run.coroutine.pending()];
    const told = waits.map(({ path, effect }) =>
      "name" in effect
        ? `${effect.kind} "${effect.name}" at path ${path}`
        : `${effect.kind} at path ${path}`,
    );
    const held = this.#world.gates.heldBack();
    const behind = held.length === 0 ? "" : ` (held back by ${held.join(", ")})`;
    return new Error(
      `workflow "${this.name}" waits for ever: ${told.join(", ") || "for nothing that it has yielded"}${behind}. ` +
        `Give the simulation what it waits for (signals, mocks), a timeout, or cancelAt.`,
    );
  }

  /** One turn. @returns a promise if it is resumed after a crash. @throws NonDeterminismError */
  turn(): Promise<void> | undefined {
    if (this.#ended !== undefined) return undefined;
    const reason = this.#reason();
    if (this.runs.length === 0) {
      if (reason !== undefined) return this.#finish({ kind: "closed", reason, errors: [] });
      if (this.#world.clock.now() < this.#notBefore || this.#isHeldBack()) return undefined;
      const done = this.#beginRun();
      if (done !== undefined) return this.#finish(done);
    }
    const deliveries: Delivery[] = [];
    if (reason !== undefined) {
      deliveries.push({ kind: "cancel", reason, awaited: this.#performing.begunPaths() });
      this.#closingAt = this.#world.clock.now();
    }
    deliveries.push(...this.#settled.splice(0), ...this.run.coroutine.due(this.#world.clock.now()));
    if (this.#graceIsOver()) deliveries.push({ kind: "grace" });
    const turn = this.#drive(deliveries);
    this.run.commit();
    if (turn.done !== undefined) return this.#finish(turn.done, turn.encodedResult);
    if (!this.#world.crashesNow()) {
      this.#afterCommit(turn);
      return undefined;
    }
    return this.run.crash().then(() => this.#afterCommit(turn));
  }

  /** At its gates. What stands there for its run, or never lets it in, ends it. */
  #isHeldBack(): boolean {
    const { gates, options } = this.#making;
    if (gates === undefined) return false;
    const { codec } = this.#world;
    const priority = options?.priority ?? this.#fn.options.priority ?? 0;
    const key = this.#key;
    const entrance = this.#world.gates.enter({ holder: -key, execution: key, gates, priority });
    if (entrance === "open") return false;
    if (typeof entrance === "string") return true;
    if (entrance.stored === undefined) this.#failure(new DeadlockError(entrance.deadlock));
    else {
      const { name, value } = entrance.stored;
      const place = resultPlace(this.id);
      this.#end("completed", codec.encode(codec.decode(value, storedResultPlace(name)), place));
    }
    return true;
  }

  #afterCommit({ wakeAt }: Turn): void {
    this.#performing.begin();
    this.#wakeAgain(wakeAt);
  }

  #drive(first: readonly Delivery[]): Turn {
    const { run, inbox } = this;
    let deliveries = first;
    for (;;) {
      const turn = run.drive(deliveries);
      inbox.takeBack(turn.refused);
      this.#performing.note(turn);
      if (turn.done !== undefined) return turn;
      const instant = this.#performing.instantly(turn);
      deliveries = instant.length > 0 ? instant : inbox.deliveries(run.coroutine.signalWaits);
      if (deliveries.length === 0) return turn;
    }
  }

  /** @returns how it ended, where the body could not begin. */
  #beginRun(): Done | undefined {
    const { clock, codec, chance } = this.#world;
    const number = (this.runs.at(-1)?.setting.run.run ?? 0) + 1;
    const run = { key: this.#key, id: this.id, run: number, cut: 0, name: this.#fn.functionName };
    const nextFunction = (): Workflow<unknown[], unknown> => this.#world.nextFunction(this.#fn);
    const setting = { run, clock, codec, chance, nextFunction };
    const memory = new MemoryRun(setting, this.#fn, this.#input, this.#handedOn);
    this.runs.push(memory);
    try {
      memory.begin(this.#world.isCrashing);
      return undefined;
    } catch (error) {
      return { kind: "failed", error, failedBy: 0 };
    }
  }

  #reason(): ReturnType<typeof closingReason> {
    const cancelled = this.#cancelReason;
    const execution = {
      state: cancelled === undefined ? ("running" as const) : ("cancelling" as const),
      cancelReason:
        cancelled === undefined ? undefined : JSON.stringify({ reason: cancelled.reason ?? null }),
      deadline: this.#deadline,
      name: this.name,
    };
    const run = this.runs.at(-1);
    const coroutine = run?.hasBegun === true ? run.coroutine : undefined;
    return closingReason(execution, coroutine, this.#world.clock.now());
  }

  #graceIsOver(): boolean {
    const { coroutine } = this.run;
    return (
      this.#closingAt !== undefined &&
      isLate(coroutine) &&
      this.#world.clock.now() >= this.#closingAt + cancelGraceMs
    );
  }

  // ── how a run ends ──

  #finish(done: Done, encodedResult?: unknown): undefined {
    const run = this.runs.at(-1);
    if (run?.hasBegun === true) run.compare();
    const { codec } = this.#world;
    const place = resultPlace(this.id);
    switch (done.kind) {
      case "completed": {
        try {
          const encoded = encodedResult ?? codec.encode(done.value, place, "result");
          return this.#end("completed", payloadOf(encoded));
        } catch (error) {
          return this.#failure(error);
        }
      }
      case "failed":
        return this.#failure(done.error);
      case "closed": {
        const status = done.reason instanceof CancelledError ? "cancelled" : "timed_out";
        return this.#end(status, codec.encodeFailure(withErrors(done.reason, done.errors), place));
      }
      case "continued":
        return this.#continue(payloadOf(done.input));
      default:
        return done satisfies never;
    }
  }

  #continue(input: Payload): undefined {
    this.#handedOn = this.run.journal.records;
    this.#fn = this.#world.nextFunction(this.#fn);
    this.#input = input;
    this.#begin(0);
  }

  /** The workflow's own retry policy comes first: a new run from the top. */
  #failure(error: unknown): undefined {
    const { codec, chance } = this.#world;
    const { retry } = attemptPolicy(this.#fn, this.#making.options ?? {});
    const { payload } = failed(codec, resultPlace(this.id), error);
    this.#failures += 1;
    const next = afterFailure(retry, error, this.#failures, chance.next());
    if (next.kind === "retry") this.#begin(next.delayMs);
    else this.#end("failed", payload);
  }

  /** The next run, which has a journal of its own. */
  #begin(delayMs: number): void {
    this.#performing.endAll();
    this.#settled = [];
    this.#endWake?.();
    this.#wakeAt = Infinity;
    this.#notBefore = this.#world.clock.now() + delayMs;
    const begin = (): void => {
      if (this.#ended !== undefined) return;
      if (this.runs.length === 0) return this.#wake(); // it has yet to pass its gates
      const done = this.#beginRun();
      if (done !== undefined) this.#finish(done);
      else this.#wake();
    };
    if (delayMs === 0) begin();
    else this.#world.clock.schedule(delayMs, begin);
  }

  #end(status: Ended["status"], payload: Payload): undefined {
    this.#performing.endAll();
    this.#endWake?.();
    this.#ended = { status, payload, at: this.#world.clock.now() };
    if (this.#making.gates !== undefined) this.#leave(this.#making.gates, this.#ended);
    this.#making.onEnd?.(this.#ended);
  }

  #leave(gates: string, { status, payload }: Ended): void {
    const { codec } = this.#world;
    const stored =
      status === "completed"
        ? keptFor(codec, gates, codec.decode(payload, resultPlace(this.id)))
        : undefined;
    this.#world.gates.leave(-this.#key, status === "completed" ? { stored } : "over");
  }

  // ── what makes it take a turn ──

  #settle(delivery: Delivery): void {
    if (this.#ended !== undefined) return;
    this.#settled.push(delivery);
    this.#wake();
  }

  #wake(): void {
    if (this.#ended === undefined) this.#ready(this);
  }

  #wakeAgain(timersAt: number | undefined): void {
    const { clock } = this.#world;
    const closing = this.run.coroutine.closingReason !== undefined;
    const deadline = closing ? Infinity : (this.#deadline ?? Infinity);
    const grace =
      closing && isLate(this.run.coroutine) ? (this.#closingAt ?? 0) + cancelGraceMs : Infinity;
    const wakeAt = Math.min(timersAt ?? Infinity, deadline, grace);
    if (wakeAt === this.#wakeAt) return;
    this.#endWake?.();
    this.#wakeAt = wakeAt;
    if (wakeAt === Infinity) return;
    this.#endWake = clock.schedule(wakeAt - clock.now(), () => {
      this.#wakeAt = Infinity;
      this.#wake();
    });
  }
}
