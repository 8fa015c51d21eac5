/** A middleware that runs: its generator, and what it has handed on. */
import { makeEffect, type Effect, type Flow } from "../effects/effect.ts";
import { Frame, type Caller, type Stage } from "./frame.ts";
import type { Closing, ForkOwner, Node, Settlement } from "./node.ts";

/** What a middleware yields to hand an effect on. Nobody else sees it. */
export const nextKind = "~next";

/** A middleware hands an effect on: `yield* next(effect)`. */
export interface NextEffect extends Effect<unknown> {
  readonly kind: typeof nextKind;
  readonly invocation: Invocation;
  readonly level: number;
  readonly effect: unknown;
}

/** What a middleware's `next` gives: at `level` it has the next one below. */
export function* handOn(invocation: Invocation, level: number, effect: unknown): Flow<unknown> {
  return yield makeEffect<NextEffect>({ kind: nextKind } as NextEffect, {
    invocation,
    level,
    effect,
  });
}

/** One call of one middleware, for the effect around which it stands. */
export class Invocation {
  /** Who has yielded it. */
  readonly origin: Caller;
  readonly path: string | undefined;
  readonly effect: Effect<unknown>;
  /** Branches that it starts go past all middleware: a middleware has made it. */
  readonly aside: boolean;
  #handedOn = 0;
  #running = 0;

  constructor(origin: Caller, path: string | undefined, effect: Effect<unknown>, aside: boolean) {
    this.origin = origin;
    this.path = path;
    this.effect = effect;
    this.aside = aside;
  }

  get isOver(): boolean {
    return this.#handedOn > 0 && this.#running === 0;
  }

  /** A middleware may hand on more than once: the first time has the effect's own path. */
  begin(): string | undefined {
    this.#handedOn += 1;
    this.#running += 1;
    if (this.path === undefined || this.#handedOn === 1) return this.path;
    return `${this.path}~${this.#handedOn}`;
  }

  end(): void {
    this.#running -= 1;
  }
}

/** The generator of a middleware, closed by M2. */
export class MiddlewareFrame extends Frame {
  readonly #invocation: Invocation;

  constructor(
    stage: Stage,
    flow: Flow<unknown>,
    path: string,
    parent: Caller,
    invocation: Invocation,
  ) {
    super(stage, flow, path, parent);
    this.#invocation = invocation;
  }

  override get aside(): boolean {
    return true;
  }

  get pathless(): boolean {
    return this.#invocation.path === undefined;
  }

  protected override closeChild(child: Node, closing: Closing): Settlement | undefined {
    return this.#invocation.isOver ? undefined : child.close(closing);
  }

  /** What it has handed on is closed as it would be without it, which may be twice: a race that is closed may still be lost. */
  protected override closeChildAgain(child: Node, closing: Closing): Settlement | undefined {
    return child instanceof HandedOn ? child.close(closing) : undefined;
  }

  protected override isInterrupted(effect: Effect<unknown>): boolean {
    return this.#invocation.isOver ? effect.kind === nextKind : super.isInterrupted(effect);
  }

  protected override get passesErrorsOn(): boolean {
    return true;
  }
}

/** An effect that a middleware has handed on, as its part of the workflow. */
export class HandedOn implements Node, Caller {
  readonly handedOn = true;
  readonly path: string | undefined;
  /** Branches of the workflow's own effects are the workflow's. */
  readonly aside: boolean;
  readonly #invocation: Invocation;
  readonly #middleware: Caller;
  readonly #enter: (handedOn: HandedOn) => Node | Settlement;
  #node: Node | undefined;

  constructor(
    invocation: Invocation,
    effect: Effect<unknown>,
    middleware: Caller,
    enter: (handedOn: HandedOn) => Node | Settlement,
  ) {
    this.aside = invocation.aside || effect !== invocation.effect;
    this.#invocation = invocation;
    this.#middleware = middleware;
    this.#enter = enter;
    this.path = invocation.begin();
  }

  get closing(): Closing | undefined {
    return this.#middleware.closing;
  }

  get owner(): ForkOwner {
    return this.#invocation.origin.owner;
  }

  /** Who has yielded the effect. */
  get origin(): Caller {
    return this.#invocation.origin;
  }

  get place(): string {
    return this.path ?? this.#invocation.origin.place;
  }

  nextPath(): string {
    return this.place;
  }

  begin(): Settlement | undefined {
    const entered = this.#enter(this);
    if (!("begin" in entered)) return this.#ended(entered);
    this.#node = entered;
    return this.#ended(entered.begin());
  }

  close(closing: Closing): Settlement | undefined {
    return this.#ended(this.#node?.close(closing));
  }

  settled(_node: Node, how: Settlement): void {
    this.#ended(how);
    this.#middleware.settled(this, how);
  }

  #ended(how: Settlement | undefined): Settlement | undefined {
    if (how !== undefined) this.#invocation.end();
    return how;
  }
}
