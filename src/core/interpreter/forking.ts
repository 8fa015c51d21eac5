import type { CancelEffect, JoinEffect } from "../effects/fork.ts";
import { CancelFork, closeLater, Fork, Join, type ForkHost, type ForkWait } from "./forks.ts";
import type { Caller } from "./frame.ts";
import { nothing, type Node, type Parent, type Settlement } from "./node.ts";
import { joinsItself, noSuchTask, waitsInCircle } from "./refusals.ts";

/** The forks of one run, who waits for them, and what has to wait until no generator runs. */
export class Forking implements ForkHost {
  readonly forkWaits = new Set<ForkWait>();
  readonly #forks = new Map<string, Fork>();
  #later: (() => void)[] = [];

  later(act: () => void): void {
    this.#later.push(act);
  }

  fork(path: string, caller: Caller, branch: (parent: Parent) => Node): Settlement {
    const { owner, aside } = caller;
    const fork = new Fork(path, this, owner, aside);
    this.#forks.set(path, fork);
    owner.forked(fork);
    fork.begin(branch(fork));
    return { kind: "value", value: Object.freeze({ id: path }) };
  }

  /** `join` and `cancel`. */
  on(effect: JoinEffect | CancelEffect, path: string, caller: Caller): Node | Settlement {
    const fork = this.#forks.get(effect.task);
    if (fork === undefined) return noSuchTask(effect.kind, effect.task);
    if (effect.kind === "join") {
      return fork.contains(path) ? joinsItself() : new Join(fork, caller, this);
    }
    if (!fork.contains(path)) return new CancelFork(fork, caller, this);
    closeLater(fork, this);
    return nothing;
  }

  /** No generator runs now: does what had to wait for that. `isOver`: the run has ended; `isStuck`: it waits for nothing else. */
  settle(isOver: () => boolean, isStuck: () => boolean): void {
    do {
      while (this.#later.length > 0 && !isOver()) this.#later.shift()?.();
    } while (!isOver() && isStuck() && this.#resolveCircle());
  }

  /** The run is given up: nobody is told of an end any more. */
  forget(): void {
    this.forkWaits.clear();
    this.#later = [];
  }

  /** Branches that wait for one another's end would wait for ever: the one that closed the circle is told so. */
  #resolveCircle(): boolean {
    const last = [...this.forkWaits].at(-1);
    last?.giveUp(waitsInCircle());
    return last !== undefined;
  }
}
