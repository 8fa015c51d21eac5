/** The gates of what an effect asks for. */
import { gatesOf } from "../gates.ts";
import type { CallEffect } from "./call.ts";
import type { DispatchEffect } from "./lineage.ts";
import type { MapEffect } from "./map.ts";

type Asking = CallEffect | MapEffect | DispatchEffect;

/** Made once: key functions are the user's. */
const made = new WeakMap<Asking, string | undefined>();
const madeOfItems = new WeakMap<MapEffect, readonly (string | undefined)[] | undefined>();

/** The gates of a call or of an execution that is started. @throws what a key function throws; TypeError */
export function gatesOfCall(effect: CallEffect | DispatchEffect): string | undefined {
  if (!mayHaveGates(effect)) return undefined;
  if (!made.has(effect)) made.set(effect, gatesOf(effect.fn, effect.args));
  return made.get(effect);
}

/** The gates of the items of a map; undefined where none has any. @throws as `gatesOfCall` */
export function gatesOfItems(effect: MapEffect): readonly (string | undefined)[] | undefined {
  if (!mayHaveGates(effect)) return undefined;
  if (!madeOfItems.has(effect))
    madeOfItems.set(
      effect,
      effect.items.map((args) => gatesOf(effect.fn, args)),
    );
  return madeOfItems.get(effect);
}

/** Why the gates of an effect cannot be told; undefined if they can, or if there are none. */
export function wrongGates(effect: Asking): unknown {
  try {
    if (effect.kind === "map") gatesOfItems(effect);
    else gatesOfCall(effect);
    return undefined;
  } catch (error) {
    return error ?? new TypeError("a key function threw nothing");
  }
}

function mayHaveGates({ fn }: Asking): boolean {
  return fn.options.maxConcurrent !== undefined || fn.options.rateLimit !== undefined;
}
