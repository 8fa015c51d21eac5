import { monotonicMs } from "../runtime/clock.ts";
import type {
  Hints,
  Settled,
  SettledLater,
  Store,
  TransactAnswer,
  TransactRequest,
  Transition,
  Transitions,
} from "./store.ts";

/** Most transitions in one transaction: bounds how long it takes, and what one failure repeats. */
const maxBatch = 2_000;

/** A transition, and who waits for its answer: one object, since there are many; of a class, since V8 makes literals like it in old space. */
class Handed {
  readonly kind: keyof Transitions;
  readonly request: unknown;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;

  constructor(
    kind: keyof Transitions,
    request: unknown,
    resolve: (answer: never) => void,
    reject: (error: unknown) => void,
  ) {
    this.kind = kind;
    this.request = request;
    this.resolve = resolve;
    this.reject = reject;
  }
}

type Waiting = Transition & Handed;

/** What was stored in one transaction, and how long that took. */
export interface StoredBatch {
  readonly transitions: number;
  readonly durationMs: number;
}

/** A closure that is to run in a transaction of its own, and who waits for it. */
class Closure {
  readonly request: TransactRequest;
  readonly resolve: (answer: TransactAnswer) => void;
  readonly reject: (error: unknown) => void;

  constructor(
    request: TransactRequest,
    resolve: Closure["resolve"],
    reject: (error: unknown) => void,
  ) {
    this.request = request;
    this.resolve = resolve;
    this.reject = reject;
  }
}

/**
 * Group commit: everything of this process that is to be durable goes through here. It gathers what has piled up while the last
 * transaction was written, and writes it in one.
 *
 *   K1  What has been answered is stored.
 *   K2  Transitions are written in the order in which they were handed in, but for those that wait aside for a user's transaction.
 *   K3  A commit that failed as a whole has stored nothing, and every one of its transitions is rejected.
 *   K4  A closure of the user's runs in a transaction of its own: where the store says so, beside everything else. Else between two
 *       batches, and they take turns: whatever waits is written after one closure, so thousands of them hold up no heartbeat. A transition
 *       may overtake a closure, which is fenced like one.
 */
export class Committer {
  readonly #store: Store;
  readonly #hinted: (hints: Hints) => void;
  readonly #measured: ((batch: StoredBatch) => void) | undefined;
  #waiting: Waiting[] = [];
  readonly #closures: Closure[] = [];
  #closureIsNext = false;
  /** What is on its way beside everything else. */
  readonly #aside = new Set<Promise<void>>();
  #flushing: Promise<void> | undefined;
  #scheduled = false;
  #commits = 0;

  /** `hinted` is told after each commit what others may be waiting for; `measured`, what it took. Neither may throw. */
  constructor(
    store: Store,
    hinted: (hints: Hints) => void,
    measured?: (batch: StoredBatch) => void,
  ) {
    this.#store = store;
    this.#hinted = hinted;
    this.#measured = measured;
  }

  /** How many batches have been stored. */
  get commits(): number {
    return this.#commits;
  }

  /** Stores one transition. Rejects if it alone was impossible, or if the database failed. */
  submit<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
  ): Promise<Transitions[K]["answer"]> {
    return new Promise((resolve, reject) => this.hand(kind, request, resolve, reject));
  }

  /** As `submit`, answered by a call: for what is handed in by the thousand. What `resolve` throws is handed to `reject`. */
  hand<K extends keyof Transitions>(
    kind: K,
    request: Transitions[K]["request"],
    resolve: (answer: Transitions[K]["answer"]) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#waiting.push(new Handed(kind, request, resolve, reject) as Waiting);
    this.#schedule();
  }

  /** Runs a closure in the transaction that stores its outcome. Rejects if the database failed; what the closure throws is an answer. */
  transact(request: TransactRequest): Promise<TransactAnswer> {
    return new Promise((resolve, reject) => {
      const closure = new Closure(request, resolve, reject);
      if (this.#store.closuresAside) this.#runAside(closure);
      else {
        this.#closures.push(closure);
        this.#schedule();
      }
    });
  }

  #runAside(closure: Closure): void {
    const running = this.#transact(closure).finally(() => this.#aside.delete(running));
    this.#aside.add(running);
  }

  /** Resolves when everything that was handed in so far has been answered. */
  async idle(): Promise<void> {
    for (;;) {
      if (this.#scheduled || this.#flushing !== undefined)
        await (this.#flushing ?? new Promise<void>((done) => setImmediate(done)));
      else if (this.#aside.size > 0) await Promise.all(this.#aside);
      else return;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing !== undefined) return;
    this.#scheduled = true;
    // Once an event-loop turn, and no timer: what arrives together is written together, and nothing lingers.
    setImmediate(() => {
      this.#scheduled = false;
      this.#flushing = this.#flush().finally(() => {
        this.#flushing = undefined;
        if (this.#waiting.length + this.#closures.length > 0) this.#schedule();
      });
    });
  }

  async #flush(): Promise<void> {
    const closure = this.#nextClosure();
    if (closure !== undefined) return this.#transact(closure);
    const batch =
      this.#waiting.length <= maxBatch ? this.#waiting : this.#waiting.slice(0, maxBatch);
    this.#waiting = this.#waiting.length <= maxBatch ? [] : this.#waiting.slice(maxBatch);
    const startedAt = this.#measured === undefined ? 0 : monotonicMs();
    try {
      const { settled, hints } = await this.#store.commit(batch);
      this.#commits += 1;
      const durationMs = this.#measured === undefined ? 0 : monotonicMs() - startedAt;
      batch.forEach((waiting, index) => this.#settle(waiting, settled[index]));
      this.#hinted(hints);
      this.#measured?.({ transitions: batch.length, durationMs });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }

  #settle(waiting: Waiting, settled: Settled | undefined): void {
    if (settled === undefined || !("later" in settled)) {
      settle(waiting, settled);
      return;
    }
    const settling = settled.later
      .then(
        (later) => {
          settle(waiting, later.settled);
          this.#hinted(later.hints);
        },
        (error: unknown) => waiting.reject(error),
      )
      .finally(() => this.#aside.delete(settling));
    this.#aside.add(settling);
  }

  /** By K4. */
  #nextClosure(): Closure | undefined {
    const closure =
      this.#closureIsNext || this.#waiting.length === 0 ? this.#closures.shift() : undefined;
    this.#closureIsNext = closure === undefined;
    return closure;
  }

  async #transact({ request, resolve, reject }: Closure): Promise<void> {
    try {
      resolve(await this.#store.transact(request));
    } catch (error) {
      reject(error);
    }
  }
}

function settle(waiting: Waiting, settled: SettledLater["settled"] | undefined): void {
  try {
    if (settled === undefined) waiting.reject(new Error("the store gave no answer"));
    else if ("error" in settled) waiting.reject(settled.error);
    else waiting.resolve(settled.answer as never);
  } catch (error) {
    waiting.reject(error);
  }
}
