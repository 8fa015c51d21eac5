import type { ClaimAnswer } from "../store/store.ts";

/** What claiming needs of its worker. */
export interface ClaimHost {
  /** Looks and takes. Undefined: it could not be done now. */
  readonly claim: () => Promise<ClaimAnswer | undefined>;
  readonly taken: (answer: ClaimAnswer) => void;
  readonly now: () => number;
  readonly schedule: (afterMs: number, fn: () => void) => () => void;
  readonly polling: { readonly minMs: number; readonly maxMs: number; readonly factor: number };
}

/** How far polls are spread, so that workers that started together do not poll together. */
const spread = 0.2;

/** How long a look that another process brought about in vain puts off the next such look: twice as long each time. */
const vainPause = { firstMs: 4, maxMs: 32 } as const;

/** Claims when something wakes it, when the next thing is due, and now and then in any case: polling is the truth, hints are faster. */
export class Claimer {
  readonly #host: ClaimHost;
  #idleMs: number;
  #endTimer: () => void = nothing;
  #timerAt = Infinity;
  /** The earliest time noted since the last look. */
  #noted = Infinity;
  #busy = false;
  #again = false;
  #stopped = false;
  /** Another process has brought the next look about. */
  #hinted = false;
  #vainPauseMs = 0;
  #restUntil = -Infinity;

  constructor(host: ClaimHost) {
    this.#host = host;
    this.#idleMs = host.polling.minMs;
  }

  /** There may be something to take. */
  wake(): void {
    if (this.#stopped) return;
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    this.#endTimer();
    void this.#work();
  }

  /** Another process says that there may be something. What that one does without a pause for others must not make this one look without a pause. */
  hint(): void {
    if (this.#stopped) return;
    this.#hinted = true;
    if (this.#busy) return; // looked for when the look under way is over
    if (this.#host.now() < this.#restUntil) this.noteDue(this.#restUntil);
    else this.wake();
  }

  /** Something that it may take becomes due then. */
  noteDue(at: number): void {
    this.#noted = Math.min(this.#noted, at);
    if (!this.#stopped && !this.#busy && at < this.#timerAt) this.#setTimer(at);
  }

  stop(): void {
    this.#stopped = true;
    this.#endTimer();
  }

  async #work(): Promise<void> {
    let nextDueAt: number | undefined;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      this.#noted = Infinity;
      const hinted = this.#hinted;
      this.#hinted = false;
      const answer = await this.#host.claim();
      if (answer === undefined) break;
      nextDueAt = answer.nextDueAt;
      const found = answer.executions.length + answer.tasks.length > 0;
      this.#idleMs = found
        ? this.#host.polling.minMs
        : Math.min(this.#host.polling.maxMs, this.#idleMs * this.#host.polling.factor);
      this.#rest(hinted && !found);
      this.#host.taken(answer); // also when nothing was: a place may have become free while the claim was on its way
    }
    this.#busy = false;
    if (this.#again) this.wake();
    else if (!this.#stopped) this.#waitUntil(nextDueAt);
  }

  #rest(inVain: boolean): void {
    const { firstMs, maxMs } = vainPause;
    if (inVain) this.#vainPauseMs = Math.min(maxMs, Math.max(firstMs, 2 * this.#vainPauseMs));
    else this.#vainPauseMs = 0;
    this.#restUntil = this.#host.now() + this.#vainPauseMs;
  }

  #waitUntil(nextDueAt: number | undefined): void {
    const poll = this.#idleMs * (1 - spread + 2 * spread * Math.random());
    const hintAt = this.#hinted ? this.#restUntil : Infinity;
    this.#setTimer(Math.min(this.#host.now() + poll, nextDueAt ?? Infinity, this.#noted, hintAt));
  }

  #setTimer(at: number): void {
    this.#endTimer();
    this.#timerAt = at;
    this.#endTimer = this.#host.schedule(Math.max(0, at - this.#host.now()), () => this.wake());
  }
}

function nothing(): void {
  // no timer is set
}
