/**
 * One machine with its time, and every operation that is pending on it.
 *
 *   W1  Whatever can happen next stands in `#pending`, and one scheduler takes it from there by the seed. Between two steps nothing runs.
 *   W2  Code of a simulated process runs only within a step of that process: what it asks for meanwhile is its own.
 *   W3  Time goes on only between steps, mostly when nothing else can be done.
 */
import type { Chance } from "./chance.ts";
import { untilQuiet, type LentTime } from "./borrowed-globals.ts";
import { RareEventCounts } from "./rare-events.ts";
import { Trace } from "./trace.ts";

/** Somebody whose operations are pending: a process, or nobody (the world itself). */
export interface Owner {
  readonly name: string;
  /** Nothing of it is run before then. */
  pausedUntil: number;
}

interface Pending {
  readonly owner: Owner | undefined;
  readonly label: string;
  readAt: number;
  readonly run: () => void;
  /** What becomes of it when its owner crashes. */
  readonly onCrash: (() => void) | undefined;
  /** It has left its owner already: it may be done while that is paused. */
  readonly isSent: boolean;
}

export class World implements LentTime {
  readonly chance: Chance;
  readonly trace: Trace;
  readonly rare = new RareEventCounts();
  /** What was found to be wrong, the first first. */
  readonly failures: string[] = [];
  /** By how much the wall clock differs from the time that has passed. */
  wallOffset = startedAt;
  #mono = 0;
  #pending: Pending[] = [];
  #current: Owner | undefined;
  #immediates = new Map<Owner, (() => void)[]>();
  #steps = 0;

  constructor(chance: Chance, traced: boolean) {
    this.chance = chance;
    this.trace = new Trace(traced);
  }

  get steps(): number {
    return this.#steps;
  }

  /** Whose step it is. */
  get current(): Owner | undefined {
    return this.#current;
  }

  fail(failure: string): void {
    this.failures.push(failure);
    this.note(`FAILURE ${failure}`);
  }

  note(text: string): void {
    this.trace.add(`${this.#mono} ${this.#current?.name ?? "-"} ${text}`);
  }

  // ── what processes ask of time ──

  wallNow(): number {
    return this.#mono + this.wallOffset;
  }

  monotonicNow(): number {
    return this.#mono;
  }

  random(): number {
    return this.chance.next();
  }

  immediate(fn: () => void): () => void {
    const owner = this.#current;
    if (owner === undefined) throw new Error("nobody's immediate");
    const waiting = this.#immediates.get(owner);
    if (waiting === undefined) {
      this.#immediates.set(owner, [fn]);
      this.add({ owner, label: "turns its event loop", run: () => this.#turn(owner) });
    } else waiting.push(fn);
    return () => {
      const left = this.#immediates.get(owner);
      if (left?.includes(fn) === true) left.splice(left.indexOf(fn), 1);
    };
  }

  timer(afterMs: number, fn: () => void): () => void {
    return this.add({ owner: this.#current, label: "timer", afterMs, run: fn });
  }

  #turn(owner: Owner): void {
    const callbacks = this.#immediates.get(owner) ?? [];
    this.#immediates.delete(owner);
    for (const callback of callbacks) callback();
  }

  // ── the scheduler ──

  /** @returns what takes it back */
  add(operation: {
    owner?: Owner | undefined;
    label: string;
    afterMs?: number;
    run: () => void;
    onCrash?: () => void;
    isSent?: boolean;
  }): () => void {
    const { owner, label, afterMs = 0, run, onCrash, isSent = false } = operation;
    const readAt = this.#mono + Math.max(0, Math.ceil(afterMs));
    const pending: Pending = { owner, label, readAt, run, onCrash, isSent };
    this.#pending.push(pending);
    return () => {
      const index = this.#pending.indexOf(pending);
      if (index >= 0) this.#pending.splice(index, 1);
    };
  }

  /** Everything that this process was about to do is gone. */
  crash(owner: Owner): void {
    const gone = this.#pending.filter((each) => each.owner === owner);
    this.#pending = this.#pending.filter((each) => each.owner !== owner);
    this.#immediates.delete(owner);
    for (const { onCrash } of gone) onCrash?.();
  }

  /** One operation, with all that follows from it without waiting. @returns false if there is none */
  async step(): Promise<boolean> {
    const ready = this.#ready();
    if (ready.length === 0) return false;
    const chosen = this.chance.pick(ready);
    this.#pending.splice(this.#pending.indexOf(chosen), 1);
    if (this.chance.happens(timeGoesOn)) this.#mono += 1;
    this.#steps += 1;
    this.#current = chosen.owner;
    if (chosen.label !== "timer") this.note(chosen.label);
    chosen.run();
    await untilQuiet();
    this.#current = undefined;
    return true;
  }

  /** What can be done now; time goes on to the first that can be done where nothing can. */
  #ready(): Pending[] {
    let next = Infinity;
    const ready: Pending[] = [];
    for (const each of this.#pending) {
      const pausedUntil = each.isSent ? 0 : (each.owner?.pausedUntil ?? 0);
      const at = Math.max(each.readAt, pausedUntil);
      if (at <= this.#mono) ready.push(each);
      else next = Math.min(next, at);
    }
    if (ready.length > 0 || next === Infinity) return ready;
    this.#mono = next;
    return this.#ready();
  }

  /** In the name of a process, outside of a step: what it is told from outside. */
  async as(owner: Owner, act: () => void): Promise<void> {
    this.#current = owner;
    act();
    await untilQuiet();
    this.#current = undefined;
  }
}

const startedAt = Date.UTC(2030, 0, 1);
/** How often time goes on by a millisecond although there is something to be done. */
const timeGoesOn = 0.1;
