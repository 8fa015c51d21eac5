import type { AnyEffect } from "../effects/any-effect.ts";
import type { Effect } from "../effects/effect.ts";
import type { ContinueAsNewEffect } from "../effects/lineage.ts";
import type { CompensateEffect } from "../effects/scope.ts";
import type { ExpiryError } from "../errors.ts";
import type { Middleware } from "../middleware.ts";
import { Answers } from "./answers.ts";
import { Composites, type CompositeHost, type ScopeEffect } from "./composites.ts";
import type { CoroutineOptions } from "./coroutine-options.ts";
import { hasNoPath, waitsForHost } from "./effect-entry.ts";
import { Forking } from "./forking.ts";
import type { Caller, Stage } from "./frame.ts";
import { nextKind, type NextEffect } from "./invocation.ts";
import { MiddlewareStack, needsPath } from "./middleware-stack.ts";
import type { Node, Parent, Settlement } from "./node.ts";
import { maxPathLength, nestedTooDeeply, notSupported } from "./refusals.ts";
import type { RunState } from "./run-state.ts";
import type { Scheduler } from "./scheduler.ts";
import { Shield, Within, type DeadlineHost } from "./scopes.ts";
import type { Done } from "./turn.ts";
import { notAnEffect } from "./yielded.ts";

/** What entering needs of the coroutine: how the run ends, and the effects that concern it. */
export interface EntranceHost {
  /** How it ended; undefined while it goes on. */
  readonly done: Done | undefined;
  compensate(effect: CompensateEffect, caller: Caller): Settlement;
  continueAsNew(effect: ContinueAsNewEffect, caller: Caller): Settlement;
}

/** What a yielded effect becomes: its middleware, an answer at once, or a node. */
export class Entrance implements Stage, CompositeHost, DeadlineHost {
  readonly #state: RunState;
  readonly #scheduler: Scheduler;
  readonly #host: EntranceHost;
  readonly #yielded: CoroutineOptions["yielded"];
  readonly #answer: CoroutineOptions["answer"];
  // Made when first needed: most runs need none of them.
  #middleware: MiddlewareStack | undefined;
  #answers: Answers | undefined;
  #forking: Forking | undefined;
  #composites: Composites | undefined;

  constructor(
    state: RunState,
    scheduler: Scheduler,
    host: EntranceHost,
    { yielded, answer }: CoroutineOptions,
  ) {
    this.#state = state;
    this.#scheduler = scheduler;
    this.#host = host;
    this.#yielded = yielded;
    this.#answer = answer;
  }

  /** From now on it stands around every effect. */
  use(middleware: readonly Middleware[]): void {
    if (middleware.length === 0) return;
    this.#middleware = new MiddlewareStack(middleware, this, (effect, caller) =>
      this.#enter(effect, caller),
    );
  }

  enter(effect: Effect<unknown>, caller: Caller): Node | Settlement {
    const middleware = this.#middleware;
    if (middleware !== undefined) {
      if (effect.kind === nextKind) return middleware.next(effect as NextEffect, caller);
      if (caller.handedOn !== true && !caller.aside)
        return this.#count(effect as AnyEffect) ?? middleware.around(effect, caller);
      if (caller.pathless === true && !hasNoPath(effect)) return needsPath(effect);
    }
    return this.#enter(effect, caller);
  }

  waits(): void {
    this.#state.unwaited.takeBack();
  }

  refuse(yielded: unknown): unknown {
    return this.#state.unwaited.add(false)?.error ?? notAnEffect(yielded);
  }

  leaveUnheard(errors: readonly unknown[]): void {
    this.#state.turn.leaveUnheard(errors);
  }

  decided(path: string, winner: string): void {
    const { deliveries: delivery, recorded, turn } = this.#state;
    if (recorded !== undefined) recorded.takeWinner(path, winner, delivery);
    else turn.add({ path, kind: "race", name: winner, reached: delivery, delivery });
  }

  /** An error made here, by the delivery that is being given. */
  thrown(error: ExpiryError): void {
    this.#state.sources.note(error, this.#state.deliveries);
  }

  get composites(): Composites {
    this.#composites ??= new Composites(this, this);
    return this.#composites;
  }

  /** No generator runs now: does what forks have left for that. */
  settleForks(): void {
    this.#forking?.settle(
      () => this.#host.done !== undefined,
      () => this.#state.waiting.size === 0,
    );
  }

  forgetForks(): void {
    this.#forking?.forget();
  }

  get #answering(): Answers {
    this.#answers ??= new Answers(this.#state, this.#answer);
    return this.#answers;
  }

  get #forks(): Forking {
    this.#forking ??= new Forking();
    return this.#forking;
  }

  #count(effect: AnyEffect): Settlement | undefined {
    return this.#state.unwaited.add(waitsForHost(effect));
  }

  #enter(effect: Effect<unknown>, caller: Caller): Node | Settlement {
    const known = effect as AnyEffect;
    this.#yielded?.(known, caller.place);
    // What comes through middleware has been counted before it.
    const refusal = caller.handedOn === true ? undefined : this.#count(known);
    if (refusal !== undefined) return refusal;
    switch (known.kind) {
      case "cancelled":
        return { kind: "value", value: caller.closing?.reason };
      case "counters.add":
      case "state.set":
      case "progress":
      case "patched":
        return this.#answering.remark(known);
      case "all":
      case "allSettled":
      case "race":
        return this.composites.refuse(known) ?? this.#node(known, caller.nextPath(), caller);
      case "fork":
      case "shield":
      case "within":
        return this.composites.refuse(known) ?? this.#scope(known, caller.nextPath(), caller);
      case "join":
      case "cancel":
        return this.#forks.on(known, caller.nextPath(), caller);
      case "compensate":
        return this.#host.compensate(known, caller);
      case "continueAsNew":
        return this.#host.continueAsNew(known, caller);
      default:
        return this.#node(known, caller.nextPath(), caller);
    }
  }

  /** The node of an effect that has a path. */
  #node(effect: AnyEffect, path: string, parent: Parent): Node | Settlement {
    if (path.length > maxPathLength) return nestedTooDeeply();
    switch (effect.kind) {
      case "now":
      case "random":
      case "uuid":
      case "counters.get":
      case "state.get":
        return this.#answering.question(effect, path);
      case "branch":
      case "all":
      case "allSettled":
      case "race":
        this.#state.recorded?.expectBranches(effect, path);
        return this.composites.node(effect, path, parent);
      default:
        if (!waitsForHost(effect)) return notSupported(effect.kind);
        return this.#scheduler.leaf(effect, path, parent);
    }
  }

  #scope(effect: ScopeEffect, path: string, caller: Caller): Node | Settlement {
    if (path.length > maxPathLength) return nestedTooDeeply();
    const branch = (parent: Parent): Node => this.composites.single(effect, path, parent);
    switch (effect.kind) {
      case "fork":
        this.#state.recorded?.expectBranches(effect, path);
        return this.#forks.fork(path, caller, branch);
      case "shield":
        this.#state.recorded?.expectBranches(effect, path);
        return new Shield(caller, branch);
      case "within": {
        const timer = (parent: Parent): Node => this.#scheduler.leaf(effect, path, parent);
        return new Within(effect.duration, caller, this, { timer, branch });
      }
      default:
        return effect satisfies never;
    }
  }
}
