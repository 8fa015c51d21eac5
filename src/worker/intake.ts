import { failpoint } from "../runtime/failpoint.ts";
import { monotonicMs } from "../runtime/clock.ts";
import type { ClaimAnswer, ClaimedExecution, Lane, Store } from "../store/store.ts";
import { Acceptance } from "./acceptance.ts";
import { Claimer } from "./claimer.ts";
import { HandedSlots } from "./handed-slots.ts";
import type { HeldWork } from "./held-work.ts";
import type { RunHost } from "./run-host.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";

type Seen = Awaited<ReturnType<Store["peek"]>>;

/** How many workflows that have begun are taken at a time beside what there are slots for: their turns need none. */
const turnsBesideSlots = 500;

/** How long a worker that always finds more claims without a look before. */
const longestWithoutLookMs = 20;

/** Up to this many free slots, a claim may fill them all. */
const fewSlots = 20;

/**
 * What a worker takes, and never more of it than there are slots for: claims of what is due, new executions that a client of the same process
 * hands over, and activities that a turn may begin at once.
 */
export class Intake {
  readonly #host: RunHost;
  readonly #held: HeldWork;
  readonly #acceptance: Acceptance;
  readonly #claimer: Claimer;
  readonly #handed: HandedSlots;
  readonly #registering: () => Promise<void> | undefined;
  /** The last claim has left something in the queue. */
  #backlog = false;
  #refilling = false;
  /** What was last seen to wait, and when, by the monotonic clock. */
  #seen: Seen | undefined;
  #lookedAt = -Infinity;
  /** Claims and adoptions on their way: what they bring has been begun by nobody, and given back it would count as an attempt. */
  #coming = 0;

  /** `registering`: while a session that was lost is being replaced; nothing is claimed meanwhile. */
  constructor(
    host: RunHost,
    held: HeldWork,
    options: ResolvedServeOptions,
    registering: () => Promise<void> | undefined,
  ) {
    const { registry, clock } = host.deps;
    this.#host = host;
    this.#held = held;
    this.#handed = new HandedSlots(host.slots);
    this.#acceptance = new Acceptance(registry, options);
    this.#registering = registering;
    this.#claimer = new Claimer({
      claim: () => this.#claimOnce(),
      taken: (answer) => this.#take(answer),
      now: () => clock.now(),
      schedule: (afterMs, fn) => clock.schedule(afterMs, fn),
      polling: {
        minMs: options.pollIntervalMs,
        maxMs: options.pollIntervalMaxMs,
        factor: options.pollBackoffFactor,
      },
    });
  }

  /** How many claims and adoptions are on their way. */
  get coming(): number {
    return this.#coming;
  }

  accepts(lane: Omit<Lane, "key">): boolean {
    return this.#acceptance.accepts(lane);
  }

  /** There may be something to take. */
  wake(): void {
    this.#claimer.wake();
  }

  /** Another process says so. */
  hint(): void {
    this.#claimer.hint();
  }

  /** Something that it may take becomes due then. */
  noteDue(at: number): void {
    this.#claimer.noteDue(at);
  }

  /** Others may become free in this turn of the event loop: one claim fills them all, and is written together with what has freed them. */
  slotFreed(): void {
    if (!this.#backlog || this.#refilling) return;
    this.#refilling = true;
    process.nextTick(() => {
      this.#refilling = false;
      this.#claimer.wake();
    });
  }

  stop(): void {
    this.#claimer.stop();
  }

  /** Slots for activities that a turn begins at once. What waits in the queue comes first, but for who still has its slice: else long chains would starve it. */
  takeEagerly(lane: Omit<Lane, "key">, places: number, inSlice: boolean): number {
    const { slots } = this.#host;
    if (!this.#host.isReady() || (this.#backlog && !inSlice) || !this.accepts(lane)) return 0;
    const taken = Math.max(0, Math.min(places, slots.free));
    slots.occupy(taken);
    return taken;
  }

  /** The slot of a call from the queue is for the next step of its workflow, which was woken by its end. @returns false if there is one already */
  handSlot(execution: number): boolean {
    if (!this.#host.isReady() || !this.#handed.keep(execution)) return false;
    this.#claimer.wake();
    return true;
  }

  // ── adopting ──

  /** Keeps a slot for a new execution. @returns the session that is to hold it; undefined if it has to wait in the queue as others do. */
  reserve(lane: Omit<Lane, "key">): number | undefined {
    if (!this.#host.isReady() || this.#backlog) return undefined;
    if (!this.accepts(lane) || !this.#host.slots.take()) return undefined;
    this.#coming += 1;
    return this.#host.session();
  }

  /** It was stored, and is held by this worker. */
  adopted(execution: ClaimedExecution): void {
    void this.#adopt(execution);
  }

  /** It was not stored. */
  forgo(): void {
    this.#coming -= 1;
    this.#host.slots.release();
  }

  /** By V4. */
  async #adopt(execution: ClaimedExecution): Promise<void> {
    const { leaseHolds, renewed, slots } = this.#host;
    try {
      if (leaseHolds() || (await renewed())) this.#held.begin(execution, true);
      else slots.release();
    } finally {
      this.#coming -= 1;
    }
  }

  // ── claiming ──

  async #claimOnce(): Promise<ClaimAnswer | undefined> {
    this.#handed.claimAsked();
    const answer = await this.#claim();
    if (answer === undefined) this.#handed.claimOver();
    return answer;
  }

  async #claim(): Promise<ClaimAnswer | undefined> {
    const { deps, slots, workerId, isReady } = this.#host;
    const registering = this.#registering();
    if (registering !== undefined) await registering;
    if (!isReady()) return undefined;
    try {
      const accepts = (lane: Lane): boolean => this.accepts(lane);
      const seen = this.#known ?? (await this.#look(accepts));
      const { due, turns, nextDueAt, now } = seen;
      if (!isReady()) return undefined;
      if (due && (turns || slots.free > 0)) return await this.#submit(accepts, seen);
      this.#backlog = due;
      return { kind: "claimed", executions: [], tasks: [], more: due, nextDueAt, now };
    } catch (error) {
      if (!isReady()) return undefined; // it is not tried again
      deps.observer.log.error("claiming failed; it is tried again", { workerId, error });
      return undefined;
    }
  }

  async #submit(
    accepts: (lane: Lane) => boolean,
    { wakes, heads }: Seen,
  ): Promise<ClaimAnswer | undefined> {
    const { deps, slots, leaseHolds, renewed, session, sessionLost } = this.#host;
    // Kept while the claim is on its way, so that what runs never exceeds the limit.
    const limit = this.#slotsToFill();
    let used = 0;
    slots.occupy(limit);
    this.#coming += 1;
    try {
      failpoint("claim.before-submit");
      const answer = await deps.committer.submit("claim", {
        session: session(),
        limit,
        turns: turnsBesideSlots,
        accepts,
        suspects: !this.#held.hasSuspect,
        wakes,
        heads,
      });
      if (answer.kind === "refused") {
        sessionLost();
        return undefined;
      }
      failpoint("claim.after-commit");
      if (!leaseHolds() && !(await renewed())) return undefined; // by V4
      this.#backlog = answer.more;
      used = slotsOf(answer);
      return answer;
    } finally {
      slots.occupy(used - limit);
      this.#coming -= 1;
    }
  }

  /** The last claim has left something, which need not be looked for. Messages that come with transactions of their senders only a look finds. */
  get #known(): Seen | undefined {
    const isNew = monotonicMs() < this.#lookedAt + longestWithoutLookMs;
    return isNew && this.#backlog && this.#host.slots.free > 0 ? this.#seen : undefined;
  }

  async #look(accepts: (lane: Lane) => boolean): Promise<Seen> {
    this.#lookedAt = monotonicMs();
    const seen = await this.#host.deps.store.peek(accepts);
    this.#seen = { ...seen, wakes: false }; // they are seen to once
    return seen;
  }

  /** Half of many free slots, all of few: some stay for the next steps of what is held. */
  #slotsToFill(): number {
    const free = Math.max(0, this.#host.slots.free);
    return free > fewSlots ? Math.ceil(free / 2) : free;
  }

  #take(answer: ClaimAnswer): void {
    for (const execution of answer.executions)
      this.#held.begin(execution, needsSlot(execution) || this.#handed.take(execution.key));
    this.#handed.claimOver();
    for (const task of answer.tasks) this.#held.beginTask(task);
    const tookSome = answer.executions.length + answer.tasks.length > 0;
    // What stands behind what was taken is not known yet.
    if (answer.more ? this.#host.slots.free > 0 : tookSome) this.#claimer.wake();
  }
}

/** A workflow that has begun needs none for its turn. */
function needsSlot(execution: ClaimedExecution): boolean {
  return execution.kind === "activity" || execution.fresh;
}

function slotsOf(answer: ClaimAnswer): number {
  const items = answer.tasks.reduce((sum, task) => sum + task.items.length, 0);
  return answer.executions.filter((execution) => needsSlot(execution)).length + items;
}
