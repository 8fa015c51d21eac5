/**
 * What comes of a run that is never abandoned, beside the one that is: the first coroutine, kept alive and given the same. A workflow is
 * deterministic if both come to the same. What a closure or a variable of the module has changed in memory is in this one only, so a
 * result that hangs on it shows.
 */
import { isDeepStrictEqual } from "node:util";
import { CancelledError, NonDeterminismError } from "../../core/errors.ts";
import { toFailure } from "../../core/failure.ts";
import type { Coroutine } from "../../core/interpreter/coroutine.ts";
import type { Delivery, Done } from "../../core/interpreter/turn.ts";
import { entryPlace, resultPlace } from "../../core/places.ts";
import { runAs } from "../../worker/context.ts";
import type { YieldedStep } from "../../worker/trace.ts";
import { RepeatedFacts, type Answers, type RunSetting } from "./facts.ts";
import { RepeatedSteps, type YieldedSteps } from "./yielded-steps.ts";

export class Unbroken {
  readonly coroutine: Coroutine;
  readonly #setting: RunSetting;
  readonly #facts: RepeatedFacts;
  readonly #steps: YieldedSteps;
  /** Of the one that was resumed last. */
  #resumed: RepeatedSteps | undefined;

  constructor(setting: RunSetting, coroutine: Coroutine, steps: YieldedSteps) {
    this.#setting = setting;
    this.coroutine = coroutine;
    this.#steps = steps;
    this.#facts = new RepeatedFacts(setting);
  }

  /** For a coroutine that is about to be resumed. */
  repeated(): RepeatedSteps {
    this.#resumed = new RepeatedSteps(this.#steps);
    return this.#resumed;
  }

  /** False until the first crash: then there is only this one. */
  isApart(coroutine: Coroutine): boolean {
    return coroutine !== this.coroutine;
  }

  /** What is delivered belongs to whoever it is delivered to: this one needs values of its own. */
  copies(deliveries: readonly Delivery[]): readonly Delivery[] {
    return deliveries.map((delivery) => this.#copy(delivery));
  }

  advance(deliveries: readonly Delivery[], answers: Answers): void {
    this.#facts.repeat(answers);
    runAs(this.#facts, () => this.coroutine.advance(deliveries, this.#facts));
  }

  /** @throws NonDeterminismError */
  compare(resumed: Coroutine): void {
    if (!this.isApart(resumed)) return;
    this.#compareSteps();
    this.#compareEnds(resumed.done);
  }

  #copy(delivery: Delivery): Delivery {
    if (delivery.kind === "grace") return delivery;
    if (delivery.kind === "cancel") {
      const { reason } = delivery;
      const copy = reason instanceof CancelledError ? new CancelledError(reason.reason) : reason;
      return { ...delivery, reason: copy };
    }
    const { codec, run } = this.#setting;
    const place = entryPlace(run.id, run.run, delivery.path);
    const { outcome } = delivery;
    return {
      ...delivery,
      outcome: outcome.ok
        ? { ok: true, value: codec.roundTrip(outcome.value, place).value }
        : {
            ok: false,
            error: codec.decodeFailure(codec.encodeFailure(outcome.error, place), place),
          },
    };
  }

  #compareSteps(): void {
    const difference = this.#resumed?.difference();
    if (difference === undefined) return;
    const { first, second } = difference;
    const path = first?.path ?? second?.path ?? "";
    throw different(path, { step: first, told: told(first) }, { step: second, told: told(second) });
  }

  #compareEnds(done: Done | undefined): void {
    const [first, second] = [this.#endOf(this.coroutine.done), this.#endOf(done)];
    if (isDeepStrictEqual(first, second)) return;
    throw different("end", { told: tellEnd(first) }, { told: tellEnd(second) });
  }

  /** As far as it is stored. */
  #endOf(done: Done | undefined): End | undefined {
    switch (done?.kind) {
      case undefined:
        return undefined;
      case "completed":
        return { how: "returned", with: this.#stored(done.value) };
      case "failed":
        return { how: "threw", with: failureText(done.error) };
      case "closed":
        return { how: "was closed", with: failureText(done.reason) };
      case "continued":
        return { how: "went on as new", with: undefined };
      default:
        return done satisfies never;
    }
  }

  #stored(value: unknown): unknown {
    const { codec, run } = this.#setting;
    try {
      return codec.roundTrip(value, resultPlace(run.id)).value;
    } catch {
      return undefined; // it fails the run, in words of its own
    }
  }
}

interface End {
  readonly how: string;
  readonly with: unknown;
}

function tellEnd(end: End | undefined): string {
  if (end === undefined) return "it had not ended";
  return `it ${end.how} ${shortened(JSON.stringify(end.with) ?? String(end.with))}`;
}

function failureText(error: unknown): string {
  const { name, message } = toFailure(error);
  return `${name}: ${message}`;
}

interface Told {
  readonly step?: YieldedStep | undefined;
  readonly told: string;
}

function told(step: YieldedStep | undefined): string {
  if (step === undefined) return "it yielded nothing more";
  const { kind, name, path, data } = step;
  const carried = data.length === 0 ? "" : ` with ${shortened(data.map(String).join(", "))}`;
  return `it yielded ${kind}${name === undefined ? "" : ` "${name}"`} at path ${path}${carried}`;
}

function effectOf({ step }: Told): object {
  if (step === undefined) return { kind: "nothing" };
  const { kind, name, path } = step;
  return { kind, ...(name === undefined ? {} : { name }), path };
}

function different(path: string, first: Told, second: Told): NonDeterminismError {
  return new NonDeterminismError({
    path,
    recorded: effectOf(first),
    yielded: effectOf(second),
    message:
      `what the workflow does depends on where it is abandoned and resumed from its journal: without a crash ${first.told}; ` +
      `after one ${second.told}. Look for variables that a run closure or an activity changes, variables of the module, ` +
      `Date.now() and Math.random().`,
  });
}

function shortened(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}
