import { setTimeout as pause } from "node:timers/promises";
import type { WaitReason } from "../client/execution-state.ts";
import type { Duration } from "../core/duration.ts";
import { durationOption, knownOptions } from "../core/option.ts";
import { isFinal } from "../core/status.ts";
import { monotonicMs, type Clock } from "../runtime/clock.ts";
import type { Stent } from "../stent.ts";
import { dateOption } from "./kit-option.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** How often an execution that does something real is looked at, in milliseconds. */
const lookEveryMs = 2;

/**
 * A clock for a real Stent, `testStent(t, { clock })`: it stands still until it is told to go on. Everything that Stent waits for goes by
 * it: sleeps, retries, timeouts, deadlines, polling and heartbeats.
 */
export class TestClock implements Clock {
  readonly #clock: VirtualClock;
  #isCalling = false;

  constructor(startAt: Date | undefined) {
    this.#clock = new VirtualClock(startAt);
  }

  now(): number {
    return this.#clock.now();
  }

  schedule(afterMs: number, fn: () => void): () => void {
    const forget = this.#clock.schedule(afterMs, fn);
    if (afterMs <= 0) this.#callSoon();
    return forget;
  }

  /** What is due already waits for no other moment: of time that passed while a worker was looking, nobody tells it again. */
  #callSoon(): void {
    if (this.#isCalling) return;
    this.#isCalling = true;
    setImmediate(() => {
      this.#isCalling = false;
      this.#clock.jumpTo(this.#clock.now());
    });
  }

  /** Goes on by so much: what is due by then becomes due. It is a jump; what follows from it begins at its end. */
  advance(duration: Duration): void {
    this.#clock.jumpTo(this.#clock.now() + durationOption("advance", duration));
  }

  /**
   * Goes on for as long as this execution and its children wait for time alone, each time exactly to the next moment that one of them waits
   * for, until it has ended. Attempts that run are waited for in real time. @throws Error if it waits for something that does not come by
   * itself, or does nothing at all for as long as `patience` (real time, default "10s"): no worker serves it, or one by another clock
   */
  async untilEnded(
    stent: Stent,
    id: string,
    { patience = "10s" }: { patience?: Duration } = {},
  ): Promise<void> {
    const patienceMs = durationOption("patience", patience);
    let idleLooks = 0;
    let seen = { waits: "", since: monotonicMs() };
    for (;;) {
      const { state } = await stent.stateOf(id);
      if (isFinal(state)) return;
      const waits = await waitsOf(stent, id);
      const next = nextTime(waits);
      if (next === "something real") idleLooks = 0;
      else if (next !== undefined && next > this.now()) {
        this.#clock.jumpTo(next);
        idleLooks = 0;
      } else if (next === undefined) idleLooks += 1;
      if (idleLooks > maxIdleLooks) {
        const names = waits.map(({ kind, name }) => `${kind} "${name}"`).join(", ");
        throw new Error(`execution ${id} waits for what time does not bring: ${names}`);
      }
      const told = JSON.stringify([waits, this.now()]);
      if (told !== seen.waits || waits.some(isRunning))
        seen = { waits: told, since: monotonicMs() };
      else if (monotonicMs() > seen.since + patienceMs)
        throw new Error(
          `execution ${id} has done nothing for ${patienceMs} ms: does a worker serve it, by this clock (testStent(t, { clock }))? stent.why(id) tells more`,
        );
      // What is due is taken up, and what runs goes on, in real time.
      await pause(lookEveryMs);
    }
  }
}

/** So many looks in a row at nothing but a wait that no time ends: what was just sent may be on its way. */
const maxIdleLooks = 100;

/** A clock for a real Stent; it begins at `startAt`, or on 2000-01-01. */
export function testClock(options: { startAt?: Date } = {}): TestClock {
  knownOptions("testClock", options, ["startAt"]);
  if (options instanceof Date)
    throw new TypeError("testClock takes its start as an option: testClock({ startAt })");
  return new TestClock(dateOption("startAt", options.startAt));
}

/** Its own, and those of its children in place of the waits for them. */
async function waitsOf(stent: Stent, id: string): Promise<readonly WaitReason[]> {
  const { waitingFor } = await stent.stateOf(id);
  // A time is its own: that of its start, or of its next attempt.
  const own = waitingFor.filter(({ kind, until }) => kind !== "workflow" || until !== undefined);
  if (own.length === waitingFor.length) return own;
  const { items } = await stent.listExecutions({
    parent: id,
    state: ["pending", "running", "cancelling"],
    limit: 1_000,
  });
  const below = await Promise.all(items.map((child) => waitsOf(stent, child.id)));
  return [...own, ...below.flat()];
}

/** Nobody knows when an attempt ends. */
function isRunning({ kind, until }: WaitReason): boolean {
  return kind === "activity" && until === undefined;
}

/** When the next of them ends by itself; undefined if none does. */
function nextTime(waits: readonly WaitReason[]): number | "something real" | undefined {
  if (waits.length === 0) return "something real";
  if (waits.some(isRunning)) return "something real";
  const times = waits.flatMap(({ until }) => (until === undefined ? [] : [Number(until)]));
  return times.length === 0 ? undefined : Math.min(...times);
}
