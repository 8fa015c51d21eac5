import type { AnyEffect } from "../core/effects/any-effect.ts";
import { validated } from "../core/effects/call.ts";
import type { Workflow } from "../core/durable.ts";
import type { Facts } from "../core/interpreter/turn.ts";
import { itemChildId } from "../core/map-items.ts";
import {
  entryPlace,
  inputPlace,
  resultPlace,
  signalPlace,
  statePlace,
  stepId,
} from "../core/places.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { Clock } from "../runtime/clock.ts";
import { newUuid } from "../runtime/ids.ts";
import type { OtherCode } from "./context.ts";
import type { RunId } from "./journal-loading.ts";

/** What the interpreter gives to be stored, and how it gets it back. */
interface Carrier {
  readonly kind: string;
  readonly path: string;
  readonly effect?: AnyEffect;
}

/** The function that the next run of an execution will run. */
type NextOf = () => Workflow<unknown[], unknown>;

/** The world as a run's interpreter sees it; values are stored at their place: a child's arguments as its own input, a message at its receiver's. */
export class RunFacts implements Facts, OtherCode {
  readonly #clock: Clock;
  readonly #codec: PayloadCodec;
  readonly #run: RunId & { readonly name: string };
  readonly #nextOf: NextOf;

  constructor(
    clock: Clock,
    codec: PayloadCodec,
    run: RunId & { readonly name: string },
    nextOf: NextOf,
  ) {
    this.#clock = clock;
    this.#nextOf = nextOf;
    this.#codec = codec;
    this.#run = run;
  }

  /** By which the code of its workflow is named. */
  get title(): string {
    return `workflow "${this.#run.name}"`;
  }

  get executionId(): string {
    return this.#run.id;
  }

  now(): number {
    return this.#clock.now();
  }

  random(): number {
    return Math.random();
  }

  uuid(): string {
    return newUuid();
  }

  encode(value: unknown, entry: Carrier): unknown {
    const codec = this.#codec;
    const run = this.#run;
    switch (entry.kind) {
      case "call":
        return codec.encode(value, entryPlace(run.id, run.run, entry.path), "args");
      case "child":
        return codec.encode(value, inputPlace(stepId(run, entry.path)), "args");
      case "result":
        return codec.encode(value, resultPlace(run.id));
      case "continueAsNew":
        return codec.encode(this.#nextArgs(value), inputPlace(run.id), "args");
      case "dispatch":
        return codec.encode(value, inputPlace(dispatchedId(entry, run)), "args");
      case "map": {
        const placeOf = itemPlaces(entry, run);
        return (value as readonly unknown[]).map((args, item) =>
          codec.encode(args, placeOf(item), `items[${item}]`),
        );
      }
      case "sendSignal":
        return codec.encode(value, messagePlace(entry, run), "payload");
      case "state.set":
        return codec.encode(value, statePlace(run.id, entry.path), entry.path);
      default:
        return undefined;
    }
  }

  /** As its schema gives them. @throws ValidationError */
  #nextArgs(args: unknown): readonly unknown[] {
    return validated(this.#nextOf(), args as readonly unknown[]);
  }

  decode(encoded: unknown, entry: Carrier): unknown {
    return this.#codec.decode(encoded as Payload, statePlace(this.#run.id, entry.path));
  }
}

/** What the options of its entry will say is not stored yet. */
function itemPlaces(
  { effect, path }: Carrier,
  run: RunId,
): (item: number) => ReturnType<typeof entryPlace> {
  if (effect?.kind === "map" && effect.fn.kind === "workflow")
    return (item) => inputPlace(itemChildId(run, { path }, item));
  const place = entryPlace(run.id, run.run, path);
  return () => place;
}

/** The id of the execution that a `dispatch` starts: its own, if it was given none. */
export function dispatchedId(
  { effect, path }: Pick<Carrier, "effect" | "path">,
  run: RunId,
): string {
  const given = effect?.kind === "dispatch" ? effect.dispatchOptions?.id : undefined;
  return given ?? stepId(run, path);
}

function messagePlace({ effect, path }: Carrier, run: RunId): ReturnType<typeof entryPlace> {
  return effect?.kind === "sendSignal"
    ? signalPlace(effect.execution, effect.name)
    : entryPlace(run.id, run.run, path);
}
