import type { AllEffect, AllSettledEffect, BranchEffect, RaceEffect } from "../effects/branch.ts";
import type { ForkEffect } from "../effects/fork.ts";
import type { CompensateEffect, ShieldEffect, WithinEffect } from "../effects/scope.ts";
import { isDurable } from "../define.ts";
import { isEffect, type Branch, type Effect, type Flow } from "../effects/effect.ts";
import { All, AllSettled, Race, type BranchMaker } from "./branches.ts";
import { Frame, type Caller, type Stage } from "./frame.ts";
import type { Closing, Node, Parent, Settlement } from "./node.ts";
import { Part } from "./part.ts";
import { failed, usedTwice } from "./refusals.ts";
import type { Undo } from "./undo.ts";
import { describe, notAnEffect, silence } from "./yielded.ts";

/** An effect that runs branches of the workflow. */
export type CompositeEffect = AllEffect | AllSettledEffect | BranchEffect | RaceEffect;
/** An effect that runs one branch of the workflow. */
export type ScopeEffect = ForkEffect | ShieldEffect | WithinEffect;

/** What composites tell the coroutine. */
export interface CompositeHost {
  /** The race at a path has been decided. */
  decided(path: string, winner: string): void;
  /** Errors that nobody can catch any more. */
  leaveUnheard(errors: readonly unknown[]): void;
}

/** Makes the nodes of `all`, `allSettled`, `race`, `branch` and of undo steps, and sees that no generator runs twice. */
export class Composites {
  readonly #stage: Stage;
  readonly #host: CompositeHost;
  /** Generators that run or have run as branches. */
  readonly #used = new WeakSet<object>();

  constructor(stage: Stage, host: CompositeHost) {
    this.#stage = stage;
    this.#host = host;
  }

  /** Why an effect cannot be entered: what it was given is no branch, or runs already. */
  refuse(effect: CompositeEffect | ScopeEffect): Settlement | undefined {
    if (effect.kind === "branch") return undefined;
    const branches: readonly unknown[] = "branch" in effect ? [effect.branch] : effect.branches;
    const seen = new Set<unknown>();
    for (const branch of branches) {
      if (isEffect(branch)) continue;
      if (!isGenerator(branch)) {
        branches.forEach(silence);
        return failed(notAnEffect(branch));
      }
      if (this.#used.has(branch) || seen.has(branch)) return usedTwice(effect.kind);
      seen.add(branch);
    }
    return undefined;
  }

  node(effect: CompositeEffect, path: string, parent: Parent): Node | Settlement {
    const log = (errors: readonly unknown[]): void => this.#host.leaveUnheard(errors);
    switch (effect.kind) {
      case "branch":
        return this.#branch(effect, path, parent);
      case "all": {
        const maker = this.#maker(effect.branches, path);
        return new All(effect.branches.length, effect.keys, maker, parent, log);
      }
      case "allSettled":
        return new AllSettled(effect.branches.length, this.#maker(effect.branches, path), parent);
      case "race":
        return new Race(effect.keys, this.#maker(effect.branches, path), parent, {
          decided: (winner) => this.#host.decided(path, winner),
          log,
        });
      default:
        return effect satisfies never;
    }
  }

  /** Why what `compensate` was given cannot be an undo step. A generator is taken: nothing else may run it. */
  refuseUndo({ undo }: CompensateEffect): Settlement | undefined {
    if (isEffect(undo) || (typeof undo === "function" && !isActivity(undo))) return undefined;
    if (!isGenerator(undo)) return failed(notAnUndo(undo));
    if (this.#used.has(undo)) return usedTwice("compensate");
    this.#used.add(undo);
    return undefined;
  }

  /** The node of an undo step. @throws what its function throws; TypeError for what is no branch */
  undo(undo: Undo, path: string, parent: Parent): Node {
    const branch = typeof undo === "function" ? undo() : undo;
    if (isEffect(branch)) return new FrameOfOne(this.#stage, branch, path, parent);
    if (!isGenerator(branch)) throw notAnUndo(branch);
    if (branch !== undo && this.#used.has(branch)) throw usedTwice("compensate").error;
    return this.#frame(branch, path, parent);
  }

  /** The node of the one branch of an effect at `path`. */
  single({ branch }: ScopeEffect, path: string, parent: Parent): Node {
    return this.#maker([branch], path).branch(0, parent);
  }

  #branch(effect: BranchEffect, path: string, parent: Parent): Node | Settlement {
    let flow: unknown;
    try {
      flow = effect.fn(...(effect.args as never));
    } catch (error) {
      return failed(error);
    }
    if (isGenerator(flow)) {
      return this.#used.has(flow) ? usedTwice("branch") : this.#frame(flow, path, parent);
    }
    silence(flow);
    return failed(
      new TypeError(
        `branch takes a generator function and its arguments, but what it was given returned ${describe(flow)}`,
      ),
    );
  }

  #maker(branches: readonly Branch<unknown>[], path: string): BranchMaker {
    return {
      branch: (index, parent) => {
        const branch = branches[index];
        const branchPath = `${path}.${index}`;
        if (isEffect(branch)) return new Answered(this.#stage, branch, branchPath, parent);
        const flow = branch as Flow<unknown>;
        // Used since the composite was yielded: by a branch before this one.
        if (this.#used.has(flow)) return new Refused(usedTwice("all or race"));
        return this.#frame(flow, branchPath, parent);
      },
    };
  }

  #frame(flow: Flow<unknown>, path: string, parent: Parent): Frame {
    this.#used.add(flow);
    return new Frame(this.#stage, flow, path, parent);
  }
}

function isActivity(value: unknown): boolean {
  return isDurable(value) && value.kind === "activity";
}

function notAnUndo(value: unknown): TypeError {
  silence(value);
  const given = isDurable(value)
    ? `the ${value.kind} "${value.functionName}" itself; write: compensate(call(${value.functionName}, …))`
    : describe(value);
  return new TypeError(
    `compensate takes an effect, a generator, or a function that returns one of them; it was given ${given}`,
  );
}

export function isGenerator(value: unknown): value is Flow<unknown> {
  return Object.prototype.toString.call(value) === "[object Generator]";
}

/** The frame of one effect, which has the frame's own path. */
class FrameOfOne extends Frame {
  readonly #path: string;

  constructor(stage: Stage, effect: Effect<unknown>, path: string, parent: Parent) {
    super(stage, alone(effect), path, parent);
    this.#path = path;
  }

  override get place(): string {
    return this.#path;
  }
}

function* alone(effect: Effect<unknown>): Flow<unknown> {
  return yield effect;
}

/** An effect as a branch: entered when it begins. */
class Answered extends Part implements Node, Caller {
  readonly #stage: Stage;
  readonly #effect: Effect<unknown>;
  readonly #path: string;
  #inner: Node | undefined;

  constructor(stage: Stage, effect: Effect<unknown>, path: string, parent: Parent) {
    super(parent);
    this.#stage = stage;
    this.#effect = effect;
    this.#path = path;
  }

  get place(): string {
    return this.#path;
  }

  nextPath(): string {
    return this.#path;
  }

  settled(_inner: Node, how: Settlement): void {
    this.parent.settled(this, how);
  }

  begin(): Settlement | undefined {
    const entered = this.#stage.enter(this.#effect, this);
    if (!("begin" in entered)) return entered;
    this.#inner = entered;
    const how = entered.begin();
    if (how === undefined) this.#stage.waits();
    return how;
  }

  close(closing: Closing): Settlement | undefined {
    return this.#inner?.close(closing);
  }
}

/** A branch that cannot begin. */
class Refused implements Node {
  readonly #how: Settlement;

  constructor(how: Settlement) {
    this.#how = how;
  }

  begin(): Settlement {
    return this.#how;
  }

  close(): undefined {
    return undefined;
  }
}
