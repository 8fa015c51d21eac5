/**
 * Middleware: generator functions around every effect that a workflow yields, the first outermost.
 *
 *   M1  An effect has the path that it would have without them. What a layer yields of its own stands below <path>~<name>, and goes past
 *       all layers; around an effect that has no path a layer yields only such.
 *   M2  Closing goes through a layer to the effect that it has handed on. What the layer does itself is not interrupted, but it hands on
 *       nothing more: there it is closed.
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
import { describe, notAnEffect, silence } from "./yielded.ts";

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
    return this.#layer(new Passage(caller, path), 0, effect, caller);
  }

  /** What a layer has handed on. */
  next({ passage, level, effect }: HandOn, caller: Frame): Node | Settlement {
    if (!isEffect(effect)) return failed(notAnEffect(effect));
    if (passage.path === undefined && !hasNoPath(effect)) return needsPath(effect);
    return new Inner(passage, caller, (inner) =>
      level < this.#layers.length
        ? this.#layer(passage, level, effect, inner)
        : this.#enter(effect, inner),
    );
  }

  #layer(
    passage: Passage,
    level: number,
    effect: Effect<unknown>,
    parent: Caller,
  ): Node | Settlement {
    const layer = this.#layers[level];
    if (layer === undefined) return this.#enter(effect, parent);
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
    const name = `${passage.path ?? ""}~${layer.name}`;
    const kind = passage.path === undefined ? "pathless" : "layer";
    return new Frame(this.#stage, flow, name, parent, kind);
  }
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

/** One effect of the workflow on its way through the layers. */
class Passage {
  readonly origin: Caller;
  readonly path: string | undefined;
  #entered = 0;

  constructor(origin: Caller, path: string | undefined) {
    this.origin = origin;
    this.path = path;
  }

  /** The path that `nextPath` would give. A layer may hand on more than once: the first time has the effect's own. */
  get place(): string {
    const path = this.path ?? this.origin.place;
    return this.#entered === 0 ? path : `${path}~${this.#entered + 1}`;
  }

  nextPath(): string {
    const path = this.place;
    this.#entered += 1;
    return path;
  }
}

/** An effect that a layer has handed on, as its part of the workflow. */
class Inner implements Node, Caller {
  readonly handedOn = true;
  readonly #passage: Passage;
  readonly #layer: Frame;
  readonly #enter: (inner: Inner) => Node | Settlement;
  #node: Node | undefined;

  constructor(passage: Passage, layer: Frame, enter: (inner: Inner) => Node | Settlement) {
    this.#passage = passage;
    this.#layer = layer;
    this.#enter = enter;
  }

  get closing(): Closing | undefined {
    return this.#layer.closing;
  }

  get owner(): ForkOwner {
    return this.#passage.origin.owner;
  }

  /** Branches that are started here are the workflow's. */
  get aside(): boolean {
    return this.#passage.origin.aside;
  }

  /** Who has yielded the effect. */
  get origin(): Caller {
    return this.#passage.origin;
  }

  get place(): string {
    return this.#passage.place;
  }

  nextPath(): string {
    return this.#passage.nextPath();
  }

  begin(): Settlement | undefined {
    const entered = this.#enter(this);
    if (!("begin" in entered)) return entered;
    this.#node = entered;
    return entered.begin();
  }

  close(closing: Closing): Settlement | undefined {
    return this.#node?.close(closing);
  }

  settled(_node: Node, how: Settlement): void {
    this.#layer.settled(this, how);
  }
}
