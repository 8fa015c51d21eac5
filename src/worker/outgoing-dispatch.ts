import { resolveDispatchOptions } from "../core/dispatch-options.ts";
import { parseDuration } from "../core/duration.ts";
import { gatesOfCall } from "./effect-gates.ts";
import type { DispatchEffect } from "../core/effects/lineage.ts";
import type { Payload } from "../core/payload.ts";
import { totalTimeoutOf, unqueued } from "../core/step-options.ts";
import type { NewDispatch } from "../store/store.ts";
import { optionsWith } from "./outgoing-child.ts";

/** An execution that is started and not waited for: it inherits nothing of the one that starts it. */
export function dispatchOf(
  effect: DispatchEffect,
  {
    id,
    seq,
    input,
    trace,
  }: {
    readonly id: string;
    readonly seq: number;
    readonly input: Payload;
    readonly trace: string | undefined;
  },
): NewDispatch {
  const { fn, name, options: overrides, dispatchOptions } = effect;
  const options = resolveDispatchOptions(dispatchOptions);
  const queue = options.queue ?? overrides?.queue ?? fn.options.queue;
  const maxDuration =
    fn.kind === "workflow" ? (overrides?.maxDuration ?? fn.options.maxDuration) : undefined;
  return {
    seq,
    ifExists: options.ifExists,
    execution: {
      id,
      kind: fn.kind,
      name,
      version: fn.kind === "workflow" ? (overrides?.version ?? fn.options.version) : undefined,
      input,
      options: optionsWith(overrides, trace),
      queue: queue === unqueued ? undefined : queue,
      priority: options.priority ?? overrides?.priority ?? fn.options.priority ?? 0,
      tags: options.tags ?? overrides?.tags ?? fn.options.tags ?? [],
      delayMs: options.delayMs,
      maxDurationMs:
        options.maxDurationMs ??
        (maxDuration === undefined ? undefined : parseDuration(maxDuration)),
      totalTimeoutMs: totalTimeoutOf(fn, overrides),
      gates: gatesOfCall(effect),
    },
  };
}
