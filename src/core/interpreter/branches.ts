import { CancelledError } from "../errors.ts";
import { addErrors } from "./closing-errors.ts";
import type { Closing, Node, Parent, Settlement } from "./node.ts";
import { Part } from "./part.ts";

/** How a branch ended that was not closed. */
type Unclosed = Exclude<Settlement, { kind: "closed" }>;

/** What composites need of the coroutine: a node for each branch. */
export interface BranchMaker {
  /** @returns the node of a branch, not begun yet. @throws TypeError for what is no branch. */
  branch(index: number, parent: Parent): Node;
}

/**
 * Branches that run at the same time. What their settling means is the subclass's: it may end the composite early, by closing the
 * others; it ends when all of them have settled.
 */
abstract class Branches implements Node {
  protected readonly count: number;
  protected readonly errors: unknown[] = [];
  readonly #maker: BranchMaker;
  readonly #parent: Parent;
  readonly #running = new Map<number, Node>();
  #closing: Closing | undefined;
  /** No branch is begun any more, and those that run have been closed. */
  #over = false;
  #beginning = false;
  #closedOne = false;

  constructor(count: number, maker: BranchMaker, parent: Parent) {
    this.count = count;
    this.#maker = maker;
    this.#parent = parent;
  }

  begin(): Settlement | undefined {
    this.#beginning = true;
    for (let index = 0; index < this.count && !this.#over; index += 1) {
      const node = this.#maker.branch(index, new Slot(this, index, this.#parent));
      this.#running.set(index, node);
      const how = node.begin();
      if (how !== undefined) this.#absorb(index, how);
    }
    this.#beginning = false;
    return this.#conclusion();
  }

  close(closing: Closing): Settlement | undefined {
    if (this.#closing !== undefined) return undefined;
    this.#closing = closing;
    this.#closeRunning(closing);
    return this.#conclusion();
  }

  /** Called by a slot: a branch has settled later. */
  branchSettled(index: number, how: Settlement): void {
    this.#absorb(index, how);
    const conclusion = this.#conclusion();
    if (conclusion !== undefined) this.#parent.settled(this, conclusion);
  }

  get closing(): Closing | undefined {
    return this.#closing;
  }

  /** A branch has a value or an error. @returns why the others are to be closed, if they are. */
  protected abstract take(index: number, how: Unclosed): Closing | undefined;
  /** All branches have settled. `complete`: none was closed. */
  protected abstract conclude(complete: boolean): Settlement;

  #absorb(index: number, how: Settlement): void {
    this.#running.delete(index);
    if (how.kind === "closed") {
      this.#closedOne = true;
      for (const error of how.errors ?? []) this.errors.push(error);
      return;
    }
    if (this.#over && how.kind === "error") {
      this.errors.push(how.error);
      return;
    }
    const closing = this.take(index, how);
    if (closing === undefined || this.#over) return;
    this.#over = true;
    this.#closeRunning(closing);
  }

  #closeRunning(closing: Closing): void {
    for (const [index, node] of this.#running) {
      const how = node.close(closing);
      if (how !== undefined) this.#absorb(index, how);
    }
  }

  #conclusion(): Settlement | undefined {
    if (this.#running.size > 0 || this.#beginning) return undefined;
    return this.conclude(!this.#closedOne);
  }
}

/** Why siblings and losers are closed; nothing that runs is waited for. The error is only made for who asks. */
export class Abandoned implements Closing {
  readonly awaited = undefined;
  readonly #text: string;
  #reason: CancelledError | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  get reason(): CancelledError {
    this.#reason ??= new CancelledError(this.#text);
    return this.#reason;
  }
}

/** Takes errors that nobody can catch any more. */
export type Log = (errors: readonly unknown[]) => void;

/** The place of one branch in its composite. */
class Slot extends Part {
  readonly #branches: Branches;
  readonly #index: number;

  constructor(branches: Branches, index: number, around: Parent) {
    super(around);
    this.#branches = branches;
    this.#index = index;
  }

  override get closing(): Closing | undefined {
    return this.#branches.closing ?? super.closing;
  }

  settled(_child: Node, how: Settlement): void {
    this.#branches.branchSettled(this.#index, how);
  }
}

/** `all`: every value, or the first error once the others are closed. */
export class All extends Branches {
  readonly #keys: readonly string[] | undefined;
  readonly #values: unknown[];
  readonly #log: Log;
  #failure: Extract<Settlement, { kind: "error" }> | undefined;

  constructor(
    count: number,
    keys: readonly string[] | undefined,
    maker: BranchMaker,
    parent: Parent,
    log: Log,
  ) {
    super(count, maker, parent);
    this.#keys = keys;
    this.#values = Array.from({ length: count });
    this.#log = log;
  }

  protected take(index: number, how: Unclosed): Closing | undefined {
    if (how.kind === "value") {
      this.#values[index] = how.value;
      return undefined;
    }
    this.#failure = how;
    return new Abandoned("a sibling branch failed");
  }

  protected conclude(complete: boolean): Settlement {
    if (this.#failure !== undefined) {
      if (!addErrors(this.#failure.error, this.errors)) this.#log(this.errors);
      return this.#failure;
    }
    if (!complete) return { kind: "closed", errors: this.errors };
    return {
      kind: "value",
      value: this.#keys === undefined ? this.#values : named(this.#keys, this.#values),
    };
  }
}

/** `allSettled`: how each branch ended. */
export class AllSettled extends Branches {
  readonly #results: PromiseSettledResult<unknown>[];

  constructor(count: number, maker: BranchMaker, parent: Parent) {
    super(count, maker, parent);
    this.#results = Array.from({ length: count });
  }

  protected take(index: number, how: Unclosed): undefined {
    this.#results[index] =
      how.kind === "value"
        ? { status: "fulfilled", value: how.value }
        : { status: "rejected", reason: how.error };
  }

  protected conclude(complete: boolean): Settlement {
    return complete
      ? { kind: "value", value: this.#results }
      : { kind: "closed", errors: this.errors };
  }
}

/** `race`: the first branch to settle, once the others are closed. */
export class Race extends Branches {
  readonly #keys: readonly string[];
  readonly #decided: (winner: string) => void;
  readonly #log: Log;
  #winner: { readonly key: string; readonly how: Settlement } | undefined;

  constructor(
    keys: readonly string[],
    maker: BranchMaker,
    parent: Parent,
    options: { decided: (winner: string) => void; log: Log },
  ) {
    super(keys.length, maker, parent);
    this.#keys = keys;
    this.#decided = options.decided;
    this.#log = options.log;
  }

  protected take(index: number, how: Unclosed): Closing | undefined {
    if (this.#winner !== undefined) return undefined;
    const key = this.#keys[index] ?? String(index);
    this.#winner = { key, how };
    this.#decided(key);
    return new Abandoned("another branch won the race");
  }

  protected conclude(): Settlement {
    const winner = this.#winner;
    if (winner === undefined) return { kind: "closed", errors: this.errors };
    if (this.errors.length > 0) this.#log(this.errors);
    return winner.how.kind === "value"
      ? { kind: "value", value: { winner: winner.key, value: winner.how.value } }
      : winner.how;
  }
}

function named(keys: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const entries = keys.map((key, index): [string, unknown] => [key, values[index]]);
  return Object.fromEntries(entries);
}
