import type { CancelledError, ExpiryError } from "../errors.ts";
import type { Flow } from "../effects/effect.ts";
import type { Entry } from "../journal.ts";
import { isGenerator } from "./composites.ts";
import type { CoroutineOptions } from "./coroutine-options.ts";
import { Driver } from "./driver.ts";
import type { Leaf } from "./leaf.ts";
import { Recorded } from "./recorded.ts";
import type { Delivery, Done, Facts, Turn } from "./turn.ts";
import { silence } from "./yielded.ts";

/** Counters and state of an execution. */
export interface Snapshot {
  readonly counters: ReadonlyMap<string, number>;
  readonly state: ReadonlyMap<string, unknown>;
}

/** What a workflow's body may look like to the interpreter. */
export type WorkflowBody = (...args: never) => Flow<unknown>;

/**
 * The interpreter: drives one workflow. Outcomes go in, effects come out; it has no database, no promise, no clock.
 *
 *   C1  What the workflow can observe depends on its arguments and on the deliveries in their order, and on nothing else.
 *   C2  In replay no effect is entered that the journal does not have, and none is left out; else NonDeterminismError.
 *   C3  A coroutine runs ahead of what is stored and cannot be rewound: when a turn could not be stored, drop it and `resume` another.
 *   C4  Values and errors that are delivered belong to the workflow from then on, which may change them: a host stores what it had
 *       before, and gives every coroutine values of its own.
 */
export class Coroutine {
  readonly #driver: Driver;

  private constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** A workflow that has not begun; the first `advance` begins it. @throws what the body throws before it is a generator; TypeError if it is none. */
  static start(
    body: WorkflowBody,
    args: readonly unknown[],
    options: CoroutineOptions = {},
  ): Coroutine {
    return new Coroutine(new Driver(generatorOf(body, args), options));
  }

  /** A workflow brought to where its journal ends; its entries may come in any order. An empty journal: as `start`. @throws NonDeterminismError, and as `start` */
  static resume(
    body: WorkflowBody,
    args: readonly unknown[],
    journal: Iterable<Entry>,
    options: CoroutineOptions = {},
  ): Coroutine {
    const driver = new Driver(generatorOf(body, args), options);
    driver.replay(new Recorded(journal));
    return new Coroutine(driver);
  }

  /** How the run ended; undefined while it goes on. */
  get done(): Done | undefined {
    return this.#driver.done;
  }

  /** Whether the run failed by an error that was delivered to it, and not by one of its own. */
  get failedByOutcome(): boolean {
    return this.#driver.failedByOutcome;
  }

  /** Effects that wait for the host, in the order in which they were reached. */
  pending(): IterableIterator<Leaf> {
    return this.#driver.waiting.all();
  }

  /** The effect that waits at a path. */
  waiting(path: string): Leaf | undefined {
    return this.#driver.waiting.at(path);
  }

  /** Paths that wait for messages, by the signal's name, first come first served. */
  get signalWaits(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#driver.waiting.signals;
  }

  /** Why the whole execution is being closed, if it is. */
  get closingReason(): CancelledError | ExpiryError | undefined {
    return this.#driver.closingReason;
  }

  /** After `resume`: outcomes that the journal has, that were not delivered, and that are still waited for. */
  undelivered(): readonly Entry[] {
    return this.#driver.undelivered();
  }

  /** Counters and state as the workflow sees them now. */
  snapshot(): Snapshot {
    const { counters, state } = this.#driver.ledger;
    return { counters, state };
  }

  /** Takes the outcomes of what has ended by itself at `now`: timers, signal timeouts, deadlines of activities. Each is given once, to be delivered. */
  due(now: number): readonly Delivery[] {
    return this.#driver.due(now);
  }

  /** Delivers what has arrived, in this order, and drives the workflow until it waits again. */
  advance(deliveries: readonly Delivery[], facts: Facts): Turn {
    return this.#driver.advance(deliveries, facts);
  }
}

function generatorOf(body: WorkflowBody, args: readonly unknown[]): Flow<unknown> {
  const generator: unknown = body(...(args as never));
  if (isGenerator(generator)) return generator;
  silence(generator);
  throw new TypeError(
    "a workflow is a generator function: function* (…) { … }; this one returned no generator",
  );
}
