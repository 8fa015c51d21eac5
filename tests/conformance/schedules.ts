/**
 * Every schedule of two processes that makes a difference. A schedule is run to find out what is on offer at each of its steps, and the next
 * one is the same up to the last step at which another way is left: depth first, so nothing but the way itself is remembered, and a process
 * may be as long as it likes, in each schedule anew.
 *
 *   E1  Two neighbouring statements of the two processes that do not meet (`footprint.ts`) may change places. Of schedules that come out of
 *       each other by such changes one is run: a step is taken the other way only where it raced with a later one of the other process, that
 *       is where they meet, and nothing in between had put them in order.
 *   E2  What was tried at a step, and does not meet what is done there instead, is not tried again behind it ("sleeps").
 *   E3  Where a statement waits for a lock, that its patience ends is one more way. What follows begins anew and may wait once more, without
 *       end: so it is taken in one schedule as often as `impatience` says, at the most.
 */
import { meet, type Footprint } from "./footprint.ts";

export type Name = "A" | "B";

/** Whose statement goes next; in small letters: it has no patience with locks. */
export type Choice = Name | "a" | "b";

/** What can be done at a step. */
export interface Offer {
  /** The next statement of each process that can go on. */
  readonly next: ReadonlyMap<Name, Footprint>;
  /** Who has sent a statement that waits for a lock. */
  readonly waiting: ReadonlySet<Name>;
}

export type Choose = (offer: Offer) => Choice;

/** One step of the schedule that was run last. */
interface Step {
  readonly offer: Offer;
  /** What need not be tried here, by E2. */
  readonly asleep: ReadonlyMap<Name, Footprint>;
  readonly done: Set<Choice>;
  readonly todo: Set<Choice>;
  choice: Choice;
  /** Whether somebody is to give up here was decided. */
  asked: boolean;
  /** Of a schedule that is known to be redundant: what it raced with is of interest still. */
  readonly redundant: boolean;
}

export interface Explored {
  readonly schedules: number;
  /** Begun, and left when it was seen that they come to what another one has come to. */
  readonly redundant: number;
  /** Schedules that did not go as the one before had up to the same step. */
  readonly diverged: number;
  /** Those in which somebody gave up waiting. */
  readonly impatient: number;
  /** There were more. */
  readonly cut: boolean;
}

export interface Limits {
  /** How many schedules, at most. */
  readonly most: number;
  /** How often in one schedule somebody gives up waiting for a lock, at most. */
  readonly impatience: number;
  /** Whether that is tried where it could be. */
  readonly tries: () => boolean;
}

/** Runs schedules until there is none left. `run` has to ask at each step, and to do as it is told. */
export async function explore(
  limits: Limits,
  run: (choose: Choose) => Promise<void>,
): Promise<Explored> {
  const way: Step[] = [];
  const explored = { schedules: 0, redundant: 0, diverged: 0, impatient: 0, cut: false };
  do {
    const walk = new Walk(way, limits);
    await run((offer) => walk.choose(offer));
    explored.schedules += walk.redundant ? 0 : 1;
    explored.redundant += walk.redundant ? 1 : 0;
    explored.diverged += walk.diverged ? 1 : 0;
    if (!walk.redundant)
      explored.impatient += way.some(({ choice }) => isImpatient(choice)) ? 1 : 0;
    noteRaces(way);
    while (way.at(-1)?.redundant === true) way.pop();
    turnBack(way);
    explored.cut = way.length > 0 && explored.schedules >= limits.most;
  } while (way.length > 0 && !explored.cut);
  return explored;
}

/** One schedule, as it is run. */
class Walk {
  readonly #way: Step[];
  readonly #limits: Limits;
  #at = 0;
  #last: Choice = "A";
  redundant = false;
  diverged = false;

  constructor(way: Step[], limits: Limits) {
    this.#way = way;
    this.#limits = limits;
  }

  choose(offer: Offer): Choice {
    this.#noteWaiting(offer);
    this.#last = this.#step(offer);
    return this.#last;
  }

  #step(offer: Offer): Choice {
    const known = this.#way[this.#at];
    if (known !== undefined && sameOffer(known.offer, offer)) {
      this.#at += 1;
      return known.choice;
    }
    if (known !== undefined) {
      this.diverged = true;
      this.#way.length = this.#at;
    }
    const asleep = asleepAfter(this.#way.at(-1));
    const names = [...offer.next.keys()];
    const awake = names.filter((name) => !asleep.has(name));
    this.redundant ||= awake.length === 0;
    const open = this.redundant ? names : awake;
    const choice = open.find((name) => name === processOf(this.#last)) ?? open[0];
    if (choice === undefined) throw new Error("nobody can go on");
    const step = { offer, asleep, done: new Set([choice]), todo: new Set<Choice>(), choice };
    this.#way.push({ ...step, asked: false, redundant: this.redundant });
    this.#at += 1;
    return choice;
  }

  /** By E3. */
  #noteWaiting({ waiting }: Offer): void {
    const before = this.#way[this.#at - 1];
    if (before === undefined || this.redundant || isImpatient(before.choice)) return;
    const name = processOf(before.choice);
    if (!waiting.has(name)) return;
    const spent = this.#way.slice(0, this.#at).filter(({ choice }) => isImpatient(choice)).length;
    const impatient = name === "A" ? "a" : "b";
    if (spent >= this.#limits.impatience || before.asked) return;
    before.asked = true;
    if (this.#limits.tries()) before.todo.add(impatient);
  }
}

export function processOf(choice: Choice): Name {
  return choice === "a" || choice === "A" ? "A" : "B";
}

export function isImpatient(choice: Choice): boolean {
  return choice === "a" || choice === "b";
}

function sameOffer(one: Offer, other: Offer): boolean {
  return (
    one.next.size === other.next.size &&
    [...one.next].every(([name, footprint]) => {
      const there = other.next.get(name);
      return there !== undefined && shown(there) === shown(footprint);
    })
  );
}

function shown({ reads, locks, shares, ends }: Footprint): string {
  return JSON.stringify([
    [...reads].toSorted(),
    [...locks].toSorted(),
    [...shares].toSorted(),
    ends,
  ]);
}

/** By E2. What gives up waiting may meet anything. */
function asleepAfter(step: Step | undefined): Map<Name, Footprint> {
  const asleep = new Map<Name, Footprint>();
  if (step === undefined || isImpatient(step.choice)) return asleep;
  const { offer, choice } = step;
  const taken = footprintAt(step);
  const add = (name: Name, footprint: Footprint): void => {
    if (name !== processOf(choice) && !meet(footprint, taken)) asleep.set(name, footprint);
  };
  for (const [name, footprint] of step.asleep) add(name, footprint);
  for (const name of step.done) {
    const footprint = isImpatient(name) ? undefined : offer.next.get(processOf(name));
    if (footprint !== undefined) add(processOf(name), footprint);
  }
  return asleep;
}

function footprintAt({ offer, choice }: Step): Footprint {
  const footprint = offer.next.get(processOf(choice));
  if (footprint === undefined) throw new Error(`${choice} was not on offer`);
  return footprint;
}

/** By E1: where two steps raced, the later one's process goes first in a schedule to come. */
function noteRaces(way: readonly Step[]): void {
  const feet = way.map((step) => footprintAt(step));
  const of = way.map(({ choice }) => processOf(choice));
  const metBy = (at: number, from: number): number => {
    for (let i = at - 1; i >= from; i--)
      if (of[i] !== of[at] && meet(feet[i] as Footprint, feet[at] as Footprint)) return i;
    return -1;
  };
  for (let later = 1; later < way.length; later++) {
    const at = metBy(later, 0);
    const earlier = way[at];
    const name = of[later];
    if (earlier === undefined || name === undefined) continue;
    // What the later one's process did in between, and what that met, have put them in order.
    let ordered = false;
    for (let k = at + 1; k < later && !ordered; k++) ordered = of[k] === name && metBy(k, at) >= 0;
    if (ordered || !earlier.offer.next.has(name)) continue;
    if (!earlier.done.has(name) && !earlier.asleep.has(name)) earlier.todo.add(name);
  }
}

/** To the last step that can go another way; to nothing if there is none. */
function turnBack(way: Step[]): void {
  for (let step = way.at(-1); step !== undefined; step = way.at(-1)) {
    const [choice] = step.todo;
    if (choice !== undefined) {
      step.todo.delete(choice);
      step.done.add(choice);
      step.choice = choice;
      return;
    }
    way.pop();
  }
}
