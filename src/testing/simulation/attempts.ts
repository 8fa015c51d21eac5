import { bodyOf, isRemote } from "../../core/define.ts";
import type { AnyDurable } from "../../core/durable.ts";
import { DeadlockError } from "../../core/errors.ts";
import type { Payload, PayloadCodec } from "../../core/payload.ts";
import { storedResultPlace } from "../../core/places.ts";
import type { Place } from "../../core/serializer.ts";
import type { AttemptPolicy } from "../../core/step-options.ts";
import type { Logger } from "../../observe/events.ts";

import { keptFor } from "../../worker/kept-result.ts";
import { startAttempt, type Attempt, type AttemptOutcome } from "../../worker/perform.ts";
import { failed, judge, type Verdict } from "../../worker/verdict.ts";
import { argsOf } from "./entry-codec.ts";
import type { Leaving } from "./gate-keeper.ts";
import type { SimulationHost, Work } from "./host.ts";

/** A step that is tried until it has an outcome. */
export interface TriedStep {
  readonly fn: AnyDurable;
  readonly executionId: string;
  readonly taskId: string;
  readonly input: Payload;
  /** Where its arguments were encoded … */
  readonly inputPlace: Place;
  /** … and where its outcome is. */
  readonly place: Place;
  readonly policy: AttemptPolicy;
  readonly gates: string | undefined;
  readonly priority: number;
  /** Whose step it is. */
  readonly execution: number;
}

/** How a step ended, with its attempts. */
export interface Tried {
  readonly verdict: Exclude<Verdict, { kind: "again" }>;
  readonly attempt: number;
  readonly failures: number;
  readonly startedAt: number;
}

/** Tries one activity as a worker does: under its policy, with its context, its timeouts by the virtual clock. */
export class Trying implements Work {
  readonly #world: SimulationHost;
  readonly #step: TriedStep;
  readonly #ended: (tried: Tried) => void;
  #attempt = 0;
  #failures = 0;
  #lastHeartbeat: unknown;
  #running: Attempt | undefined;
  #endWait: (() => void) | undefined;
  /** Nobody wants another attempt. */
  #told = false;
  #withdrawn = false;
  #repeated = false;
  /** By what the gates know it. */
  #holder: number | undefined;

  constructor(world: SimulationHost, step: TriedStep, ended: (tried: Tried) => void) {
    this.#world = world;
    this.#step = step;
    this.#ended = ended;
  }

  /** An attempt is under way; not so between two. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Begins an attempt, as soon as its gates are open. */
  begin(): void {
    const { gates, execution, priority, place } = this.#step;
    const { codec } = this.#world;
    this.#endWait = undefined;
    if (gates === undefined) return this.#start();
    const holder = (this.#holder ??= this.#world.gates.addTask(() => this.begin()));
    const entrance = this.#world.gates.enter({ holder, execution, gates, priority });
    if (entrance === "open") this.#start();
    else if (typeof entrance === "string") return;
    else if (entrance.stored === undefined)
      this.#endUntried(() => failed(codec, place, new DeadlockError(entrance.deadlock)));
    else {
      const { name, value } = entrance.stored;
      this.#endUntried(() => judged(codec, place, codec.decode(value, storedResultPlace(name))));
    }
  }

  #start(): void {
    const { fn, executionId, taskId, input, inputPlace, policy } = this.#step;
    const { clock, codec } = this.#world;
    this.#attempt += 1;
    const args = argsOf(codec.decode(input, inputPlace));
    this.#world.begun();
    this.#running = startAttempt(
      {
        executionId,
        taskId,
        idempotencyKey: taskId,
        functionName: fn.functionName,
        attempt: this.#attempt,
        lastHeartbeat: this.#lastHeartbeat,
        run: this.#body(fn),
        args,
        timeoutMs: policy.timeoutMs,
        heartbeatTimeoutMs: policy.heartbeatTimeoutMs,
        logger: silent,
        clock,
      },
      (outcome, attempt) => this.#over(outcome, attempt),
    );
  }

  /** Its outcome is still waited for. */
  tell(reason: Error): void {
    this.#told = true;
    this.#running?.abort(reason);
  }

  /** Nobody waits for it any more. */
  withdraw(reason: Error): void {
    this.#withdrawn = true;
    this.#endWait?.();
    const running = this.#running;
    running?.abort(reason);
    running?.abandon(reason);
    if (running === undefined) this.#leave("over");
  }

  /** It has an outcome without an attempt: that of another run, or that it can never begin. */
  #endUntried(verdict: () => Tried["verdict"]): void {
    const at = this.#world.clock.now();
    this.#world.begun();
    void Promise.resolve().then(() => {
      this.#world.over();
      this.#leave("over");
      if (this.#withdrawn) return;
      this.#ended({ verdict: verdict(), attempt: 0, failures: this.#failures, startedAt: at });
    });
  }

  #leave(how: Leaving): void {
    if (this.#holder !== undefined) this.#world.gates.leave(this.#holder, how);
  }

  #body(fn: AnyDurable): (...args: readonly unknown[]) => unknown {
    const mocked = this.#world.mocks.get(fn.functionName);
    if (mocked !== undefined) return (...args) => mocked(...args);
    if (fn.kind === "activity" && !isRemote(fn)) return bodyOf(fn);
    return () => {
      throw new Error(
        `the code of ${fn.kind} "${fn.functionName}" is elsewhere; give it a stand-in: mocks: [mock(${fn.functionName}, …)]`,
      );
    };
  }

  #over(outcome: AttemptOutcome, attempt: Attempt): void {
    this.#running = undefined;
    this.#lastHeartbeat = attempt.lastDetails ?? this.#lastHeartbeat;
    this.#world.over();
    if (this.#withdrawn) return this.#leave("over");
    const { policy, place, gates } = this.#step;
    const { codec, chance } = this.#world;
    // As after the loss of a worker whose attempt had ended and was not stored. What may be started once only is not begun again.
    if (outcome.ok && this.#mayRepeat(policy)) {
      this.#repeated = true;
      return this.#again(0);
    }
    const counting = {
      policy,
      failures: this.#failures,
      random: chance.next(),
      final: this.#told,
    };
    const verdict = judge(codec, place, outcome, counting);
    if (verdict.kind !== "completed") this.#failures += 1;
    if (verdict.kind === "again") return this.#again(verdict.delayMs);
    this.#leave(
      verdict.kind === "failed" ? "over" : { stored: keptFor(codec, gates, verdict.value) },
    );
    this.#ended({
      verdict,
      attempt: this.#attempt,
      failures: this.#failures,
      startedAt: attempt.startedAt,
    });
  }

  #mayRepeat({ retry }: AttemptPolicy): boolean {
    return !this.#repeated && retry.maxAttempts !== 1 && this.#world.completesAgain();
  }

  #again(delayMs: number): void {
    this.#leave("again");
    this.#endWait = this.#world.clock.schedule(delayMs, () => this.begin());
  }
}

/** What stands for the step's own outcome. */
function judged(codec: PayloadCodec, place: Place, value: unknown): Tried["verdict"] {
  const { payload, value: own } = codec.roundTrip(value, place, "result");
  return { kind: "completed", payload, value: own, records: undefined };
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
