import { AssertionError, deepStrictEqual } from "node:assert";
import { isDeepStrictEqual } from "node:util";
import { isDurable } from "../core/define.ts";
import type { Workflow } from "../core/durable.ts";
import { describeEffect, isEffect, type Effect, type Flow } from "../core/effects/effect.ts";
import { CancelledError } from "../core/errors.ts";
import { notAnEffect } from "../core/interpreter/yielded.ts";
import { show } from "../core/option.ts";
import { workflowGiven } from "./tested-workflow.ts";
import { yieldLine } from "./yield-line.ts";

/** A workflow that is answered by hand. What is asserted and does not hold is an AssertionError. */
export interface Stepper<R> {
  /** The effect now waiting for an answer. @throws if the workflow has ended. */
  readonly effect: Effect<unknown>;
  readonly done: boolean;
  /** Asserts that the waiting effect deep-equals this one. */
  expect(effect: Effect<unknown>): this;
  /** Answers it with a value. */
  resolve(value?: unknown): this;
  /** Answers it with an error. */
  reject(error: unknown): this;
  /** Closes the workflow, as `return()` does: what its `finally` blocks yield comes next. */
  cancel(): this;
  /** Asserts that the workflow returned this. */
  returns(value: R): void;
  /** Asserts that the workflow threw this; closed by `cancel`: `throws(CancelledError)`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- any class of errors
  throws(error: (new (...args: any[]) => Error) | RegExp): void;
}

/** Begins a workflow that is answered by hand: no engine, no database, no clock. */
export function step<A extends readonly unknown[], R>(
  workflow: Workflow<A, R>,
  ...args: A
): Stepper<R> {
  const { functionName } = workflowGiven("step", workflow);
  return new GeneratorStepper<R>(functionName, workflow(...args));
}

type Phase =
  | { readonly kind: "waiting"; readonly effect: Effect<unknown> }
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly error: unknown };

class GeneratorStepper<R> implements Stepper<R> {
  readonly #name: string;
  readonly #flow: Flow<R>;
  #phase: Phase;
  #cancelled = false;

  constructor(name: string, flow: Flow<R>) {
    this.#name = name;
    this.#flow = flow;
    this.#phase = this.#go(() => flow.next());
  }

  get done(): boolean {
    return this.#phase.kind !== "waiting";
  }

  get effect(): Effect<unknown> {
    if (this.#phase.kind === "waiting") return this.#phase.effect;
    throw failure(`workflow "${this.#name}" waits for nothing: it ${this.#end}`);
  }

  expect(expected: Effect<unknown>): this {
    if (!isEffect(expected))
      throw new TypeError(
        `expect takes an effect, such as call(charge, 5), got ${shown(expected)}`,
      );
    const yielded = this.#phase.kind === "waiting" ? this.#phase.effect : undefined;
    if (yielded === undefined) {
      throw failure(
        `workflow "${this.#name}" should have yielded ${describeEffect(expected)}, but it ${this.#end}`,
      );
    }
    if (!isDeepStrictEqual(yielded, expected)) throw this.#differs(yielded, expected);
    return this;
  }

  resolve(value?: unknown): this {
    return this.#answer(() => this.#flow.next(value));
  }

  reject(error: unknown): this {
    return this.#answer(() => this.#flow.throw(error));
  }

  cancel(): this {
    if (this.#cancelled) {
      throw failure(
        `workflow "${this.#name}" is being closed already; nothing interrupts what it does then`,
      );
    }
    // Its type asks for the result, which nobody has.
    const flow: Generator<unknown, unknown, unknown> = this.#flow;
    this.#answer(() => flow.return(undefined));
    this.#cancelled = true;
    return this;
  }

  returns(value: R): void {
    if (this.#phase.kind !== "returned" || this.#cancelled) {
      throw failure(`workflow "${this.#name}" should have returned, but it ${this.#end}`);
    }
    const message = `workflow "${this.#name}" returned something else`;
    compare(this.#phase.value, value, message);
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- as in the contract
  throws(expected: (new (...args: any[]) => Error) | RegExp): void {
    if (typeof expected !== "function" && !(expected instanceof RegExp))
      throw new TypeError(
        `throws takes a class of errors, or a pattern of "name: message", got ${shown(expected)}`,
      );
    const thrown = this.#thrown();
    const wanted = expected instanceof RegExp ? String(expected) : expected.name;
    if (thrown === undefined)
      throw failure(`workflow "${this.#name}" should have thrown ${wanted}, but it ${this.#end}`);
    const fits =
      expected instanceof RegExp
        ? expected.test(told(thrown.error))
        : thrown.error instanceof expected;
    if (fits) return;
    throw failure(
      `workflow "${this.#name}" should have thrown ${wanted}, but it threw ${told(thrown.error)}`,
      thrown.error,
    );
  }

  /** However a `finally` block ends, a workflow that is closed ends by the reason of its close. */
  #thrown(): { readonly error: unknown } | undefined {
    if (this.#phase.kind === "waiting") return undefined;
    if (this.#cancelled) return { error: new CancelledError() };
    return this.#phase.kind === "threw" ? this.#phase : undefined;
  }

  #answer(act: () => IteratorResult<unknown, unknown>): this {
    if (this.#phase.kind !== "waiting")
      throw failure(`workflow "${this.#name}" waits for no answer: it ${this.#end}`);
    this.#phase = this.#go(act);
    return this;
  }

  /** As in the engine, what is no effect is thrown back at its yield. */
  #go(act: () => IteratorResult<unknown, unknown>): Phase {
    try {
      const { done, value } = act();
      if (done === true) return { kind: "returned", value };
      if (isEffect(value)) return { kind: "waiting", effect: value };
      return this.#go(() => this.#flow.throw(notAnEffect(value)));
    } catch (error) {
      return { kind: "threw", error };
    }
  }

  #differs(yielded: Effect<unknown>, expected: Effect<unknown>): AssertionError {
    const line = yieldLine(this.#flow);
    const at = line === undefined ? "" : `\n    at ${line}`;
    const [was, wanted] = [describeEffect(yielded), describeEffect(expected)];
    const message =
      was === wanted
        ? `workflow "${this.#name}" yielded another ${was} than was expected${at}`
        : `workflow "${this.#name}" yielded ${was}, but ${wanted} was expected${at}`;
    return difference(yielded, expected, message);
  }

  get #end(): string {
    if (this.#phase.kind === "waiting") return `waits for ${describeEffect(this.#phase.effect)}`;
    if (this.#cancelled) return "was cancelled";
    return this.#phase.kind === "returned" ? "has returned" : `threw ${told(this.#phase.error)}`;
  }
}

function compare(actual: unknown, expected: unknown, message: string): void {
  if (!isDeepStrictEqual(actual, expected)) throw difference(actual, expected, message);
}

/** The message of a runner's own comparison, below ours: "+ actual - expected", line by line. */
function difference(actual: unknown, expected: unknown, message: string): AssertionError {
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    if (error instanceof AssertionError) return failure(message, undefined, error);
  }
  return failure(message);
}

function failure(message: string, cause?: unknown, compared?: AssertionError): AssertionError {
  const error = new AssertionError({
    message: compared === undefined ? message : `${message}\n\n${compared.message}`,
    actual: compared?.actual,
    expected: compared?.expected,
    operator: "stepper",
  });
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** What was given in the place of something else. */
function shown(value: unknown): string {
  return isDurable(value) ? `${value.kind} "${value.functionName}"` : show(value);
}

function told(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
