import { monotonicMs } from "../runtime/clock.ts";
import { EmptyTurn } from "./empty-turn.ts";
import type { WorkerDeps } from "./deps.ts";
import type { HeldWork } from "./held-work.ts";
import type { RunHost } from "./run-host.ts";

/** How often it is looked at what is held, in case a hint was lost. */
const lookMs = 1_000;
/** Shortest pause between such looks when another process writes. */
const pauseMs = 50;
/** A forgotten execution is let go at the second look: what a claim has brought is taken up a moment after its answer. */
const looksBeforeLettingGo = 2;

type Held = Awaited<ReturnType<WorkerDeps["store"]["held"]>>;

/**
 * Hints may be lost, and hints from elsewhere may say no more than that something has happened: now and then it is looked up what the database
 * says of everything that is held. Who was woken is woken, what was cancelled is told, and what nothing here knows of is let go (V1).
 */
export class HeldCheck {
  readonly #host: RunHost;
  readonly #held: HeldWork;
  readonly #letGo: () => void;
  readonly #isAnyComing: () => boolean;
  #lastLook = 0;
  #nextLook = Infinity;
  #endTimer: () => void = nothing;
  #stopped = false;
  /** How often something was seen to be held that nothing here knows of, by key and claim. */
  #forgotten = new Map<string, number>();

  /**
   * `letGo` is told when an execution that was forgotten here has become due. `isAnyComing`: whether something was asked for, and may stand
   * under this session, whose answer is on its way. That may take seconds, where a connection broke and the answer has to be found out.
   */
  constructor(host: RunHost, held: HeldWork, letGo: () => void, isAnyComing: () => boolean) {
    this.#host = host;
    this.#held = held;
    this.#letGo = letGo;
    this.#isAnyComing = isAnyComing;
  }

  start(): void {
    this.#lookLater(lookMs);
  }

  stop(): void {
    this.#stopped = true;
    this.#endTimer();
  }

  /** Something may have happened. Many times within a pause are one look at its end. */
  soon(): void {
    const restMs = this.#lastLook + pauseMs - monotonicMs();
    if (restMs <= 0) void this.#look();
    else this.#lookLater(restMs);
  }

  #lookLater(afterMs: number): void {
    if (this.#stopped) return;
    const at = monotonicMs() + afterMs;
    if (at >= this.#nextLook) return;
    this.#endTimer();
    this.#nextLook = at;
    this.#endTimer = this.#host.deps.clock.schedule(afterMs, () => {
      this.#nextLook = Infinity;
      void this.#look().then(() => this.#lookLater(lookMs));
    });
  }

  async #look(): Promise<void> {
    const { store, observer } = this.#host.deps;
    this.#lastLook = monotonicMs();
    // What is claimed while the answer is on its way is not in it.
    const asked = this.#held.tasks();
    try {
      const held = await store.held(this.#host.session());
      this.#held.wakeChanged(new Map(held.executions.map((row) => [row.key, row])));
      const tasks = new Map(held.tasks.map((row) => [row.key, row]));
      for (const run of asked)
        if (this.#held.holdsTask(run) && tasks.get(run.task.key)?.cancelled !== false) run.stop();
      await this.#letGoOfForgotten(held.executions);
    } catch (error) {
      observer.log.warn("what is held could not be looked up; it is tried again", { error });
    }
  }

  /** By V1: what stands under this session and is in none of the maps would wait for ever. It becomes due, for whoever can take it. */
  async #letGoOfForgotten(held: Held["executions"]): Promise<void> {
    if (this.#isAnyComing()) return;
    const { deps, session } = this.#host;
    const seen = new Map<string, number>();
    for (const execution of held.filter(({ key }) => !this.#held.holds(key))) {
      const id = `${execution.key}/${execution.claim}`;
      const looks = (this.#forgotten.get(id) ?? 0) + 1;
      seen.set(id, looks);
      if (looks < looksBeforeLettingGo) continue;
      const of = { session: session(), execution, wakeSeq: execution.wakeSeq };
      const next = { kind: "park" as const, dueAt: deps.clock.now() };
      await deps.committer.submit("turn", new EmptyTurn(of, true, next));
      this.#letGo();
    }
    this.#forgotten = seen;
  }
}

function nothing(): void {
  // no timer is set
}
