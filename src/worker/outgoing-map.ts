import { gatesOfItems } from "./effect-gates.ts";
import type { MapEffect } from "../core/effects/map.ts";
import type { TurnEntry } from "../core/interpreter/turn.ts";
import type { Payload } from "../core/payload.ts";
import { totalTimeoutOf, type StoredOptions } from "../core/step-options.ts";
import { newTask } from "./new-task.ts";
import type { Origin } from "./origin.ts";
import type { Outbound } from "./outbound.ts";
import { maxDurationOf, versionOf } from "./outgoing-child.ts";
import type { TurnBuilder } from "./turn-builder.ts";

/**
 * A map: its items, and as many of them released as may be under way at once. Activities are ranges of a task, those for which there are
 * slots taken here in the same commit; children the store starts itself.
 */
export function sendMap(
  origin: Origin,
  entry: TurnEntry,
  effect: MapEffect,
  builder: TurnBuilder,
  outbound: Outbound,
): void {
  const placement = origin.placementOf(effect.fn, effect.options);
  const tolerated = effect.tolerate ?? (effect.onError === "settle" ? null : undefined);
  const totalTimeout = totalTimeoutOf(effect.fn, effect.options);
  const options: StoredOptions = {
    ...origin.stored(effect.options, placement),
    ...(tolerated === undefined ? {} : { tolerated }),
    ...(effect.concurrency === undefined ? {} : { concurrency: effect.concurrency }),
    // Decided at the call: the store counts it for items that no worker takes.
    ...(totalTimeout === undefined ? {} : { totalTimeout }),
    ...(effect.fn.kind === "workflow" ? childOptions(effect) : {}),
  };
  builder.place(entry.path, {
    options: Object.keys(options).length === 0 ? undefined : JSON.stringify(options),
  });
  const open = builder.entry(entry.path);
  if (open === undefined) return;
  const inputs = entry.input as readonly Payload[];
  const released = Math.min(inputs.length, effect.concurrency ?? inputs.length);
  const children = effect.fn.kind === "workflow";
  const gates = gatesOfItems(effect);
  outbound.add("fanouts", {
    seq: open.seq,
    inputs,
    tolerated: tolerated === null ? undefined : (tolerated ?? 0),
    released,
    children,
    gates,
  });
  if (children) return;
  const here = gates === undefined ? origin.takeSlots(effect.name, placement, released) : 0;
  const call = { path: entry.path, name: effect.name, placement, attempt: 0, failures: 0 };
  const range = { ...newTask({ seq: open.seq, ...call }), totalTimeoutMs: totalTimeout };
  if (here > 0) {
    const task = { ...range, itemFrom: 0, itemTo: here, here: true };
    outbound.add("tasks", task);
    outbound.add("takenItems", {
      task,
      items: inputs.slice(0, here).map((input, item) => ({ item, input })),
    });
  }
  if (gates !== undefined) {
    for (let item = 0; item < released; item += 1)
      outbound.add("tasks", { ...range, itemFrom: item, itemTo: item + 1, gates: gates[item] });
  } else if (here < released) outbound.add("tasks", { ...range, itemFrom: here, itemTo: released });
}

/** What the journal keeps of a map over a workflow, so that whoever ends one of its children can begin the next: decided at the call. */
function childOptions(effect: MapEffect): StoredOptions {
  const version = versionOf(effect);
  const maxDuration = maxDurationOf(effect);
  return {
    over: "workflow",
    ...(version === undefined ? {} : { version }),
    ...(maxDuration === undefined ? {} : { maxDuration }),
  };
}
