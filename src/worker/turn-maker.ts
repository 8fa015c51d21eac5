import type { Coroutine, Snapshot } from "../core/interpreter/coroutine.ts";
import type { Delivery } from "../core/interpreter/turn.ts";
import { monotonicMs } from "../runtime/clock.ts";
import { failpoint } from "../runtime/failpoint.ts";
import { begunPaths, closingReason, graceIsOver } from "./closing.ts";
import { runAs } from "./context.ts";
import type { Hold } from "./hold.ts";
import { readArrivals, redeliveries } from "./inbound.ts";
import { Replica } from "./replica.ts";
import { Turn, type TurnTools } from "./turn.ts";
import { TurnWatch, workflowEvent } from "./turn-watch.ts";

const none: readonly never[] = [];

/**
 * Makes the turns of a run: reads what has arrived where anything may have, and drives the workflow with it until it waits. The live coroutine
 * is kept here from turn to turn. What could not be made is forgone: outcomes in hand are given back, the coroutine is for the caller to drop (W3).
 */
export class TurnMaker {
  readonly #hold: Hold;
  readonly #tools: TurnTools;
  /** What it began with, where it was begun by continueAsNew. */
  readonly #handedOn: Snapshot | undefined;
  #replica: Replica | undefined;
  /** A turn of it has been stored: there is a journal. */
  #begun = false;

  constructor(hold: Hold, tools: TurnTools, handedOn: Snapshot | undefined) {
    this.#hold = hold;
    this.#tools = tools;
    this.#handedOn = handedOn;
  }

  /** A turn of it has been stored by this worker. */
  get hasBegun(): boolean {
    return this.#begun;
  }

  /** The workflow in memory, if it is there. */
  get coroutine(): Coroutine | undefined {
    return this.#replica?.coroutine;
  }

  /** It has begun in another session, and nothing of it is in memory here. */
  get isTakenOver(): boolean {
    return this.#replica === undefined && !this.#begun && !this.#hold.execution.fresh;
  }

  /** The next turn cannot be made before something was read. */
  get mustRead(): boolean {
    const { execution, rowIsStale, isWoken, host } = this.#hold;
    if (rowIsStale || isWoken || execution.marks > 0) return true;
    if (execution.deadlock !== undefined || execution.stored !== undefined) return true;
    if (this.#replica === undefined && (this.#begun || !this.#isFresh)) return true;
    return closingReason(execution, this.coroutine, host.deps.clock.now()) !== undefined;
  }

  /** Nothing that it begins with has to be read: a run after the first may begin with counters and state. */
  get #isFresh(): boolean {
    const { fresh, run } = this.#hold.execution;
    return fresh && (run === 1 || this.#handedOn !== undefined);
  }

  /** The next turn, where nothing has to be read: at once, unless it comes upon waits whose messages do. @returns nothing if it is lost meanwhile. */
  make(): Turn | Promise<Turn | undefined> {
    const { execution, fn, host } = this.#hold;
    const watch = TurnWatch.begin(this.#hold);
    this.#replica ??= Replica.fresh(host.deps, execution, fn, this.#handedOn);
    return this.#drive(this.#replica, none, false, none, watch);
  }

  /** The next turn, after everything was read. */
  async read(): Promise<Turn | undefined> {
    const { host, local } = this.#tools;
    const { deps } = host;
    const hold = this.#hold;
    const watch = TurnWatch.begin(hold);
    this.#replica ??= await this.#load();
    failpoint("turn.after-load");
    const replica = this.#replica;
    const woken = hold.takeWoken();
    const deliveries: Delivery[] = [];
    const arrived: number[] = [];
    const again = redeliveries(replica);
    const reason = closingReason(hold.execution, replica.coroutine, deps.clock.now());
    if (reason !== undefined) {
      // First: what it is given before may end it, and an end that does not know of the cancel is refused.
      const begun = await begunPaths(deps.store, hold.execution.key, replica, local);
      const awaited = [...begun, ...again.map(({ path }) => path)];
      deliveries.push({ kind: "cancel", reason, awaited });
      replica.closingAt = deps.clock.now();
    }
    deliveries.push(...again);
    if (woken) {
      const inbound = await readArrivals(deps, hold.execution, replica.open);
      deliveries.push(...inbound.deliveries);
      arrived.push(...inbound.arrived);
    }
    return this.#drive(replica, deliveries, woken, arrived, watch);
  }

  async #load(): Promise<Replica> {
    const { host, local, facts } = this.#tools;
    const { deps } = host;
    const hold = this.#hold;
    const startedAt = monotonicMs();
    // Its code runs as it does in a turn.
    const replica = await runAs(facts, () => Replica.load(deps, hold.execution, hold.fn, local));
    if (replica.replayed === 0) return replica;
    const event = workflowEvent(hold);
    const durationMs = monotonicMs() - startedAt;
    if (!this.#begun) deps.observer.emit({ type: "cacheMissed", ...event });
    deps.observer.emit({
      type: "workflowReplayed",
      ...event,
      entries: replica.replayed,
      durationMs,
    });
    return replica;
  }

  /** The turn is in the journal: the next one goes on from there. */
  stored({ replica, builder }: Turn): void {
    replica.nextSeq = builder.nextSeq;
    replica.step = builder.step;
    this.#begun = true;
  }

  /** The next turn begins with a replay of what is stored. */
  drop(): void {
    this.#replica = undefined;
  }

  #drive(
    replica: Replica,
    deliveries: readonly Delivery[],
    woken: boolean,
    arrived: readonly number[],
    watch: TurnWatch | undefined,
  ): Turn | Promise<Turn | undefined> {
    const { host } = this.#tools;
    const { execution, deaths } = this.#hold;
    const turn = new Turn(this.#tools, execution, replica, deaths, woken);
    turn.arrived = arrived;
    turn.watch = watch;
    try {
      const now = host.deps.clock.now();
      const due: Delivery[] = [...deliveries];
      for (const step of turn.settled) due.push(step.delivery);
      due.push(...replica.coroutine.due(now));
      if (graceIsOver(replica, host.cancelGraceMs, now)) due.push({ kind: "grace" });
      turn.drive(due);
      failpoint("turn.after-advance");
      const unread = turn.unread();
      return unread.length === 0 ? turn : this.#withMessages(turn, unread);
    } catch (error) {
      turn.forgo();
      throw error;
    }
  }

  async #withMessages(turn: Turn, first: readonly string[]): Promise<Turn | undefined> {
    try {
      for (let names = first; names.length > 0; names = turn.unread()) {
        const messages = await turn.readMessages(names);
        if (!this.#hold.isHeld) {
          turn.forgo();
          return undefined;
        }
        if (messages.length > 0) turn.drive(messages);
      }
      return turn;
    } catch (error) {
      turn.forgo();
      throw error;
    }
  }
}
