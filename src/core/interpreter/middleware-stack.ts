/**
 * Middleware: generator functions around every effect that a workflow yields, the first outermost.
 *
 *   M1  An effect has the path that it would have without them. What a middleware yields of its own stands below <path>~<name>, and goes
 *       past all of them; around an effect that has no path it yields only such.
 *   M2  A middleware is closed as the workflow's own code is, and through it the effect that it has handed on; but what it does with the
 *       outcome of that is not interrupted, or the outcome would be lost.
 *   M3  A run has the middleware that it began with, which its journal names.
 */
import { isEffect, makeEffect, type Effect, type Flow } from "../effects/effect.ts";
import { NonDeterminismError } from "../errors.ts";
import type { Middleware } from "../middleware.ts";
import { isGenerator } from "./composites.ts";
import { Frame, nextKind, type Caller, type Stage } from "./frame.ts";
import type { Closing, ForkOwner, Node, Settlement } from "./node.ts";
import { failed } from "./refusals.ts";
import type { Change } from "./turn.ts";
import { describe, silence } from "./yielded.ts";

/** A middleware hands an effect on: `yield* next(effect)`. */
export interface NextEffect extends Effect<unknown> {
  readonly kind: typeof nextKind;
  readonly invocation: Invocation;
  readonly level: number;
  readonly effect: unknown;
}

const withoutPath: ReadonlySet<string> = new Set([
  "patched",
  "cancelled",
  "compensate",
  "progress",
  "counters.add",
  "state.set",
]);

/** Whether an effect takes no number. */
export function hasNoPath({ kind }: { readonly kind: string }): boolean {
  return withoutPath.has(kind);
}

/** Makes the node of an effect itself, or answers it. */
type Enter = (effect: Effect<unknown>, caller: Caller) => Node | Settlement;

/** The middleware of one run. */
export class MiddlewareStack {
  readonly #stage: Stage;
  readonly #enter: Enter;
  readonly #middleware: readonly Middleware[];

  constructor(middleware: readonly Middleware[], stage: Stage, enter: Enter) {
    this.#middleware = middleware;
    this.#stage = stage;
    this.#enter = enter;
  }

  /** An effect of the workflow: through all of them. */
  around(effect: Effect<unknown>, caller: Caller): Node | Settlement {
    const path = hasNoPath(effect) ? undefined : caller.nextPath();
    return this.#invoke(0, effect, caller, new Invocation(caller, path, effect, caller.aside));
  }

  /** What a middleware has handed on: through those below it. */
  next({ invocation, level, effect }: NextEffect, caller: Caller): Node | Settlement {
    if (!isEffect(effect)) return failed(noneHandedOn(effect));
    if (invocation.path === undefined && !hasNoPath(effect)) return needsPath(effect);
    return new HandedOn(invocation, effect, caller, (handedOn) =>
      this.#invoke(
        level,
        effect,
        handedOn,
        new Invocation(invocation.origin, handedOn.path, effect, handedOn.aside),
      ),
    );
  }

  #invoke(
    level: number,
    effect: Effect<unknown>,
    parent: Caller,
    invocation: Invocation,
  ): Node | Settlement {
    const middleware = this.#middleware[level];
    if (middleware === undefined) return this.#enter(effect, parent);
    const { path } = invocation;
    let flow: unknown;
    try {
      flow = middleware(effect, (next) => handOn(invocation, level + 1, next));
    } catch (error) {
      return failed(error);
    }
    if (!isGenerator(flow)) {
      silence(flow);
      return failed(
        new TypeError(
          `the middleware "${middleware.name}" gave no generator, but ${describe(flow)}`,
        ),
      );
    }
    const name = `${path ?? ""}~${middleware.name}`;
    const kind = path === undefined ? "pathless" : "middleware";
    return new Frame(this.#stage, flow, name, parent, kind, invocation);
  }
}

function noneHandedOn(value: unknown): TypeError {
  silence(value);
  return new TypeError(
    `a middleware hands on effects, but this one handed on ${describe(value)}. A copy of an effect is none: hand on the effect itself, or make another one by its function`,
  );
}

/** Why a middleware may not yield an effect: it has a path, and the effect around which it stands has none. */
export function needsPath({ kind }: { readonly kind: string }): Settlement {
  return failed(
    new TypeError(
      `a middleware yielded ${JSON.stringify(kind)} around an effect that leaves no entry in the journal; around those it may yield only ${[...withoutPath].join(", ")}`,
    ),
  );
}

/** What a run keeps of the middleware that it begins with. */
export function middlewareRecord(middleware: readonly Middleware[]): Change {
  const names = middleware.map(({ name }) => name);
  const name = JSON.stringify(names);
  return {
    kind: "middleware",
    path: "~middleware",
    name,
    reached: 0,
    change: names,
    input: undefined,
  };
}

/** The middleware of a run by its names. @throws NonDeterminismError for one that is not here */
export function middlewareNamed(
  names: readonly string[],
  given: readonly Middleware[],
): readonly Middleware[] {
  return names.map((name) => {
    const middleware = given.find((each) => each.name === name);
    if (middleware !== undefined) return middleware;
    throw new NonDeterminismError({
      path: "~middleware",
      recorded: { kind: "middleware", name },
      yielded: {},
      message: `this run began with the middleware "${name}", which is not here: give it to Stent.open again, under that name, until the runs that have it have ended`,
    });
  });
}

function* handOn(invocation: Invocation, level: number, effect: unknown): Flow<unknown> {
  return yield makeEffect<NextEffect>({ kind: nextKind } as NextEffect, {
    invocation,
    level,
    effect,
  });
}

/** One call of one middleware, for the effect around which it stands. */
class Invocation {
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

/** An effect that a middleware has handed on, as its part of the workflow. */
class HandedOn implements Node, Caller {
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
