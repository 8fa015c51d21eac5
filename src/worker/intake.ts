import { failpoint } from "../runtime/failpoint.ts";
import type { ClaimAnswer, ClaimedExecution, Lane } from "../store/store.ts";
import { Acceptance } from "./acceptance.ts";
import { Claimer } from "./claimer.ts";
import type { HeldWork } from "./held-work.ts";
import type { RunHost } from "./run-host.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";

/** How many workflows that have begun are taken at a time beside what there are slots for: their turns need none. */
const turnsBesideSlots = 500;

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
  readonly #registering: () => Promise<void> | undefined;
  /** The last claim has left something in the queue. */
  #backlog = false;
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
    this.#acceptance = new Acceptance(registry, options);
    this.#registering = registering;
    this.#claimer = new Claimer({
      claim: () => this.#claim(),
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

  slotFreed(): void {
    if (this.#backlog) this.#claimer.wake();
  }

  stop(): void {
    this.#claimer.stop();
  }

  /** Slots for activities that a turn begins at once. What waits in the queue comes first: else long chains would starve it. */
  takeEagerly(lane: Omit<Lane, "key">, places: number): number {
    const { slots } = this.#host;
    if (!this.#host.isReady() || this.#backlog || !this.accepts(lane)) return 0;
    const taken = Math.max(0, Math.min(places, slots.free));
    slots.occupy(taken);
    return taken;
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

  async #claim(): Promise<ClaimAnswer | undefined> {
    const { deps, slots, workerId, isReady, leaseHolds, renewed, session, sessionLost } =
      this.#host;
    let limit = 0;
    let used = 0;
    let comes = false;
    const registering = this.#registering();
    if (registering !== undefined) await registering;
    if (!isReady()) return undefined;
    try {
      const accepts = (lane: Lane): boolean => this.accepts(lane);
      const peeked = await deps.store.peek(accepts);
      if (!isReady()) return undefined;
      if (!peeked.due) {
        this.#backlog = false;
        const { nextDueAt, now } = peeked;
        return { kind: "claimed", executions: [], tasks: [], more: false, nextDueAt, now };
      }
      // Kept while the claim is on its way, so that what runs never exceeds the limit.
      limit = this.#slotsToFill();
      slots.occupy(limit);
      this.#coming += 1;
      comes = true;
      failpoint("claim.before-submit");
      const answer = await deps.committer.submit("claim", {
        session: session(),
        limit,
        turns: turnsBesideSlots,
        accepts,
        suspects: !this.#held.hasSuspect,
        wakes: peeked.wakes,
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
    } catch (error) {
      if (!isReady()) return undefined; // it is not tried again
      deps.observer.log.error("claiming failed; it is tried again", { workerId, error });
      return undefined;
    } finally {
      slots.occupy(used - limit);
      if (comes) this.#coming -= 1;
    }
  }

  /** Half of many free slots, all of few: some stay for the next steps of what is held. */
  #slotsToFill(): number {
    const free = Math.max(0, this.#host.slots.free);
    return free > fewSlots ? Math.ceil(free / 2) : free;
  }

  #take(answer: ClaimAnswer): void {
    for (const execution of answer.executions) this.#held.begin(execution, needsSlot(execution));
    for (const task of answer.tasks) this.#held.beginTask(task);
    if (answer.more && this.#host.slots.free > 0) this.#claimer.wake();
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
