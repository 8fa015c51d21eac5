import type { HistoryEntry } from "../client/history.ts";
import type { Duration } from "../core/duration.ts";
import type { Workflow } from "../core/durable.ts";
import { gatesOf } from "../core/gates.ts";
import { signalName, type SignalDefinition } from "../core/effects/signal.ts";
import { NonDeterminismError } from "../core/errors.ts";
import { durationOption, knownOptions, show } from "../core/option.ts";
import { inputPlace, resultPlace } from "../core/places.ts";
import { digest } from "../runtime/digest.ts";
import { dateOption, listOption } from "./kit-option.ts";
import type { Mock } from "./mock.ts";
import { decodedState } from "./simulation/memory-journal.ts";
import type { SimulatedExecution } from "./simulation/execution.ts";
import type { Ended } from "./simulation/host.ts";
import { historyOf } from "./simulation/history-codec.ts";
import { valueOf } from "./simulation/entry-codec.ts";
import { World } from "./simulation/world.ts";
import { testedWorkflow, type TestedWorkflow } from "./tested-workflow.ts";

/** What happens to a workflow while it is simulated. */
export interface SimulateOptions {
  /** Stand-ins by reference, typed by the activity they replace; what has none runs for real. */
  mocks?: readonly Mock[];
  /** Messages to deliver, each at a virtual time from the start. */
  signals?: readonly SimulatedSignal[];
  /** When it is cancelled, as a virtual time from the start. */
  cancelAt?: Duration;
  /** Default: 2000-01-01T00:00:00Z, so that what is compared is the same on every day. */
  startAt?: Date;
  /** Seed of random(), uuid(), jitter and fault choices. Default 0. */
  seed?: number;
  /** After each journal write the run is abandoned and resumed from its journal with this probability; 1: after every one. */
  crash?: number;
  /** Activities complete twice with this probability; those under maxAttempts 1 never. */
  duplicate?: number;
}

/** A message. */
export interface SimulatedSignal {
  readonly at: Duration;
  // oxlint-disable-next-line typescript/no-explicit-any -- of any type
  readonly name: string | SignalDefinition<any, any>;
  readonly payload: unknown;
}

/** What came of it. */
export interface Simulation<R> {
  readonly outcome:
    { readonly ok: true; readonly value: R } | { readonly ok: false; readonly error: Error };
  /** Everything the workflow asked for, in the order in which it was reached: snapshot-testable. */
  readonly history: readonly HistoryEntry[];
  /** Virtual milliseconds from start to end. */
  readonly elapsed: number;
  readonly crashes: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly state: Readonly<Record<string, unknown>>;
}

/**
 * Runs a workflow in memory and in virtual time: the interpreter, the serializer and the retry policies are those of production.
 * @throws NonDeterminismError, naming the seed, if what it does depends on where it was abandoned; Error if it would wait for ever;
 * TypeError, RangeError or InvalidDurationError for a wrong option; ValidationError, SerializationError for the arguments
 */
export async function simulate<A extends readonly unknown[], R>(
  workflow: Workflow<A, R>,
  args: NoInfer<A>,
  options: SimulateOptions = {},
): Promise<Simulation<R>> {
  const tested = testedWorkflow("simulate", workflow, args);
  const setting = settingOf(options);
  const world = new World(setting);
  const root = startRoot(world, tested);
  for (const { at, name, payload } of setting.signals)
    world.clock.schedule(at, () => root.inbox.send(name, payload));
  if (setting.cancelAtMs !== undefined)
    world.clock.schedule(setting.cancelAtMs, () => root.cancel());
  try {
    const ended = await world.runUntilEnded(root);
    return resultOf<R>(world, root, ended);
  } catch (error) {
    throw error instanceof NonDeterminismError ? withSeed(error, setting) : error;
  }
}

/** An execution of this workflow, the first of its world. @throws SerializationError */
function startRoot(world: World, { fn, args }: TestedWorkflow): SimulatedExecution {
  const id = "simulated";
  const input = world.codec.encode(args, inputPlace(id), "args");
  return world.start({ id, fn, input, gates: gatesOf(fn, args, digest) });
}

function resultOf<R>(world: World, root: SimulatedExecution, ended: Ended): Simulation<R> {
  const { counters, state } = root.records;
  let history: readonly HistoryEntry[] | undefined;
  return {
    outcome: outcomeOf<R>(world, root, ended),
    /** Made when it is asked for: of ten thousand steps it is the greater part of the work. */
    get history() {
      return (history ??= historyOf(root.runs));
    },
    elapsed: ended.at - root.startedAt,
    crashes: world.crashes,
    counters: Object.fromEntries(counters),
    state: Object.fromEntries(decodedState(world.codec, root, state)),
  };
}

function outcomeOf<R>(
  { codec }: World,
  { id }: SimulatedExecution,
  { status, payload }: Ended,
): Simulation<R>["outcome"] {
  const place = resultPlace(id);
  return status === "completed"
    ? { ok: true, value: valueOf<R>(codec.decode(payload, place)) }
    : { ok: false, error: codec.decodeFailure(payload, place) };
}

function withSeed(
  error: NonDeterminismError,
  { seed, crash }: { seed: number; crash: number },
): Error {
  const { path, recorded, yielded } = error;
  const message = `${error.message} (seed ${seed}, crash ${crash})`;
  return new NonDeterminismError({ path, recorded, yielded, message });
}

const known = ["mocks", "signals", "cancelAt", "startAt", "seed", "crash", "duplicate"];

interface Setting {
  readonly mocks: readonly Mock[] | undefined;
  readonly signals: readonly {
    readonly at: number;
    readonly name: string;
    readonly payload: unknown;
  }[];
  readonly cancelAtMs: number | undefined;
  readonly startAt: Date | undefined;
  readonly seed: number;
  readonly crash: number;
  readonly duplicate: number;
}

function settingOf(options: SimulateOptions): Setting {
  knownOptions("simulate", options, known);
  const { mocks, startAt, seed = 0, crash = 0, duplicate = 0 } = options;
  if (!Number.isSafeInteger(seed))
    throw new RangeError(`seed must be a whole number, got ${show(seed)}`);
  return {
    mocks,
    signals: listOption("signals", options.signals).map((signal) => {
      knownOptions("a signal of simulate", signal, ["at", "name", "payload"]);
      const { at, name, payload } = signal;
      // Without a time it would be one that never comes.
      return { at: durationOption("at of a signal", at ?? ""), name: signalName(name), payload };
    }),
    cancelAtMs: durationOption("cancelAt", options.cancelAt),
    startAt: dateOption("startAt", startAt),
    seed,
    crash: probability("crash", crash),
    duplicate: probability("duplicate", duplicate),
  };
}

function probability(option: string, value: number): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw new RangeError(`${option} must be a probability from 0 to 1, got ${show(value)}`);
}
