import type { CallEffect } from "../core/effects/call.ts";
import { gatesOfCall } from "./effect-gates.ts";
import type { TurnEntry } from "../core/interpreter/turn.ts";
import type { Payload } from "../core/payload.ts";
import { attemptPolicy, type Placement, type StoredOptions } from "../core/step-options.ts";
import { LocalStep } from "./local-step.ts";
import type { RetriedStep } from "./local-steps.ts";
import { newTask } from "./new-task.ts";
import type { Origin } from "./origin.ts";
import type { Outbound } from "./outbound.ts";
import { noOptions } from "./step-runner.ts";
import type { OpenEntry, TurnBuilder } from "./turn-builder.ts";

/** An activity whose attempt was lost, or that is asked for anew. */
export interface AskedAgain {
  readonly path: string;
  readonly effect: CallEffect;
  readonly attempt: number;
  readonly failures: number;
  readonly input: Payload;
  /** What its entry says of where and how it runs: another queue, say, by the replay of its dead letter. */
  readonly stored: StoredOptions;
  /** It was running when its process died. */
  readonly suspected: boolean;
}

/** Calls of activities: each attempt runs here at once where there is a slot for it, else it waits in the queue. */
export class OutgoingCalls {
  readonly #origin: Origin;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /** The first attempt. `slotKept`: the claim has kept a slot for it. @returns whether that slot is still kept. */
  send(
    entry: TurnEntry,
    effect: CallEffect,
    builder: TurnBuilder,
    outbound: Outbound,
    slotKept: boolean,
  ): boolean {
    const origin = this.#origin;
    const placement = origin.placementOf(effect.fn, effect.options);
    const options = origin.stored(effect.options, placement);
    const serves = origin.host.serves({
      kind: "activity",
      name: effect.name,
      version: undefined,
      ...placement,
    });
    // What has gates passes them where it is claimed.
    const gates = gatesOfCall(effect);
    const here =
      serves && gates === undefined && (slotKept || origin.takeSlot(effect.name, placement));
    builder.place(entry.path, {
      options: options === noOptions ? undefined : JSON.stringify(options),
      attempt: here ? 1 : 0,
      here,
      startedAt: here ? origin.now() : undefined,
    });
    const open = builder.entry(entry.path);
    if (open === undefined) return slotKept;
    if (!here) {
      outbound.add(
        "tasks",
        newTask({
          seq: open.seq,
          path: entry.path,
          name: effect.name,
          placement,
          attempt: 0,
          failures: 0,
          gates,
        }),
      );
      return slotKept;
    }
    outbound.add(
      "steps",
      this.#stepOf(open, effect, placement, entry.input as Payload, 1, 0, origin.now()),
    );
    return false;
  }

  /**
   * Begins here if it may, else waits in the queue. One that was running when its process died goes through the queue: there its outcome is
   * stored by itself, so that a death in the turn that follows is the turn's.
   */
  again(step: AskedAgain, builder: TurnBuilder, outbound: Outbound): void {
    const { path, effect, attempt, failures, input, stored, suspected } = step;
    const origin = this.#origin;
    const placement = origin.placementOf(effect.fn, { ...effect.options, ...stored });
    const gates = gatesOfCall(effect);
    const here = !suspected && gates === undefined && origin.takeSlot(effect.name, placement);
    builder.change(path, {
      attempt: here ? attempt + 1 : attempt,
      failures,
      here,
      value: undefined,
      startedAt: here ? origin.now() : undefined,
    });
    const open = builder.entry(path);
    if (open === undefined) return;
    if (here)
      outbound.add(
        "steps",
        this.#stepOf(
          open,
          effect,
          placement,
          input,
          attempt + 1,
          failures,
          open.scheduledAt,
          stored.replays,
        ),
      );
    else
      outbound.add(
        "tasks",
        newTask({ seq: open.seq, path, name: effect.name, placement, attempt, failures, gates }),
      );
  }

  /** A failed activity waits for its next attempt in the queue, where everybody can see it. */
  retryLater(
    { step, payload, delayMs, counted, heartbeat }: RetriedStep,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const failures = step.failures + (counted ? 1 : 0);
    builder.change(step.path, {
      attempt: step.attempt,
      failures,
      here: false,
      value: payload,
      startedAt: undefined,
    });
    const open = builder.entry(step.path);
    if (open === undefined) return;
    const { execution } = this.#origin;
    const placement = {
      queue: step.queue,
      priority: step.options.priority ?? execution.priority,
      tags: step.options.tags ?? execution.tags,
    };
    outbound.add("tasks", {
      ...newTask({
        seq: open.seq,
        path: step.path,
        name: step.name,
        placement,
        attempt: step.attempt,
        failures,
      }),
      delayMs,
      error: payload,
      heartbeat,
    });
  }

  #stepOf(
    entry: OpenEntry,
    effect: CallEffect,
    placement: Placement,
    input: Payload,
    attempt: number,
    failures: number,
    scheduledAt: number,
    replays?: number,
  ): LocalStep {
    const origin = this.#origin;
    const own = origin.stored(effect.options, placement);
    const options = replays === undefined ? own : { ...own, replays };
    const policy =
      origin.host.steps.policyOf(effect.name, options) ?? attemptPolicy(effect.fn, options);
    return new LocalStep(origin.runOf(entry), {
      path: entry.path,
      name: effect.name,
      queue: placement.queue,
      input,
      options,
      policy,
      attempt,
      failures,
      scheduledAt,
    });
  }
}
