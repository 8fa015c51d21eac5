/**
 * The identity of one started worker: its row, its one lease, and its watch over the others.
 *
 *   L1  Live or dead is the mark in the row. The lease only says when others may set that mark.
 *   L2  Another session is buried only after its heartbeat was seen unchanged for its whole lease, by this process's own monotonic clock,
 *       without a gap in looking; or when its process is known to be gone from this very machine. The commit that buries it asks once more.
 */
import { hostname } from "node:os";
import { monotonicMs } from "../runtime/clock.ts";
import { failpoint } from "../runtime/failpoint.ts";
import { newUuid } from "../runtime/ids.ts";
import {
  isGone,
  isNeighbour,
  thisProcess,
  type ProcessIdentity,
} from "../runtime/process-identity.ts";
import type { SessionRow } from "../store/store.ts";
import type { WorkerDeps } from "./deps.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";

/** Without a heartbeat of its own, a worker still looks after the others this often within a lease. */
const looksPerLease = 3;
/** Longest pause between two looks at the other sessions. */
const maxLookMs = 5_000;
/** How often it is asked whether the processes of this machine that were seen then are still there: 20 us each, and nothing of the database. */
const neighbourLookMs = 1_000;

/** What was last seen of another session. */
interface Sighting {
  readonly beat: number;
  readonly since: number;
}

export class Session {
  readonly #deps: WorkerDeps;
  readonly #options: ResolvedServeOptions;
  readonly #onLost: () => void;
  readonly #running: () => string;
  readonly #self: ProcessIdentity = thisProcess();
  readonly #seen = new Map<number, Sighting>();
  /** Processes of this machine with a session that lived at the last look. */
  #neighbours: readonly ProcessIdentity[] = [];
  #key = -1;
  #leaseEndsAt = 0;
  #lastLook = -Infinity;
  #endBeating: () => void = nothing;
  #endLooking: () => void = nothing;
  #stopped = false;

  /** `onLost` is called when this session was found dead. `running` names what runs, for warnings. */
  constructor(
    deps: WorkerDeps,
    options: ResolvedServeOptions,
    onLost: () => void,
    running: () => string,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#onLost = onLost;
    this.#running = running;
  }

  /** The key of the current session. */
  get key(): number {
    return this.#key;
  }

  /** False once the lease may have run out: nothing new is to be begun before it has been renewed. */
  get leaseHolds(): boolean {
    return monotonicMs() < this.#leaseEndsAt;
  }

  /** Registers a new session. `former`: the one of this process that was found dead. */
  async register(former?: number): Promise<void> {
    const { committer, registry } = this.#deps;
    const { workerId, leaseDurationMs, queues, tags } = this.#options;
    this.#key = await committer.submit("register", {
      id: newUuid(),
      name: workerId,
      host: hostname(),
      pid: process.pid,
      process: JSON.stringify(this.#self),
      leaseMs: leaseDurationMs,
      queues,
      tags,
      functions: registry.all().map(({ kind, functionName: name, options: { version } }) => ({
        kind,
        name,
        version,
      })),
      former,
    });
    failpoint("register.after-commit");
    this.#leaseEndsAt = monotonicMs() + leaseDurationMs;
  }

  /** Begins to renew the lease, and to look after the other sessions. */
  start(): void {
    this.#running(); // what ran before is not this worker's
    this.#beatLater();
    this.#lookLater();
  }

  stop(): void {
    this.#stopped = true;
    this.#endBeating();
    this.#endLooking();
  }

  /** Gives back everything that this session holds. */
  async leave(): Promise<void> {
    this.stop();
    failpoint("drain.before-release");
    await this.#deps.committer.submit("reap", { session: this.#key, died: false });
    failpoint("drain.after-release");
  }

  /** Renews the lease now. @returns false if this session was found dead, which its worker has been told then. @throws DatabaseError */
  async renew(): Promise<boolean> {
    const { committer, observer } = this.#deps;
    const { leaseDurationMs, workerId } = this.#options;
    const session = this.#key;
    const asked = monotonicMs();
    failpoint("heartbeat.before-submit");
    const alive = await committer.submit("heartbeat", { session });
    failpoint("heartbeat.after-commit");
    if (this.#stopped || session !== this.#key) return false;
    observer.emit({ type: "leaseRenewed", workerId, success: alive });
    if (alive) this.#leaseEndsAt = asked + leaseDurationMs;
    else this.#onLost();
    return alive;
  }

  #beatLater(): void {
    const interval = this.#options.heartbeatIntervalMs;
    if (interval === undefined || this.#stopped) return;
    const due = monotonicMs() + interval;
    this.#endBeating = this.#deps.clock.schedule(
      interval,
      () => void this.#beat(monotonicMs() - due),
    );
  }

  async #beat(lateMs: number): Promise<void> {
    const { observer } = this.#deps;
    const { leaseDurationMs, workerId } = this.#options;
    const running = this.#running(); // asked each time: who has ended since the last beat is among them
    if (lateMs > leaseDurationMs / looksPerLease) {
      observer.log.warn(
        `the event loop was blocked for ${Math.round(lateMs)} ms, a third of the lease or more; past the lease (${leaseDurationMs} ms) this worker loses what it holds`,
        { workerId, running },
      );
    }
    try {
      await this.renew();
    } catch (error) {
      observer.log.error("the lease could not be renewed; it is tried again", { workerId, error });
      observer.emit({ type: "leaseRenewed", workerId, success: false });
    }
    this.#beatLater();
  }

  /** After so long. In between it is seen whether one of its neighbours is gone. */
  #lookLater(afterMs = this.#lookInterval()): void {
    if (this.#stopped) return;
    const stepMs = this.#neighbours.length > 0 ? Math.min(neighbourLookMs, afterMs) : afterMs;
    this.#endLooking();
    this.#endLooking = this.#deps.clock.schedule(stepMs, () => {
      const isTime = stepMs === afterMs || this.#neighbours.some((one) => isGone(one, this.#self));
      if (isTime) void this.lookAfterOthers();
      else this.#lookLater(afterMs - stepMs);
    });
  }

  #lookInterval(): number {
    return Math.min(maxLookMs, this.#options.leaseDurationMs / looksPerLease);
  }

  /** Buries sessions that have died, and ends what has passed its deadline without having begun. By L2. */
  async lookAfterOthers(): Promise<void> {
    try {
      const sessions = await this.#deps.store.sessions();
      const now = monotonicMs();
      const gap = now - this.#lastLook > 2 * this.#lookInterval();
      this.#lastLook = now;
      const others = sessions.filter(({ state, key }) => state === "live" && key !== this.#key);
      for (const session of others) {
        if (this.#isDead(session, now, gap)) await this.#bury(session);
      }
      this.#neighbours = others
        .map((session) => identityOf(session))
        .filter((one) => isNeighbour(one, this.#self) && !isGone(one, this.#self));
    } catch (error) {
      this.#lastLook = -Infinity; // a look that failed is a gap
      this.#deps.observer.log.warn(
        "the other workers could not be looked after; it is tried again",
        { error },
      );
    }
    this.#lookLater();
  }

  #isDead(session: SessionRow, now: number, gap: boolean): boolean {
    if (isGone(identityOf(session), this.#self)) return true;
    const sighting = this.#seen.get(session.key);
    if (sighting === undefined || gap || sighting.beat !== session.beat) {
      this.#seen.set(session.key, { beat: session.beat, since: now });
      return false;
    }
    return now - sighting.since > session.leaseMs;
  }

  async #bury(session: SessionRow): Promise<void> {
    this.#seen.delete(session.key);
    failpoint("reap.before-submit");
    const { key, beat } = session;
    const { released, lives } = await this.#deps.committer.submit("reap", {
      session: key,
      died: true,
      beat,
    });
    failpoint("reap.after-commit");
    if (lives === true) return;
    this.#deps.observer.log.warn(
      `worker "${session.name}" (${session.host}, process ${session.pid}) is gone; what it held goes on elsewhere`,
      {
        session: session.id,
        released,
      },
    );
  }
}

function identityOf(session: SessionRow): ProcessIdentity {
  return JSON.parse(session.process) as ProcessIdentity;
}

function nothing(): void {
  // no timer is set
}
