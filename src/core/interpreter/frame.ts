import { isEffect, type Effect, type Flow } from "../effects/effect.ts";
import { TurnLimitError } from "../errors.ts";
import { isPassive } from "./effect-entry.ts";
import { FrameForks } from "./frame-forks.ts";
import {
  closed,
  type Closing,
  type Forked,
  type ForkOwner,
  type Node,
  type Parent,
  type Settlement,
} from "./node.ts";
import { Unwinding } from "./unwinding.ts";

/** How many effects a generator may yield while it is being closed; past it, `return()` is called at every yield. */
export const maxClosingEffects = 1_000;
/** The same, once an error has been delivered into it while closing: bounds a `finally` that throws into a loop that catches. */
export const maxClosingEffectsAfterError = 100;

/** What yields an effect. `cancelled()` asks it why it is being closed. */
export interface Caller extends Parent {
  /** The path that `nextPath` would give. */
  readonly place: string;
  /** The path of the effect that is being entered, if it has one. */
  nextPath(): string;
  /** The effect has come through the middleware. */
  readonly handedOn?: boolean;
  /** A middleware around an effect that has no path. */
  readonly pathless?: boolean;
  /** Who has yielded it, if that is another one. */
  readonly origin?: Caller;
}

/** What a frame needs of the coroutine that it belongs to. */
export interface Stage {
  /** Makes the node for an effect, or answers it at once. */
  enter(effect: Effect<unknown>, caller: Caller): Node | Settlement;
  /** What was entered last is not answered yet. */
  waits(): void;
  /** What to throw at the yield of something that is no effect. */
  refuse(yielded: unknown): unknown;
  /** Errors that nobody can catch any more. */
  leaveUnheard(errors: readonly unknown[]): void;
}

type Send =
  | Settlement
  | { readonly kind: "start" }
  | { readonly kind: "return" }
  | { readonly kind: "leave"; readonly value: unknown };
const start = { kind: "start" } as const;
const unwind = { kind: "return" } as const;

/** One running generator: the body of a workflow, or a branch. Its yields are numbered from 1 below its path. */
export class Frame implements Node, Caller, ForkOwner {
  readonly #stage: Stage;
  readonly #generator: Flow<unknown>;
  /** Its generator, once it has been returned. */
  #unwound: Unwinding | undefined;
  readonly #prefix: string;
  readonly #parent: Parent;
  #yields = 0;
  #child: Node | undefined;
  #closing: Closing | undefined;
  /** `return()` has been called: what is yielded now comes from `finally` blocks and is not interrupted. */
  #unwinding = false;
  #closingEffects = 0;
  #errors: readonly unknown[] | undefined;
  #closingLimit = maxClosingEffects;
  #forks: FrameForks | undefined;
  /** How its current effect ended, while its forks are still being closed. */
  #held: Settlement | undefined;
  /** How its generator ended, while its forks are waited for. */
  #outcome: Settlement | undefined;
  #leaves: Extract<Send, { kind: "leave" }> | undefined;

  constructor(stage: Stage, generator: Flow<unknown>, path: string, parent: Parent) {
    this.#stage = stage;
    this.#generator = generator;
    this.#prefix = path === "" ? "" : `${path}.`;
    this.#parent = parent;
  }

  get closing(): Closing | undefined {
    return this.#closing ?? this.#parent.closing;
  }

  get owner(): ForkOwner {
    return this;
  }

  get aside(): boolean {
    return this.#parent.aside;
  }

  get place(): string {
    return this.#prefix + String(this.#yields + 1);
  }

  nextPath(): string {
    const path = this.place;
    this.#yields += 1;
    return path;
  }

  begin(): Settlement | undefined {
    return this.#drive(start);
  }

  /** Its generator is to return at the effect that is being entered, as if it said so: `finally` blocks run, and it is not closed. */
  leave(value: unknown): void {
    this.#leaves = { kind: "leave", value };
  }

  /** What it yields comes from `finally` blocks. */
  get unwinding(): boolean {
    return this.#unwinding;
  }

  settled(_child: Node, how: Settlement): void {
    this.#child = undefined;
    this.#tell(this.#onceForksAreClosed(how));
  }

  /** From inside: what its current effect runs and its forks, then its generator. */
  close(closing: Closing): Settlement | undefined {
    const child = this.#child;
    let how: Settlement | undefined;
    if (this.#closing !== undefined) {
      how = child && this.closeChildAgain(child, closing);
    } else {
      this.#closing = closing;
      how = child === undefined ? closed : this.closeChild(child, closing);
      this.#forks?.close(closing);
    }
    if (how === undefined) return undefined;
    this.#child = undefined;
    return this.#onceForksAreClosed(how);
  }

  /** Closes what its current effect runs. @returns how that ended, if it did so at once */
  protected closeChild(child: Node, closing: Closing): Settlement | undefined {
    return child.close(closing);
  }

  /** The same, where it is being closed already. */
  protected closeChildAgain(_child: Node, _closing: Closing): Settlement | undefined {
    return undefined;
  }

  /** Whether closing it interrupts it at an effect. What neither does nor awaits anything it may still yield after a late value. */
  protected isInterrupted(effect: Effect<unknown>): boolean {
    return !isPassive(effect);
  }

  /** Whether an error that comes while it is being closed goes on its way as it would without that. */
  protected get passesErrorsOn(): boolean {
    return false;
  }

  /** A fork was started here. */
  forked(fork: Forked): void {
    this.#forks ??= new FrameForks();
    this.#forks.add(fork);
  }

  forkEnded(fork: Forked): void {
    this.#forks?.end(fork);
  }

  forkTold(): void {
    if (this.#outcome !== undefined) return this.#tell(this.#withForks(this.#outcome));
    if (this.#held === undefined || this.#forks?.running === true) return;
    const how = this.#held;
    this.#held = undefined;
    this.#tell(this.#onceForksAreClosed(how));
  }

  #tell(ended: Settlement | undefined): void {
    if (ended !== undefined) this.#parent.settled(this, ended);
  }

  #onceForksAreClosed(how: Settlement): Settlement | undefined {
    if (this.#outcome !== undefined) return this.#withForks(this.#outcome);
    if (this.#closing !== undefined && !this.#unwinding && this.#forks?.running === true) {
      this.#held = how;
      return undefined;
    }
    return this.#afterChild(how);
  }

  #afterChild(how: Settlement): Settlement | undefined {
    if (how.kind === "closed") {
      this.#note(how.errors);
      return this.#unwind();
    }
    if (
      how.kind === "error" &&
      this.#closing !== undefined &&
      !this.#unwinding &&
      !this.passesErrorsOn
    ) {
      // It failed before the close: branches whose siblings were still at their clean-up.
      this.#note([how.error]);
      return this.#unwind();
    }
    return this.#drive(how);
  }

  #unwind(): Settlement | undefined {
    this.#unwinding = true;
    return this.#drive(unwind);
  }

  /** Runs the generator until it waits or ends. */
  #drive(first: Send): Settlement | undefined {
    let send: Send = this.#leaves === undefined || first.kind === "error" ? first : this.#leaves;
    this.#leaves = undefined;
    for (;;) {
      let step: IteratorResult<Effect<unknown>, unknown>;
      try {
        step = this.#send(send);
      } catch (error) {
        return this.#withForks(this.#ended({ kind: "error", error }));
      }
      if (step.done === true)
        return this.#withForks(this.#ended({ kind: "value", value: step.value }));
      const yielded: unknown = step.value;
      if (this.#unwinding && ++this.#closingEffects > this.#closingLimit) {
        if (this.#closingEffects === this.#closingLimit + 1)
          this.#note([cutShort(this.#closingLimit)]);
        if (this.#closingEffects > this.#closingLimit + maxClosingEffects)
          return this.#withForks(this.#ended(closed));
        send = unwind;
      } else if (!isEffect(yielded)) {
        send = { kind: "error", error: this.#stage.refuse(yielded) };
      } else if (this.#closing !== undefined && !this.#unwinding && this.isInterrupted(yielded)) {
        this.#unwinding = true;
        send = unwind;
      } else {
        const entered = this.#stage.enter(yielded, this);
        const how = "begin" in entered ? this.#beginChild(entered) : entered;
        if (how === undefined) {
          if (!("handedOn" in entered)) this.#stage.waits();
          return undefined;
        }
        send = this.#leaves === undefined || how.kind === "error" ? how : this.#leaves;
        this.#leaves = undefined;
      }
    }
  }

  #beginChild(child: Node): Settlement | undefined {
    this.#child = child;
    const how = child.begin();
    if (how !== undefined) this.#child = undefined;
    return how;
  }

  #send(send: Send): IteratorResult<Effect<unknown>, unknown> {
    switch (send.kind) {
      case "start":
        return this.#generator.next();
      case "value":
        return this.#resume("next", send.value);
      case "error":
        if (this.#unwinding) {
          this.#closingLimit = Math.min(
            this.#closingLimit,
            this.#closingEffects + maxClosingEffectsAfterError,
          );
        }
        return this.#resume("throw", send.error);
      case "leave":
        return this.#return(send.value);
      case "closed":
      case "return":
        return this.#return(undefined);
      default:
        return send satisfies never;
    }
  }

  #resume(how: "next" | "throw", value: unknown): IteratorResult<Effect<unknown>, unknown> {
    if (this.#unwound === undefined) return this.#generator[how](value);
    return this.#unwound.send(how, value) as IteratorResult<Effect<unknown>, unknown>;
  }

  #return(value: unknown): IteratorResult<Effect<unknown>, unknown> {
    this.#unwound ??= new Unwinding(this.#generator);
    return this.#unwound.send("return", value) as IteratorResult<Effect<unknown>, unknown>;
  }

  /** Once closing has begun, an error does not replace its reason; a value that came all the same before `return()` is a value. */
  #ended(how: Settlement): Settlement {
    if (this.#closing === undefined) return how;
    if ((how.kind === "value" || this.passesErrorsOn) && !this.#unwinding) return how;
    this.#note(how.kind === "error" ? [how.error] : undefined);
    return this.#errors === undefined ? closed : { kind: "closed", errors: this.#errors };
  }

  /** By F1. A `finally` block's forks are waited for, and those of a generator that failed are closed. */
  #withForks(outcome: Settlement): Settlement | undefined {
    const forks = this.#forks;
    if (forks === undefined) return outcome;
    this.#outcome = outcome;
    const result = forks.after(outcome);
    if (forks.running) return undefined;
    this.#forks = undefined;
    this.#outcome = undefined;
    return forks.conclude(result, (errors) => this.#stage.leaveUnheard(errors));
  }

  #note(errors: readonly unknown[] | undefined): void {
    if (errors !== undefined) this.#errors = [...(this.#errors ?? []), ...errors];
  }
}

function cutShort(limit: number): TurnLimitError {
  return new TurnLimitError(
    `the workflow yielded ${limit} effects while it was being closed, and its clean-up was cut short there: ` +
      "does a finally block throw into a loop that catches, or leave by continue?",
  );
}
