/**
 * What two coroutines of one run have yielded, compared effect by effect. With a crash after every write a run of n steps is replayed n
 * times, so what is done for each step of a replay counts: an effect that cannot change and holds nothing but plain values is compared as
 * it is. Only others are written down as they would be stored.
 */
import type { AnyEffect } from "../../core/effects/any-effect.ts";
import type { PayloadCodec } from "../../core/payload.ts";
import type { RunId } from "../../worker/journal-loading.ts";
import { Trace, type YieldedStep } from "../../worker/trace.ts";

/** One effect: itself, or where it may change, as it was. */
type Step =
  | { readonly path: string; readonly effect: AnyEffect; readonly trace?: undefined }
  | { readonly path: string; readonly trace: Trace; readonly effect?: undefined };

/** What one coroutine has yielded, in that order. */
export class YieldedSteps {
  readonly #codec: PayloadCodec;
  readonly #run: RunId;
  readonly #steps: Step[] = [];

  constructor(codec: PayloadCodec, run: RunId) {
    this.#codec = codec;
    this.#run = run;
  }

  get length(): number {
    return this.#steps.length;
  }

  add(effect: AnyEffect, path: string): void {
    this.#steps.push(this.step(effect, path));
  }

  /** As it is kept. */
  step(effect: AnyEffect, path: string): Step {
    return isPlain(effect) ? { path, effect } : { path, trace: this.#traced(effect, path) };
  }

  /** Whether this was yielded there, as far as that can be seen at once. */
  isPlainlyAt(index: number, effect: AnyEffect, path: string): boolean {
    const known = this.#steps[index];
    return known?.effect !== undefined && known.path === path && isSame(known.effect, effect);
  }

  /** Whether this was yielded there. */
  isAt(index: number, step: Step): boolean {
    const known = this.#steps[index];
    if (known?.path !== step.path) return false;
    if (step.effect !== undefined && this.isPlainlyAt(index, step.effect, step.path)) return true;
    return this.#traceOf(known).difference(this.#traceOf(step)) === undefined;
  }

  at(index: number): YieldedStep | undefined {
    const known = this.#steps[index];
    return known && this.told(known);
  }

  /** As it is told of. */
  told(step: Step): YieldedStep | undefined {
    return this.#traceOf(step).steps[0];
  }

  #traceOf(step: Step): Trace {
    return step.trace ?? this.#traced(step.effect, step.path);
  }

  #traced(effect: AnyEffect, path: string): Trace {
    const trace = new Trace(this.#codec, this.#run);
    trace.add(effect, path);
    return trace;
  }
}

/** The first place at which two coroutines differ. */
export interface StepDifference {
  readonly first: YieldedStep | undefined;
  readonly second: YieldedStep | undefined;
}

/** What a second coroutine yields, held against what the first has. */
export class RepeatedSteps {
  readonly #first: YieldedSteps;
  /** So many were the same. */
  #same = 0;
  /** Those that the first, which is driven after this one, has not come to. */
  #ahead: Step[] = [];
  #difference: StepDifference | undefined;

  constructor(first: YieldedSteps) {
    this.#first = first;
  }

  add(effect: AnyEffect, path: string): void {
    if (this.#difference !== undefined) return;
    if (this.#ahead.length === 0 && this.#first.isPlainlyAt(this.#same, effect, path)) {
      this.#same += 1;
      return;
    }
    const step = this.#first.step(effect, path);
    if (this.#same < this.#first.length && this.#ahead.length === 0) this.#compare(step);
    else this.#ahead.push(step);
  }

  /** By now; undefined if both have yielded the same. */
  difference(): StepDifference | undefined {
    for (const step of this.#ahead.splice(0))
      if (this.#difference === undefined) this.#compare(step);
    if (this.#difference === undefined && this.#same < this.#first.length)
      this.#difference = { first: this.#first.at(this.#same), second: undefined };
    return this.#difference;
  }

  #compare(step: Step): void {
    if (this.#first.isAt(this.#same, step)) this.#same += 1;
    else this.#difference = { first: this.#first.at(this.#same), second: this.#first.told(step) };
  }
}

/** It cannot change, and each of its fields is one value or a list of such. */
function isPlain(effect: AnyEffect): boolean {
  return Object.isFrozen(effect) && Object.values(effect).every(isPlainField);
}

function isPlainField(field: unknown): boolean {
  return Array.isArray(field)
    ? Object.isFrozen(field) && field.every(isPrimitive)
    : isPrimitive(field);
}

function isPrimitive(value: unknown): boolean {
  if (value === null) return true;
  return typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol";
}

/** Whether an effect carries what a plain one does. */
function isSame(plain: AnyEffect, effect: AnyEffect): boolean {
  let fields = 0;
  for (const name in plain) {
    if (!isSameField(Reflect.get(plain, name), Reflect.get(effect, name))) return false;
    fields += 1;
  }
  return Object.keys(effect).length === fields;
}

function isSameField(plain: unknown, other: unknown): boolean {
  if (!Array.isArray(plain)) return Object.is(plain, other);
  if (!Array.isArray(other) || other.length !== plain.length) return false;
  for (let index = 0; index < plain.length; index += 1)
    if (!Object.is(plain[index], other[index])) return false;
  return true;
}
