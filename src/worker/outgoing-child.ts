import type { CallEffect } from "../core/effects/call.ts";
import { gatesOfCall } from "./effect-gates.ts";
import type { MapEffect } from "../core/effects/map.ts";
import type { WorkflowOptions } from "../core/durable.ts";
import { parseDuration } from "../core/duration.ts";
import type { TurnEntry } from "../core/interpreter/turn.ts";
import type { Payload } from "../core/payload.ts";
import type { Overrides } from "../core/overrides.ts";
import { stepId } from "../core/places.ts";
import type { NewChild } from "../store/store.ts";
import type { Origin } from "./origin.ts";

/** The execution that a call of a workflow starts, and that its caller waits for. */
export function childOf(
  origin: Origin,
  { path, input }: TurnEntry,
  effect: CallEffect,
  seq: number,
): NewChild {
  return {
    seq,
    id: stepId(origin.run, path),
    kind: "workflow",
    name: effect.name,
    version: versionOf(effect),
    input: input as Payload,
    options: optionsWith(effect.options, origin.trace),
    ...origin.placementOf(effect.fn, effect.options),
    delayMs: 0,
    maxDurationMs: maxDurationOf(effect),
    gates: gatesOfCall(effect),
  };
}

/** What is stored with an execution that this one starts. */
export function optionsWith(
  overrides: Overrides | undefined,
  trace: string | undefined,
): string | undefined {
  if (trace !== undefined) return JSON.stringify({ ...overrides, trace });
  return overrides === undefined ? undefined : JSON.stringify(overrides);
}

/** The version of its workflow that a child runs. */
export function versionOf({ fn, options }: CallEffect | MapEffect): string | undefined {
  return options?.version ?? fn.options.version;
}

/** How long a child may take, in milliseconds. */
export function maxDurationOf({ fn, options }: CallEffect | MapEffect): number | undefined {
  const duration = options?.maxDuration ?? (fn.options as WorkflowOptions<unknown[]>).maxDuration;
  return duration === undefined ? undefined : parseDuration(duration);
}
