/**
 * One connection that is kept: opened, watched, and opened again for ever, with pauses that grow.
 *
 *   K1  A connection that is silent because the network is gone is found by a probe with a time limit.
 *   K2  Pauses begin anew only after a connection has passed a probe: one that is accepted and ended at once is no success.
 *   K3  After `close` there is no timer and no connection, also of an attempt that was under way.
 */
import { delay, type Clock } from "../runtime/clock.ts";
import { pauseMs, type PausePolicy } from "./pause.ts";
import { withinTime } from "./time-limit.ts";

/** A connection as its keeper sees it. */
export interface Session {
  /** Resolves with the reason once it cannot be used any more; is never rejected. */
  readonly ended: Promise<unknown>;
  /** Asks the other end for an answer. */
  probe(): Promise<unknown>;
  /** Ends it at once, whatever state it is in. Must not throw; may be called twice. */
  end(): void;
}

/** How a connection is kept. */
export interface KeptSessionOptions<S extends Session> {
  /** Opens one; the signal says that nobody waits for it any more. */
  readonly open: (signal: AbortSignal) => Promise<S>;
  readonly onOpen: () => void;
  readonly onFailure: (error: unknown) => void;
  readonly openLimitMs: number;
  readonly probeEveryMs: number;
  readonly probeLimitMs: number;
  readonly pauses: PausePolicy;
  readonly clock: Clock;
  readonly random: () => number;
}

export class KeptSession<S extends Session> {
  readonly #options: KeptSessionOptions<S>;
  readonly #closing = new AbortController();
  #keeping: Promise<void> | undefined;
  /** Of the attempt under way, or the last one; rejected again once its connection has ended. */
  #outcome: Promise<S> | undefined;
  #isOpen = false;

  constructor(options: KeptSessionOptions<S>) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Begins to open; returns at once. Nothing happens the second time, nor after `close`. */
  start(): void {
    if (!this.#closing.signal.aborted) this.#keeping ??= this.#keep();
  }

  /** The connection, once the attempt under way has succeeded. Rejected at once while there is a pause between attempts. */
  opened(): Promise<S> {
    this.start();
    return this.#outcome ?? Promise.reject(new Error("closed"));
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("closed"));
    await this.#keeping;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    const { clock, pauses, random } = this.#options;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const opening = this.#open();
      this.#outcome = opening;
      try {
        if (await this.#use(await opening)) failures = 0; // by K2
      } catch (error) {
        this.#over(error);
      }
      await delay(clock, pauseMs(pauses, failures, random()), signal);
    }
  }

  async #open(): Promise<S> {
    const { open, openLimitMs: limitMs, clock } = this.#options;
    const { signal } = this.#closing;
    const attempt = new AbortController();
    const opening = open(attempt.signal);
    try {
      return await withinTime(opening, { clock, limitMs, what: "connecting", signal });
    } catch (error) {
      attempt.abort(error);
      void opening.then(
        (late) => late.end(), // by K3
        () => undefined,
      );
      throw error;
    }
  }

  /** @returns whether it has passed a probe. */
  async #use(session: S): Promise<boolean> {
    const over = new AbortController();
    const close = (): void => over.abort();
    const { signal } = this.#closing;
    signal.addEventListener("abort", close);
    if (signal.aborted) close();
    void session.ended.then((reason) => over.abort(reason));
    if (!signal.aborted) {
      this.#isOpen = true;
      this.#options.onOpen();
    }
    const passed = await this.#watch(session, over);
    signal.removeEventListener("abort", close);
    session.end();
    this.#over(over.signal.reason);
    return passed > 0;
  }

  /** Probes it until it is over. @returns how often it has answered. */
  async #watch(session: S, over: AbortController): Promise<number> {
    const { clock, probeEveryMs, probeLimitMs: limitMs } = this.#options;
    const { signal } = over;
    for (let passed = 0; ; passed += 1) {
      await delay(clock, probeEveryMs, signal);
      if (signal.aborted) return passed;
      try {
        await withinTime(session.probe(), {
          clock,
          limitMs,
          what: "the answer to a probe",
          signal,
        });
      } catch (error) {
        over.abort(error); // by K1
        return passed;
      }
    }
  }

  #over(reason: unknown): void {
    this.#isOpen = false;
    this.#outcome = Promise.reject(reason);
    this.#outcome.catch(() => undefined); // for those who ask
    if (!this.#closing.signal.aborted) this.#options.onFailure(reason);
  }
}
