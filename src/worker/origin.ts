import type { AnyDurable } from "../core/durable.ts";
import { placementOf, unqueued, type Placement, type StoredOptions } from "../core/step-options.ts";
import type { ClaimedExecution } from "../store/store.ts";
import type { RunId } from "./journal-loading.ts";
import type { RunHost } from "./run-host.ts";
import { noOptions } from "./step-runner.ts";
import type { OpenEntry } from "./turn-builder.ts";

/** Where requests come from: a run of an execution. What they inherit of it, what they are called by, and whether its worker has room for them. */
export class Origin {
  readonly host: RunHost;
  readonly run: RunId;
  #execution: ClaimedExecution;

  constructor(host: RunHost, execution: ClaimedExecution) {
    this.host = host;
    this.run = execution;
    this.#execution = execution;
  }

  get execution(): ClaimedExecution {
    return this.#execution;
  }

  /** Claimed again: queue, priority and tags may have been changed meanwhile. */
  reclaimed(execution: ClaimedExecution): void {
    this.#execution = execution;
  }

  now(): number {
    return this.host.deps.clock.now();
  }

  /** Where work runs that this execution asks for. */
  placementOf(fn: AnyDurable, overrides: StoredOptions | undefined): Placement {
    return placementOf(fn, overrides, this.#execution);
  }

  /** What has to be stored of a call's options: what its place of call sets, and where it runs if not where its execution does. */
  stored(overrides: StoredOptions | undefined, placement: Placement): StoredOptions {
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

  /** Takes slots for activities that may run here at once. @returns how many it got. */
  takeSlots(name: string, placement: Placement, places: number): number {
    return this.host.takeEagerly(
      { kind: "activity", name, version: undefined, ...placement },
      places,
    );
  }

  /** What an entry is called by others it keeps when the execution goes on after a failure, though what is asked for newly is called otherwise. */
  runOf({ cut }: OpenEntry): RunId {
    return cut === undefined || cut === this.run.cut ? this.run : { ...this.run, cut };
  }
}
