import { append } from "../core/append.ts";
import type { CallEffect } from "../core/effects/call.ts";
import type { DispatchEffect, TransactionEffect } from "../core/effects/lineage.ts";
import type { MapEffect } from "../core/effects/map.ts";
import { resolveDispatchOptions } from "../core/dispatch-options.ts";
import type { SendSignalEffect } from "../core/effects/signal.ts";
import { parseDuration } from "../core/duration.ts";
import type { WorkflowOptions } from "../core/durable.ts";
import type { TurnEntry } from "../core/interpreter/turn.ts";
import { stepId } from "../core/places.ts";
import type { Payload } from "../core/payload.ts";
import {
  attemptPolicy,
  placementOf,
  totalTimeoutOf,
  unqueued,
  type Placement,
  type StoredOptions,
} from "../core/step-options.ts";
import type {
  ClaimedExecution,
  NewChild,
  NewDispatch,
  NewFanout,
  NewTask,
  Send,
} from "../store/store.ts";
import type { RunId } from "./journal-loading.ts";
import { LocalStep } from "./local-step.ts";
import type { RetriedStep } from "./local-steps.ts";
import { dispatchedId } from "./run-facts.ts";
import type { RunHost } from "./run-host.ts";
import { noOptions } from "./step-runner.ts";
import type { TransactionStep } from "./transaction-step.ts";
import type { OpenEntry, TurnBuilder } from "./turn-builder.ts";

/** What a turn's new entries ask of the world, decided before the commit and done after it. */
export interface Requested {
  readonly tasks: readonly NewTask[];
  readonly fanouts: readonly NewFanout[];
  readonly children: readonly NewChild[];
  readonly sends: readonly Send[];
  readonly dispatches: readonly NewDispatch[];
  /** To be begun here once the turn is stored; their slots are taken. */
  readonly steps: readonly LocalStep[];
  readonly closures: readonly { readonly path: string; readonly fn: () => unknown }[];
  readonly transactions: readonly TransactionStep[];
  /** Items of the tasks that are taken at once, by their place among those. */
  readonly takenItems: readonly {
    readonly task: NewTask;
    readonly items: readonly { readonly item: number; readonly input: Payload }[];
  }[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
const none: readonly never[] = [];

/** Collects what a turn asks for. Its lists are made when first needed: there is one a turn. */
export class Outbound implements Writable<Requested> {
  tasks: Requested["tasks"] = none;
  fanouts: Requested["fanouts"] = none;
  children: Requested["children"] = none;
  sends: Requested["sends"] = none;
  dispatches: Requested["dispatches"] = none;
  steps: Requested["steps"] = none;
  closures: Requested["closures"] = none;
  transactions: Requested["transactions"] = none;
  takenItems: Requested["takenItems"] = none;

  add<K extends keyof Requested>(list: K, item: Requested[K][number]): void {
    const target = this as Record<keyof Requested, readonly unknown[]>;
    const begun = target[list] === none ? undefined : (target[list] as unknown[]);
    target[list] = append(begun, item);
  }
}

/** Where and how the work of new entries runs: here at once, or in the queue. */
export class Outgoing {
  readonly #host: RunHost;
  readonly #run: RunId;
  #execution: ClaimedExecution;

  constructor(host: RunHost, execution: ClaimedExecution) {
    this.#host = host;
    this.#run = execution;
    this.#execution = execution;
  }

  reclaimed(execution: ClaimedExecution): void {
    this.#execution = execution;
  }

  /** `slotKept`: the claim has kept a slot for the first activity of this turn. @returns whether it was used. */
  send(
    entries: Iterable<TurnEntry>,
    builder: TurnBuilder,
    outbound: Outbound,
    slotKept: boolean,
  ): boolean {
    let kept = slotKept;
    for (const entry of entries) {
      const { effect } = entry;
      if (effect === undefined) continue;
      if (effect.kind === "call" && entry.kind === "call")
        kept = this.#call(entry, effect, builder, outbound, kept);
      else if (effect.kind === "call") this.#child(entry, effect, builder, outbound);
      else if (effect.kind === "map") this.#map(entry, effect, builder, outbound);
      else if (effect.kind === "sendSignal") this.#message(entry, effect, builder, outbound);
      else if (effect.kind === "dispatch") this.#dispatch(entry, effect, builder, outbound);
      else if (effect.kind === "run") {
        builder.place(entry.path, { attempt: 1, here: true, startedAt: this.#now() });
        outbound.add("closures", { path: entry.path, fn: effect.fn });
      } else if (effect.kind === "transaction") {
        builder.place(entry.path, { attempt: 1, here: true, startedAt: this.#now() });
        this.transact(entry.path, effect, builder, outbound);
      }
    }
    return slotKept && !kept;
  }

  /**
   * An activity whose attempt was lost, or that is asked for anew: begins here if it may, else waits in the queue. One that was running when
   * its process died goes through the queue: there its outcome is stored by itself, so that a death in the turn that follows is the turn's.
   */
  again(
    step: {
      readonly path: string;
      readonly effect: CallEffect;
      readonly attempt: number;
      readonly failures: number;
      readonly input: Payload;
      readonly suspected: boolean;
    },
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const { path, effect, attempt, failures, input, suspected } = step;
    const placement = placementOf(effect.fn, effect.options, this.#execution);
    const here = !suspected && this.#takeSlots(effect.name, placement, 1) === 1;
    builder.change(path, {
      attempt: here ? attempt + 1 : attempt,
      failures,
      here,
      value: undefined,
      startedAt: here ? this.#now() : undefined,
    });
    const open = builder.entry(path);
    if (open === undefined) return;
    if (here)
      outbound.add(
        "steps",
        this.#stepOf(open, effect, placement, input, attempt + 1, failures, open.scheduledAt),
      );
    else
      outbound.add(
        "tasks",
        this.#task({ seq: open.seq, path, name: effect.name, placement, attempt, failures }),
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
    const placement = {
      queue: step.queue,
      priority: step.options.priority ?? this.#execution.priority,
      tags: step.options.tags ?? this.#execution.tags,
    };
    outbound.add("tasks", {
      ...this.#task({
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

  /** A closure that the store runs here, once the turn that begins it is stored. */
  transact(
    path: string,
    { name, fn }: TransactionEffect,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const open = builder.entry(path);
    if (open === undefined) return;
    const { seq, attempt } = open;
    outbound.add("transactions", { path, seq, name, attempt, fn });
  }

  /** A message whose sending was not answered. Its key makes a second sending harmless. */
  resend(
    path: string,
    effect: SendSignalEffect,
    input: Payload,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const open = builder.entry(path);
    if (open !== undefined) outbound.add("sends", this.#send(open, effect, input));
  }

  #call(
    entry: TurnEntry,
    effect: CallEffect,
    builder: TurnBuilder,
    outbound: Outbound,
    kept: boolean,
  ): boolean {
    const placement = placementOf(effect.fn, effect.options, this.#execution);
    const options = this.#stored(effect.options, placement);
    const serves = this.#host.serves({
      kind: "activity",
      name: effect.name,
      version: undefined,
      ...placement,
    });
    const here = serves && (kept || this.#takeSlots(effect.name, placement, 1) === 1);
    builder.place(entry.path, {
      options: options === noOptions ? undefined : JSON.stringify(options),
      attempt: here ? 1 : 0,
      here,
      startedAt: here ? this.#now() : undefined,
    });
    const open = builder.entry(entry.path);
    if (open === undefined) return kept;
    if (!here) {
      outbound.add(
        "tasks",
        this.#task({
          seq: open.seq,
          path: entry.path,
          name: effect.name,
          placement,
          attempt: 0,
          failures: 0,
        }),
      );
      return kept;
    }
    outbound.add(
      "steps",
      this.#stepOf(open, effect, placement, entry.input as Payload, 1, 0, this.#now()),
    );
    return false;
  }

  #stepOf(
    entry: OpenEntry,
    effect: CallEffect,
    placement: Placement,
    input: Payload,
    attempt: number,
    failures: number,
    scheduledAt: number,
  ): LocalStep {
    const options = this.#stored(effect.options, placement);
    const policy =
      this.#host.steps.policyOf(effect.name, options) ?? attemptPolicy(effect.fn, options);
    return new LocalStep(this.#runOf(entry), {
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

  #child(entry: TurnEntry, effect: CallEffect, builder: TurnBuilder, outbound: Outbound): void {
    const open = builder.entry(entry.path);
    if (open === undefined) return;
    outbound.add("children", {
      seq: open.seq,
      id: stepId(this.#run, entry.path),
      kind: "workflow",
      name: effect.name,
      version: effect.options?.version ?? effect.fn.options.version,
      input: entry.input as Payload,
      options: effect.options === undefined ? undefined : JSON.stringify(effect.options),
      ...placementOf(effect.fn, effect.options, this.#execution),
      delayMs: 0,
      maxDurationMs: maxDurationOf(effect),
    });
  }

  #map(entry: TurnEntry, effect: MapEffect, builder: TurnBuilder, outbound: Outbound): void {
    const placement = placementOf(effect.fn, effect.options, this.#execution);
    const tolerated = effect.tolerate ?? (effect.onError === "settle" ? null : undefined);
    const totalTimeout = totalTimeoutOf(effect.fn, effect.options);
    const options: StoredOptions = {
      ...this.#stored(effect.options, placement),
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
    outbound.add("fanouts", {
      seq: open.seq,
      inputs,
      tolerated: tolerated === null ? undefined : (tolerated ?? 0),
      released,
      children,
    });
    if (children) return;
    const here = this.#takeSlots(effect.name, placement, released);
    const call = { path: entry.path, name: effect.name, placement, attempt: 0, failures: 0 };
    const range = { ...this.#task({ seq: open.seq, ...call }), totalTimeoutMs: totalTimeout };
    if (here > 0) {
      const task = { ...range, itemFrom: 0, itemTo: here, here: true };
      outbound.add("tasks", task);
      outbound.add("takenItems", {
        task,
        items: inputs.slice(0, here).map((input, item) => ({ item, input })),
      });
    }
    if (here < released) outbound.add("tasks", { ...range, itemFrom: here, itemTo: released });
  }

  #message(
    entry: TurnEntry,
    effect: SendSignalEffect,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    // The receiver, for who reads the history.
    builder.place(entry.path, { options: JSON.stringify({ execution: effect.execution }) });
    const open = builder.entry(entry.path);
    if (open !== undefined) outbound.add("sends", this.#send(open, effect, entry.input as Payload));
  }

  /** It inherits nothing. */
  #dispatch(
    entry: TurnEntry,
    effect: DispatchEffect,
    builder: TurnBuilder,
    outbound: Outbound,
  ): void {
    const id = dispatchedId(entry, this.#run);
    // Its id, for who reads the history.
    builder.place(entry.path, { options: JSON.stringify({ execution: id }) });
    const open = builder.entry(entry.path);
    if (open === undefined) return;
    const { fn, options: overrides } = effect;
    const options = resolveDispatchOptions(effect.dispatchOptions);
    const queue = options.queue ?? overrides?.queue ?? fn.options.queue;
    const maxDuration =
      fn.kind === "workflow" ? (overrides?.maxDuration ?? fn.options.maxDuration) : undefined;
    outbound.add("dispatches", {
      seq: open.seq,
      ifExists: options.ifExists,
      execution: {
        id,
        kind: fn.kind,
        name: effect.name,
        version: fn.kind === "workflow" ? (overrides?.version ?? fn.options.version) : undefined,
        input: entry.input as Payload,
        options: overrides === undefined ? undefined : JSON.stringify(overrides),
        queue: queue === unqueued ? undefined : queue,
        priority: options.priority ?? overrides?.priority ?? fn.options.priority ?? 0,
        tags: options.tags ?? overrides?.tags ?? fn.options.tags ?? [],
        delayMs: options.delayMs,
        maxDurationMs:
          options.maxDurationMs ??
          (maxDuration === undefined ? undefined : parseDuration(maxDuration)),
        totalTimeoutMs: totalTimeoutOf(fn, overrides),
      },
    });
  }

  #send(entry: OpenEntry, effect: SendSignalEffect, input: Payload): Send {
    return {
      seq: entry.seq,
      executionId: effect.execution,
      name: effect.name,
      payload: input,
      dedupe: `from ${stepId(this.#runOf(entry), entry.path)}`,
    };
  }

  /** What an entry is called by others it keeps when the execution goes on after a failure, though what is asked for newly is called otherwise. */
  #runOf({ cut }: OpenEntry): RunId {
    return cut === undefined || cut === this.#run.cut ? this.#run : { ...this.#run, cut };
  }

  #task(task: {
    readonly seq: number;
    readonly path: string;
    readonly name: string;
    readonly placement: Placement;
    readonly attempt: number;
    readonly failures: number;
  }): NewTask {
    const { placement, ...rest } = task;
    return {
      ...rest,
      ...placement,
      delayMs: 0,
      error: undefined,
      itemFrom: undefined,
      itemTo: undefined,
      here: false,
    };
  }

  #takeSlots(name: string, placement: Placement, places: number): number {
    return this.#host.takeEagerly(
      { kind: "activity", name, version: undefined, ...placement },
      places,
    );
  }

  /** What has to be stored of a call's options: what its place of call sets, and where it runs if not where its execution does. */
  #stored(overrides: StoredOptions | undefined, placement: Placement): StoredOptions {
    const own = this.#execution;
    if (
      overrides === undefined &&
      placement.queue === own.queue &&
      placement.priority === own.priority &&
      placement.tags === own.tags
    )
      return noOptions;
    return {
      ...overrides,
      ...(placement.queue === own.queue ? {} : { queue: placement.queue ?? unqueued }),
      ...(placement.priority === own.priority ? {} : { priority: placement.priority }),
      ...(placement.tags === own.tags ? {} : { tags: placement.tags }),
    };
  }

  #now(): number {
    return this.#host.deps.clock.now();
  }
}

/** What the journal keeps of a map over a workflow, so that whoever ends one of its children can begin the next: decided at the call. */
function childOptions(effect: MapEffect): StoredOptions {
  const version = effect.options?.version ?? effect.fn.options.version;
  const maxDuration = maxDurationOf(effect);
  return {
    over: "workflow",
    ...(version === undefined ? {} : { version }),
    ...(maxDuration === undefined ? {} : { maxDuration }),
  };
}

function maxDurationOf({ fn, options }: CallEffect | MapEffect): number | undefined {
  const duration = options?.maxDuration ?? (fn.options as WorkflowOptions<unknown[]>).maxDuration;
  return duration === undefined ? undefined : parseDuration(duration);
}
