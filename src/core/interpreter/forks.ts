/**
 * Forks: branches that a frame starts and does not wait for at once.
 *
 *   F1  A fork belongs to the frame that started it: that one ends only after its forks have, and closes them when it fails or is closed.
 *   F2  How a fork ended is told through `later`, when no generator runs: whoever is told may close any part of the workflow.
 *   F3  A failure is thrown where the fork is joined; one that nobody was given fails its owner, once that has returned.
 */
import { CancelledError, type DeadlockError } from "../errors.ts";
import { Abandoned } from "./branches.ts";
import {
  closed,
  type Closing,
  type Forked,
  type ForkOwner,
  nothing,
  type Node,
  type Parent,
  type Settlement,
} from "./node.ts";
import { failed } from "./refusals.ts";

/** What a fork needs of the coroutine. */
export interface ForkHost {
  /** Does something once no generator runs, in the order in which it was asked for. */
  later(act: () => void): void;
  /** Forks are waited for; who waits is asked to give up if the workflow waits for nothing else. */
  readonly forkWaits: Set<ForkWait>;
}

/** One wait for a fork. */
export interface ForkWait {
  giveUp(error: DeadlockError): void;
}

/** One forked branch. */
export class Fork implements Parent, Forked {
  readonly id: string;
  readonly #host: ForkHost;
  readonly owner: ForkOwner;
  readonly aside: boolean;
  #node: Node | undefined;
  #closing: Closing | undefined;
  #how: Settlement | undefined;
  #waiters: Set<Waiter> | undefined;
  #told = false;

  constructor(id: string, host: ForkHost, owner: ForkOwner, aside: boolean) {
    this.id = id;
    this.aside = aside;
    this.#host = host;
    this.owner = owner;
  }

  /** Why it is being closed. What closes its owner closes it too, but for one that a `finally` block has started. */
  get closing(): Closing | undefined {
    return this.#closing;
  }

  /** How it ended; undefined while it goes on. */
  get how(): Settlement | undefined {
    return this.#how;
  }

  /** By F3: its failure has been given to somebody. */
  get told(): boolean {
    return this.#told;
  }

  /** True for an effect that stands in it, by the effect's path. */
  contains(path: string): boolean {
    return path.startsWith(`${this.id}.`);
  }

  begin(node: Node): void {
    this.#node = node;
    const how = node.begin();
    if (how !== undefined) this.#end(how);
  }

  close(closing: Closing): void {
    if (this.#closing !== undefined || this.#how !== undefined) return;
    this.#closing = closing;
    const how = this.#node?.close(closing);
    if (how !== undefined) this.#end(how);
  }

  settled(_node: Node, how: Settlement): void {
    this.#end(how);
  }

  wait(waiter: Waiter): void {
    this.#waiters ??= new Set();
    this.#waiters.add(waiter);
  }

  leave(waiter: Waiter): void {
    this.#waiters?.delete(waiter);
  }

  /** What a join gives. */
  result(): Settlement {
    this.#told = true;
    if (this.#how?.kind !== "closed") return this.#how ?? closed;
    const reason = this.#closing?.reason;
    return failed(reason instanceof CancelledError ? reason : new CancelledError());
  }

  /** By F2. */
  #end(how: Settlement): void {
    this.#how = how;
    this.#node = undefined;
    this.owner.forkEnded(this);
    this.#host.later(() => {
      for (const waiter of this.#waiters ?? []) waiter.tell();
      this.#waiters = undefined;
      this.owner.forkTold();
    });
  }
}

/** Who waits for the end of a fork. */
interface Waiter {
  tell(): void;
}

/** An effect that waits for a fork. */
abstract class Wait implements Node, Waiter, ForkWait {
  protected readonly fork: Fork;
  protected readonly host: ForkHost;
  readonly #parent: Parent;

  constructor(fork: Fork, parent: Parent, host: ForkHost) {
    this.fork = fork;
    this.host = host;
    this.#parent = parent;
  }

  abstract begin(): Settlement | undefined;
  /** What the effect gives once the fork has ended. */
  protected abstract result(): Settlement;

  tell(): void {
    this.host.forkWaits.delete(this);
    this.#parent.settled(this, this.result());
  }

  giveUp(error: DeadlockError): void {
    this.#leave();
    this.#parent.settled(this, failed(error));
  }

  close(): Settlement {
    this.#leave();
    return closed;
  }

  protected wait(): undefined {
    this.fork.wait(this);
    this.host.forkWaits.add(this);
  }

  #leave(): void {
    this.fork.leave(this);
    this.host.forkWaits.delete(this);
  }
}

/** `join`: the fork's value or error. */
export class Join extends Wait {
  begin(): Settlement | undefined {
    return this.fork.how === undefined ? this.wait() : this.result();
  }

  protected result(): Settlement {
    return this.fork.result();
  }
}

/** `cancel`: closes the fork and waits until it is closed, unless it is being closed already. */
export class CancelFork extends Wait {
  begin(): Settlement | undefined {
    if (this.fork.how !== undefined || this.fork.closing !== undefined) return nothing;
    closeLater(this.fork, this.host);
    return this.wait();
  }

  protected result(): Settlement {
    return nothing;
  }
}

/** By F2: the fork, or what closing it closes, may be running a generator now. */
export function closeLater(fork: Fork, host: ForkHost): void {
  host.later(() => fork.close(new Abandoned("the branch was cancelled")));
}
