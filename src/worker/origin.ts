import type { AnyDurable } from "../core/durable.ts";
import { placementOf, unqueued, type Placement, type StoredOptions } from "../core/step-options.ts";
import type { ClaimedExecution } from "../store/store.ts";
import type { RunId } from "./journal-loading.ts";
import type { Hold } from "./hold.ts";
import type { RunHost } from "./run-host.ts";
import { noOptions } from "./step-runner.ts";
import type { OpenEntry } from "./turn-builder.ts";

/** Where requests come from: a run of an execution. What they inherit of it, what they are called by, and whether its worker has room for them. */
export class Origin {
  readonly host: RunHost;
  readonly run: RunId;
  readonly #hold: Hold;

  constructor(hold: Hold) {
    this.host = hold.host;
    this.run = hold.execution;
    this.#hold = hold;
  }

  /** Its queue, priority and tags may be others when it is claimed again. */
  get execution(): ClaimedExecution {
    return this.#hold.execution;
  }

  /** The span of the turn that asks. */
  get trace(): string | undefined {
    return this.#hold.trace;
  }

  now(): number {
    return this.host.deps.clock.now();
  }

  /** Where work runs that this execution asks for. */
  placementOf(fn: AnyDurable, overrides: StoredOptions | undefined): Placement {
    return placementOf(fn, overrides, this.execution);
  }

  /** What has to be stored of a call's options: what its place of call sets, and where it runs if not where its execution does. */
  stored(overrides: StoredOptions | undefined, placement: Placement): StoredOptions {
    const own = this.execution;
    const { trace } = this;
    if (
      trace === undefined &&
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
      ...(trace === undefined ? {} : { trace }),
    };
  }

  /** Takes a slot for an activity that may run here at once. */
  takeSlot(name: string, placement: Placement): boolean {
    const lane = { kind: "activity" as const, name, version: undefined, ...placement };
    return this.host.takeEagerly(lane, 1, this.#hold.slice.lasts) === 1;
  }

  /** The same for items of a map, which have no slice: each of them is as much of a beginning as what waits. @returns how many it got. */
  takeSlots(name: string, placement: Placement, places: number): number {
    const lane = { kind: "activity" as const, name, version: undefined, ...placement };
    return this.host.takeEagerly(lane, places, false);
  }

  /** What an entry is called by others it keeps when the execution goes on after a failure, though what is asked for newly is called otherwise. */
  runOf({ cut }: OpenEntry): RunId {
    return cut === undefined || cut === this.run.cut ? this.run : { ...this.run, cut };
  }
}
