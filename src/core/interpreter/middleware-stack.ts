/**
 * Middleware: generator functions around every effect that a workflow yields, the first outermost.
 *
 *   M1  An effect has the path that it would have without them. What a middleware yields of its own stands below <path>~<name>, and goes
 *       past all of them; around an effect that has no path it yields only such.
 *   M2  A middleware is closed as the workflow's own code is, and through it the effect that it has handed on; but what it does with the
 *       outcome of that is not interrupted, or the outcome would be lost.
 *   M3  A run has the middleware that it began with, which its journal names.
 */
import { isEffect, type Effect } from "../effects/effect.ts";
import { NonDeterminismError } from "../errors.ts";
import type { Middleware } from "../middleware.ts";
import { isGenerator } from "./composites.ts";
import { hasNoPath, withoutPath } from "./effect-entry.ts";
import type { Caller, Stage } from "./frame.ts";
import { HandedOn, handOn, Invocation, MiddlewareFrame, type NextEffect } from "./invocation.ts";
import type { Node, Settlement } from "./node.ts";
import { failed } from "./refusals.ts";
import type { Change } from "./turn.ts";
import { describe, silence } from "./yielded.ts";

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
    return new MiddlewareFrame(this.#stage, flow, name, parent, invocation);
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
