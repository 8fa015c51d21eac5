/** The gates of what an effect asks for. */
import { gatesOf, mayHaveGates } from "../core/gates.ts";
import type { CallEffect } from "../core/effects/call.ts";
import type { DispatchEffect } from "../core/effects/lineage.ts";
import type { MapEffect } from "../core/effects/map.ts";
import { digest } from "../runtime/digest.ts";

type Asking = CallEffect | MapEffect | DispatchEffect;

/** Made once: key functions are the user's. */
const made = new WeakMap<Asking, string | undefined>();
const madeOfItems = new WeakMap<MapEffect, readonly (string | undefined)[] | undefined>();

/** The gates of a call or of an execution that is started. @throws what a key function throws; TypeError */
export function gatesOfCall(effect: CallEffect | DispatchEffect): string | undefined {
  if (!mayHaveGates(effect.fn)) return undefined;
  if (!made.has(effect)) made.set(effect, gatesOf(effect.fn, effect.args, digest));
  return made.get(effect);
}

/** The gates of the items of a map; undefined where none has any. @throws as `gatesOfCall` */
export function gatesOfItems(effect: MapEffect): readonly (string | undefined)[] | undefined {
  if (!mayHaveGates(effect.fn)) return undefined;
  if (!madeOfItems.has(effect))
    madeOfItems.set(
      effect,
      effect.items.map((args) => gatesOf(effect.fn, args, digest)),
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
