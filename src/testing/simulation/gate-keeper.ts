/**
 * `maxConcurrent`, `rateLimit`, `idempotent` and `cached` in virtual time, over all executions of one simulation. Names, keys and what is kept
 * of a result are production's; who waits for whom is decided here, without the rows and locks of a database, as docs/limits.md says it.
 */
import { gatesFrom, ofGate, type Gates } from "../../core/gates.ts";
import type { Payload } from "../../core/payload.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import { Bucket, Places, SharedResult, type Gate } from "./gate.ts";

/** Work that is to begin. */
export interface Entering {
  /** As `addTask` has given it, or an execution's key below zero. */
  readonly holder: number;
  /** The execution whose work it is, or which it is. */
  readonly execution: number;
  readonly gates: string;
  readonly priority: number;
}

/** "held": it waits, and is woken. Else whether it may begin, or can never, or what stands for its run. */
export type Entrance =
  | "open"
  | "held"
  | { readonly deadlock: string; readonly stored?: undefined }
  | { readonly stored: { readonly name: string; readonly value: Payload } };

/** How work leaves: "again" before its next attempt, "over" without a result, or with one. */
export type Leaving = "again" | "over" | { readonly stored: Payload | undefined };

/** What is known of work that has gates. */
interface Holder {
  readonly wake: () => void;
  readonly order: number;
  priority: number;
  gates: Gates;
  /** Before which it waits, or which it may come to. */
  before: Gate | undefined;
  /** It has been called there. */
  isCalled: boolean;
}

export class GateKeeper {
  readonly #clock: VirtualClock;
  readonly #places = new Map<string, Places>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #results = new Map<string, SharedResult>();
  /** Buckets at whose next token somebody is called. */
  readonly #refilling = new Set<Bucket>();
  readonly #holders = new Map<number, Holder>();
  readonly #executions = new Map<number, Execution>();
  #lastTask = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** `wake`: it may try again. */
  addExecution(key: number, execution: Execution, wake: () => void): void {
    this.#executions.set(key, execution);
    this.#add(-key, wake);
  }

  /** @returns by what it is known here */
  addTask(wake: () => void): number {
    this.#lastTask += 1;
    this.#add(this.#lastTask, wake);
    return this.#lastTask;
  }

  /** Takes what the work needs to begin, or lets it wait. */
  enter({ holder, execution, gates, priority }: Entering): Entrance {
    const work = this.#holders.get(holder);
    if (work === undefined) throw new Error("work that no gate knows of");
    // Woken by something else: it waits on.
    if (work.before !== undefined && !work.isCalled) return "held";
    Object.assign(work, { gates: gatesFrom(gates), priority });
    const calledTo = this.#forget(holder, work);
    const entrance = this.#tryToEnter(holder, execution, work);
    // It was called there, and waits elsewhere: the next may come.
    if (calledTo !== undefined) this.#callTo(calledTo);
    return entrance;
  }

  /** The work is over, or pauses; what it had is for those who wait. */
  leave(holder: number, how: Leaving): void {
    const work = this.#holders.get(holder);
    if (work === undefined) return;
    const calledTo = this.#forget(holder, work);
    const { limit, result } = work.gates;
    const places = limit && this.#places.get(limit.name);
    const shared = result && this.#results.get(result.name);
    if (how !== "again" && shared?.runner === holder) {
      shared.runner = undefined;
      const until = result?.ttlMs === undefined ? Infinity : this.#clock.now() + result.ttlMs;
      if (how !== "over" && how.stored !== undefined) shared.store(how.stored, until);
    }
    places?.holders.delete(holder);
    for (const gate of new Set([calledTo, places, shared])) if (gate) this.#callTo(gate);
  }

  /** What somebody waits for, in words. */
  heldBack(): readonly string[] {
    return [
      ...waitedFor(this.#places, "maxConcurrent"),
      ...waitedFor(this.#results, "the one run"),
    ];
  }

  #add(holder: number, wake: () => void): void {
    const order = this.#holders.size;
    const known = { wake, order, priority: 0, gates: {}, before: undefined, isCalled: false };
    this.#holders.set(holder, known);
  }

  // ── entering ──

  #tryToEnter(holder: number, execution: number, work: Holder): Entrance {
    const now = this.#clock.now();
    const { result, limit, rate } = work.gates;
    const shared = result && made(this.#results, result.name, () => new SharedResult());
    const value = shared?.storedAt(now);
    if (result !== undefined && value !== undefined)
      return { stored: { name: result.name, value } };
    if (shared !== undefined && shared.runner !== holder && !shared.isOpen(now))
      return this.#deadlockBehind(shared, holder, execution) ?? this.#wait(shared, holder, work);
    const places = limit && made(this.#places, limit.name, () => new Places());
    if (places !== undefined && limit !== undefined) places.limit = limit.places;
    if (places !== undefined && !places.isOpen(now))
      return (
        this.#deadlockAt(places, work.gates, holder, execution) ?? this.#wait(places, holder, work)
      );
    const bucket =
      rate && made(this.#buckets, rate.name, () => new Bucket(rate.tokens, rate.perMs, now));
    if (bucket?.isOpen(now) === false) return this.#wait(bucket, holder, work);
    bucket?.take(now);
    places?.holders.add(holder);
    if (shared !== undefined) shared.runner = holder;
    return "open";
  }

  #wait(gate: Gate, holder: number, work: Holder): "held" {
    work.before = gate;
    gate.wait({ holder, priority: work.priority, order: work.order });
    if (gate instanceof Bucket) this.#refill(gate);
    return "held";
  }

  /** @returns the gate to which it was called */
  #forget(holder: number, work: Holder): Gate | undefined {
    const { before, isCalled, priority, order } = work;
    before?.forget({ holder, priority, order });
    work.before = undefined;
    work.isCalled = false;
    return isCalled ? before : undefined;
  }

  // ── calling ──

  #callTo(gate: Gate): void {
    for (;;) {
      const next = gate.call(this.#clock.now());
      const work = next === undefined ? undefined : this.#holders.get(next);
      if (work === undefined) break;
      work.isCalled = true;
      work.wake();
    }
    if (gate instanceof Bucket) this.#refill(gate);
  }

  #refill(bucket: Bucket): void {
    if (!bucket.isWaitedFor || this.#refilling.has(bucket)) return;
    this.#refilling.add(bucket);
    this.#clock.schedule(bucket.msUntilNext(this.#clock.now()), () => {
      this.#refilling.delete(bucket);
      this.#callTo(bucket);
    });
  }

  // ── those who wait for themselves ──

  #deadlockBehind(shared: SharedResult, holder: number, execution: number): Entrance | undefined {
    const { runner } = shared;
    if (runner === undefined || !this.#standsAbove(holder, execution).has(-runner))
      return undefined;
    const { id } = this.#executions.get(-runner) ?? { id: "" };
    return { deadlock: `it waits for its own result: ${id}, which runs it, waits for it` };
  }

  #deadlockAt(
    { holders }: Places,
    { limit }: Gates,
    holder: number,
    execution: number,
  ): Entrance | undefined {
    // Those who have been called are none of its ancestors, which wait for it.
    if (limit === undefined || holders.size < limit.places) return undefined;
    const above = this.#standsAbove(holder, execution);
    if (![...holders].every((one) => above.has(-one))) return undefined;
    const { fn, key } = ofGate(limit.name);
    const ids = [...holders].map((one) => this.#executions.get(-one)?.id);
    return {
      deadlock: `"${fn}"${key === undefined ? "" : ` with key "${key}"`} waits for a place of maxConcurrent (${limit.places}) that only its own ancestors hold: ${ids.join(", ")}`,
    };
  }

  /** Those who wait for it in the end: its execution, if it is a task, and all above. */
  #standsAbove(holder: number, execution: number): ReadonlySet<number> {
    const above = new Set<number>();
    let next = holder < 0 ? this.#executions.get(execution)?.parent : execution;
    for (; next !== undefined; next = this.#executions.get(next)?.parent) above.add(next);
    return above;
  }
}

interface Execution {
  readonly id: string;
  /** The key of the execution that waits for it. */
  readonly parent: number | undefined;
}

function waitedFor(gates: ReadonlyMap<string, Gate>, what: string): readonly string[] {
  return [...gates]
    .filter(([, gate]) => gate.isWaitedFor)
    .map(([name]) => `${what} of "${ofGate(name).fn}"`);
}

function made<T>(gates: Map<string, T>, name: string, make: () => T): T {
  const gate = gates.get(name) ?? make();
  gates.set(name, gate);
  return gate;
}
