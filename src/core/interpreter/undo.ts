/**
 * Undo steps: what a workflow registers with `compensate`, and what of it runs.
 *
 *   U1  They belong to the execution: closing the branch that registered one leaves it on the stack. They run when a run has failed or
 *       was closed, one at a time, newest first over all branches, at the paths undo.<n> by the order in which they were registered.
 *   U2  Nothing interrupts them. One that fails is told, and the others run all the same.
 *   U3  Nothing of them is in the journal before they run: a replay registers the same ones again.
 */
import type { Branch } from "../effects/effect.ts";
import type { Closing, Forked, ForkOwner, Node, Parent, Settlement } from "./node.ts";
import { failed } from "./refusals.ts";

/** How something is undone. */
export type Undo = Branch<unknown> | (() => unknown);

/** What undo steps need of the coroutine. */
export interface UndoHost {
  /** Why the execution is being closed, if it is. */
  readonly closing: Closing | undefined;
  /** The node of a step. @throws what its function throws; TypeError for what is no branch */
  undoing(undo: Undo, path: string, parent: Parent): Node;
  /** A step has failed for good. */
  undoFailed(path: string, error: unknown): void;
  /** All have run. */
  undone(): void;
}

/** The stack of one run. */
export class UndoStack implements Parent {
  readonly #host: UndoHost;
  readonly #steps: { readonly undo: Undo; readonly aside: boolean }[] = [];
  /** Of the step that runs. */
  #path = "";
  #aside = false;

  constructor(host: UndoHost) {
    this.#host = host;
  }

  /** What an undo step learns by `cancelled()`. It is not interrupted by it. */
  get closing(): Closing | undefined {
    return this.#host.closing;
  }

  /** Every step is a generator, to which its forks belong. */
  get owner(): ForkOwner {
    return nobody;
  }

  get aside(): boolean {
    return this.#aside;
  }

  /** `aside`: a middleware has registered it. */
  push(undo: Undo, aside: boolean): void {
    this.#steps.push({ undo, aside });
  }

  /** Runs them. The host is told when all have run, and not before this returns. @returns true if they have run already */
  run(): boolean {
    for (let number = this.#steps.length; number > 0; number = this.#steps.length) {
      const step = this.#steps.pop();
      if (step === undefined) break;
      this.#path = `undo.${number}`;
      this.#aside = step.aside;
      const how = this.#begin(step.undo);
      if (how === undefined) return false;
      this.#note(how);
    }
    return true;
  }

  settled(_step: Node, how: Settlement): void {
    this.#goOn(how);
  }

  /** The step that runs cannot be made to end. */
  giveUp(error: unknown): void {
    this.#goOn(failed(error));
  }

  #goOn(how: Settlement): void {
    this.#note(how);
    if (this.run()) this.#host.undone();
  }

  #begin(undo: Undo): Settlement | undefined {
    let node: Node;
    try {
      node = this.#host.undoing(undo, this.#path, this);
    } catch (error) {
      return failed(error);
    }
    return node.begin();
  }

  #note(how: Settlement): void {
    if (how.kind === "error") this.#host.undoFailed(this.#path, how.error);
  }
}

const nobody: ForkOwner = {
  forked(_fork: Forked): void {
    throw new Error("a fork belongs to the step that starts it");
  },
  forkEnded(): void {
    // none is started
  },
  forkTold(): void {
    // none is started
  },
};
