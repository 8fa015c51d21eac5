import type { SendSignalEffect } from "../core/effects/signal.ts";
import type { Payload } from "../core/payload.ts";
import { stepId } from "../core/places.ts";
import type { Send } from "../store/store.ts";
import type { Origin } from "./origin.ts";
import type { OpenEntry } from "./turn-builder.ts";

/** A message for another execution. It has a key of its own, which makes a second sending of it harmless. */
export function messageOf(
  origin: Origin,
  entry: OpenEntry,
  effect: SendSignalEffect,
  input: Payload,
): Send {
  return {
    seq: entry.seq,
    executionId: effect.execution,
    name: effect.name,
    payload: input,
    dedupe: `from ${stepId(origin.runOf(entry), entry.path)}`,
  };
}
