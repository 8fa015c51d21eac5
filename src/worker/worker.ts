/**
 * A worker: one session, what it holds, and what keeps it going.
 *
 *   V1  What is held is in `HeldWork`, and in the database under this session; nothing else runs.
 *   V2  A session that was lost loses everything at once: what runs is told, what it would store is refused anyway.
 *   V3  Draining claims nothing more, waits, tells the rest, and gives back everything before it says that it has stopped.
 *   V4  Nothing is begun once the lease may have run out, before it has been renewed: others may have done it meanwhile (I4).
 */
import type { Observer } from "../observe/observer.ts";
import { delay, monotonicMs } from "../runtime/clock.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { ForeignHints } from "../store/foreign-changes.ts";
import type { Hints } from "../store/store.ts";
import { takeActive } from "./context.ts";
import type { WorkerDeps } from "./deps.ts";
import { HeldCheck } from "./held-check.ts";
import { HeldWork } from "./held-work.ts";
import { Intake } from "./intake.ts";
import { Maintenance } from "./maintenance.ts";
import { PatientCommitter } from "./patient-committer.ts";
import type { RunHost } from "./run-host.ts";
import type { ResolvedServeOptions } from "./serve-options.ts";
import { Session } from "./session.ts";
import { Slots } from "./slots.ts";
import { StepRunner } from "./step-runner.ts";
import { guardUnhandledRejections } from "./unhandled-rejections.ts";

/** How long attempts may take to answer after a drain has told them. */
const drainGraceMs = 1_000;
const quietLookMs = 10;

export class Worker {
  readonly stopped: Promise<void>;
  readonly #deps: WorkerDeps;
  /** For what concerns the whole process. */
  readonly #observer: Observer;
  readonly #options: ResolvedServeOptions;
  readonly #session: Session;
  readonly #maintenance: Maintenance;
  readonly #committer: PatientCommitter;
  readonly #intake: Intake;
  readonly #held: HeldWork;
  readonly #heldCheck: HeldCheck;
  readonly #ending = new AbortController();
  #unsubscribe: (() => void)[] = [];
  #markStopped: () => void = nothing;
  #state: "new" | "ready" | "draining" | "stopped" = "new";
  #losing: Promise<void> | undefined;

  constructor(connection: WorkerDeps, options: ResolvedServeOptions) {
    const deps = { ...connection, observer: connection.observer.forWorker(options.workerId) };
    this.#observer = connection.observer;
    this.#deps = deps;
    this.#options = options;
    this.#session = new Session(
      deps,
      options,
      () => this.#sessionLost(),
      () => activeNames(),
    );
    this.#committer = new PatientCommitter(deps, options.workerId, this.#ending.signal);
    const host = this.#makeHost();
    const claimMore = (): void => this.#intake.wake();
    this.#maintenance = new Maintenance(deps, options, host.session, (letter) =>
      host.steps.deadLettered(letter),
    );
    this.#held = new HeldWork(host, options.maxCachedWorkflows, claimMore, (execution) =>
      this.#intake.handSlot(execution),
    );
    const isAnyComing = (): boolean => this.#intake.coming > 0;
    this.#heldCheck = new HeldCheck(host, this.#held, claimMore, isAnyComing);
    this.#intake = new Intake(host, this.#held, options, () => this.#losing);
    this.stopped = new Promise((resolve) => {
      this.#markStopped = resolve;
    });
  }

  /** For a client of the same process, which hands over new executions in the commit that stores them. */
  get adopter(): Pick<Intake, "reserve" | "adopted" | "forgo"> {
    return this.#intake;
  }

  /** It has a session whose lease has not run out. */
  get sessionLive(): boolean {
    const registered = this.#state === "ready" || this.#state === "draining";
    return registered && this.#losing === undefined && this.#session.leaseHolds;
  }

  /** Registers, buries the dead of this machine, and begins to claim. @throws DatabaseError */
  async start(): Promise<void> {
    const { lifecycle } = this.#options;
    try {
      await this.#session.register();
      await this.#session.lookAfterOthers();
    } catch (error) {
      lifecycle.toStopped(error instanceof Error ? error : new Error(String(error)));
      this.#markStopped();
      throw error;
    }
    this.#state = "ready";
    this.#unsubscribe = [
      guardUnhandledRejections(this.#observer),
      this.#deps.hints.on((hints) => this.#hinted(hints)),
      this.#deps.foreign.on((hints) => this.#hintedFromElsewhere(hints)),
    ];
    this.#session.start();
    this.#maintenance.start();
    this.#heldCheck.start();
    this.#intake.wake();
    lifecycle.toReady();
    lifecycle.onDrain(() => this.drain());
  }

  /** Begins to drain. */
  drain(): void {
    if (this.#state !== "ready") return;
    this.#state = "draining";
    failpoint("drain.begun");
    this.#intake.stop();
    void this.#drain();
  }

  /** Leaves at once: what runs is given up, and goes on elsewhere. */
  async leave(): Promise<void> {
    if (this.#state === "stopped" || this.#state === "new") return;
    this.#state = "stopped";
    this.#intake.stop();
    this.#maintenance.stop();
    this.#heldCheck.stop();
    this.#ending.abort();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    try {
      await this.#session.leave();
    } catch (error) {
      this.#deps.observer.log.warn(
        "the session could not be ended; others will find it dead when its lease is over",
        { error },
      );
    }
    this.#held.lose();
    this.#options.lifecycle.toStopped();
    this.#markStopped();
  }

  async #drain(): Promise<void> {
    // A claim that has been answered is taken up within this turn of the event loop.
    await new Promise((done) => {
      setImmediate(done);
    });
    await this.#quiet(this.#options.drainTimeoutMs);
    this.#held.drain();
    await this.#quiet(drainGraceMs);
    await this.leave();
  }

  /** Waits until nothing is held any more nor on its way, or the time is up. */
  async #quiet(timeoutMs: number): Promise<void> {
    const endAt = monotonicMs() + timeoutMs;
    while (
      this.#intake.coming + this.#held.size > 0 &&
      monotonicMs() < endAt &&
      this.#state === "draining"
    ) {
      await delay(
        this.#deps.clock,
        Math.min(quietLookMs, Math.max(1, endAt - monotonicMs())),
        this.#ending.signal,
      );
    }
  }

  // ── what runs need ──

  #makeHost(): RunHost {
    const { workerId, maxClaims, cancelGraceMs, maxConcurrency } = this.#options;
    return {
      deps: this.#deps,
      steps: new StepRunner(this.#deps, workerId),
      slots: new Slots(maxConcurrency, () => this.#intake.slotFreed()),
      workerId,
      maxClaims,
      cancelGraceMs,
      session: () => this.#session.key,
      serves: (lane) => this.#intake.accepts({ ...lane }),
      takeEagerly: (lane, places, inSlice) => this.#intake.takeEagerly(lane, places, inSlice),
      isReady: () => this.#state === "ready",
      leaseHolds: () => this.#state !== "stopped" && this.#session.leaseHolds,
      renewed: () => this.#renewed(),
      tasksTaken: (tasks) => {
        for (const task of tasks) this.#held.beginTask(task);
      },
      runOver: (key) => this.#held.forget(key),
      runContinued: (continued) => this.#held.continue(continued),
      runParked: (key, dueAt) => {
        if (dueAt !== undefined) this.#intake.noteDue(dueAt);
        this.#held.park(key);
      },
      sessionLost: () => this.#sessionLost(),
      store: (kind, request, answered, failed) =>
        this.#committer.hand(kind, request, answered, failed),
      storing: (act) => this.#committer.insist(act),
    };
  }

  // ── losing the session ──

  /**
   * This process was held up for longer than its lease: finds out whether the session is still its own. An answer that was itself held up for
   * so long says nothing of now.
   */
  async #renewed(): Promise<boolean> {
    for (;;) {
      const alive = await this.#committer.insist(() => this.#session.renew());
      if (alive !== true || this.#state === "stopped") return false;
      if (this.#session.leaseHolds) return true;
    }
  }

  /** By V2. */
  #sessionLost(): void {
    if (this.#losing !== undefined || this.#state === "stopped" || this.#state === "new") return;
    this.#deps.observer.log.error(
      "this worker's session was found dead by the others (was the process stopped, or its event loop blocked?); what it held goes on elsewhere, and it registers anew",
      { workerId: this.#options.workerId, running: activeNames() },
    );
    const former = this.#session.key;
    this.#held.lose();
    this.#losing = this.#registerAnew(former).finally(() => {
      this.#losing = undefined;
      this.#intake.wake();
    });
  }

  async #registerAnew(former: number): Promise<void> {
    await this.#committer.insist(() => this.#session.register(former));
  }

  // ── hints ──

  #hinted({ woken, stopped, ready }: Omit<Hints, "ended">): void {
    for (const key of woken) this.#held.wake(key);
    for (const key of stopped) this.#held.stopTask(key);
    if (ready) this.#intake.wake();
  }

  #hintedFromElsewhere({ ready, woken, stopped }: ForeignHints): void {
    if (ready) this.#intake.hint();
    if (woken === "any" || stopped === "any") return this.#heldCheck.soon();
    this.#hinted({ woken, stopped, ready: false });
  }
}

function activeNames(): string {
  return takeActive().join(", ") || "no activity";
}

function nothing(): void {
  // nobody waits yet
}
