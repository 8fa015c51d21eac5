/**
 * Middleware: generator functions around every effect that a workflow yields, the first outermost.
 *
 *   M1  An effect has the path that it would have without them. What a layer yields of its own stands below <path>~<name>, and goes past
 *       all layers; around an effect that has no path a layer yields only such.
 *   M2  A layer is closed as the workflow's own code is, and through it the effect that it has handed on; but what it does with the
 *       outcome of that is not interrupted, or the outcome would be lost.
 *   M3  A run has the layers that it began with, which its journal names.
 */
import { isEffect, makeEffect, type Effect, type Flow } from "../effects/effect.ts";
import { NonDeterminismError } from "../errors.ts";
import type { Middleware } from "../middleware.ts";
import { isGenerator } from "./composites.ts";
import { Frame, handOnKind, type Caller, type Stage } from "./frame.ts";
import type { Closing, ForkOwner, Node, Settlement } from "./node.ts";
import { failed } from "./refusals.ts";
import type { Change } from "./turn.ts";
import { describe, silence } from "./yielded.ts";

/** A layer hands an effect on. */
export interface HandOn extends Effect<unknown> {
  readonly kind: typeof handOnKind;
  readonly passage: Passage;
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

/** The layers of one run. */
export class Layers {
  readonly #stage: Stage;
  readonly #enter: Enter;
  readonly #layers: readonly Middleware[];

  constructor(layers: readonly Middleware[], stage: Stage, enter: Enter) {
    this.#layers = layers;
    this.#stage = stage;
    this.#enter = enter;
  }

  /** An effect of the workflow: through all of them. */
  around(effect: Effect<unknown>, caller: Caller): Node | Settlement {
    const path = hasNoPath(effect) ? undefined : caller.nextPath();
    return this.#layer(0, effect, caller, new Passage(caller, path, effect, caller.aside));
  }

  /** What a layer has handed on. */
  next({ passage, level, effect }: HandOn, caller: Caller): Node | Settlement {
    if (!isEffect(effect)) return failed(noneHandedOn(effect));
    if (passage.path === undefined && !hasNoPath(effect)) return needsPath(effect);
    return new Inner(passage, effect, caller, (inner) =>
      level < this.#layers.length
        ? this.#layer(
            level,
            effect,
            inner,
            new Passage(passage.origin, inner.path, effect, inner.aside),
          )
        : this.#enter(effect, inner),
    );
  }

  #layer(
    level: number,
    effect: Effect<unknown>,
    parent: Caller,
    passage: Passage,
  ): Node | Settlement {
    const layer = this.#layers[level];
    if (layer === undefined) return this.#enter(effect, parent);
    const { path } = passage;
    let flow: unknown;
    try {
      flow = layer(effect, (next) => handOn(passage, level + 1, next));
    } catch (error) {
      return failed(error);
    }
    if (!isGenerator(flow)) {
      silence(flow);
      return failed(
        new TypeError(`the middleware "${layer.name}" gave no generator, but ${describe(flow)}`),
      );
    }
    const name = `${path ?? ""}~${layer.name}`;
    const kind = path === undefined ? "pathless" : "layer";
    return new Frame(this.#stage, flow, name, parent, kind, passage);
  }
}

function noneHandedOn(value: unknown): TypeError {
  silence(value);
  return new TypeError(
    `a middleware hands on effects, but this one handed on ${describe(value)}. A copy of an effect is none: hand on the effect itself, or make another one by its function`,
  );
}

/** Why a layer may not yield an effect: it has a path, and the effect around which it stands has none. */
export function needsPath({ kind }: { readonly kind: string }): Settlement {
  return failed(
    new TypeError(
      `a middleware yielded ${JSON.stringify(kind)} around an effect that leaves no entry in the journal; around those it may yield only ${[...withoutPath].join(", ")}`,
    ),
  );
}

/** What a run keeps of the layers that it begins with. */
export function layersRecord(layers: readonly Middleware[]): Change {
  const names = layers.map(({ name }) => name);
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

/** The layers of a run by their names. @throws NonDeterminismError for one that is not here */
export function layersNamed(
  names: readonly string[],
  given: readonly Middleware[],
): readonly Middleware[] {
  return names.map((name) => {
    const layer = given.find((each) => each.name === name);
    if (layer !== undefined) return layer;
    throw new NonDeterminismError({
      path: "~middleware",
      recorded: { kind: "middleware", name },
      yielded: {},
      message: `this run began with the middleware "${name}", which is not here: give it to Stent.open again, under that name, until the runs that have it have ended`,
    });
  });
}

function* handOn(passage: Passage, level: number, effect: unknown): Flow<unknown> {
  return yield makeEffect<HandOn>({ kind: handOnKind } as HandOn, { passage, level, effect });
}

/** One effect on its way through one layer. */
class Passage {
  /** Who has yielded it. */
  readonly origin: Caller;
  readonly path: string | undefined;
  readonly effect: Effect<unknown>;
  /** Branches that it starts go past all layers: a layer has made it. */
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

  /** A layer may hand on more than once: the first time has the effect's own path. */
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

/** An effect that a layer has handed on, as its part of the workflow. */
class Inner implements Node, Caller {
  readonly handedOn = true;
  readonly path: string | undefined;
  /** Branches of the workflow's own effects are the workflow's. */
  readonly aside: boolean;
  readonly #passage: Passage;
  readonly #layer: Caller;
  readonly #enter: (inner: Inner) => Node | Settlement;
  #node: Node | undefined;

  constructor(
    passage: Passage,
    effect: Effect<unknown>,
    layer: Caller,
    enter: (inner: Inner) => Node | Settlement,
  ) {
    this.aside = passage.aside || effect !== passage.effect;
    this.#passage = passage;
    this.#layer = layer;
    this.#enter = enter;
    this.path = passage.begin();
  }

  get closing(): Closing | undefined {
    return this.#layer.closing;
  }

  get owner(): ForkOwner {
    return this.#passage.origin.owner;
  }

  /** Who has yielded the effect. */
  get origin(): Caller {
    return this.#passage.origin;
  }

  get place(): string {
    return this.path ?? this.#passage.origin.place;
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
    this.#layer.settled(this, how);
  }

  #ended(how: Settlement | undefined): Settlement | undefined {
    if (how !== undefined) this.#passage.end();
    return how;
  }
}
