import { isDurable } from "../define.ts";
import type { AnyDurable, Durable, Workflow } from "../durable.ts";
import { show } from "../option.ts";
import { overridesOf, type Overrides } from "../overrides.ts";
import { validateNow } from "../schema.ts";
import { makeEffect, type Effect } from "./effect.ts";

/** Run an activity or a child workflow and wait for its result. */
export interface CallEffect<out A = unknown> extends Effect<A> {
  readonly kind: "call";
  /** The function's registered name. */
  readonly name: string;
  readonly args: readonly unknown[];
  /** What `with` set at this place of call. */
  readonly options?: Overrides;
  /** The function itself; not enumerable, so that effects compare by name. */
  readonly fn: AnyDurable;
}

/** Run an activity or a child workflow, durably, and wait for its result. Rethrows its error. @throws ValidationError, TypeError */
export function call<A extends readonly unknown[], R>(fn: Durable<A, R>, ...args: A): Effect<R> {
  assertDurable("call", fn);
  const options = overridesOf(fn);
  return makeEffect<CallEffect<R>>(
    {
      kind: "call",
      name: fn.functionName,
      args: Object.freeze(validated(fn, args)),
      ...(options === undefined ? {} : { options }),
    } as Omit<CallEffect<R>, typeof Symbol.iterator>,
    { fn },
  );
}

/** The arguments as they will be stored: what the workflow's `input` schema puts out. @throws ValidationError */
export function validated(fn: AnyDurable, args: readonly unknown[]): readonly unknown[] {
  const schema =
    fn.kind === "workflow" ? (fn as Workflow<unknown[], unknown>).options.input : undefined;
  if (schema === undefined) return args;
  const what = `the input of workflow "${fn.functionName}"`;
  const accepted = validateNow(schema, args, what);
  if (!Array.isArray(accepted))
    throw new TypeError(
      `the schema of ${what} must put out the arguments tuple, not ${typeof accepted}`,
    );
  return [...(accepted as readonly unknown[])];
}

/** @throws TypeError that says what was given instead of a durable function. */
export function assertDurable(what: string, fn: unknown): asserts fn is AnyDurable {
  if (isDurable(fn)) return;
  const wanted = `${what} takes an activity or a workflow`;
  if (typeof fn === "function") {
    const name = fn.name || "(anonymous)";
    throw new TypeError(`${wanted}, got the plain function ${name}; wrap it: activity("name", fn)`);
  }
  throw new TypeError(
    `${wanted}, got ${inShort(fn)}; give it what activity("name", fn) or workflow("name", fn) returned`,
  );
}

const keysShown = 3;

/** An array or an object may be a whole payload: of those a reader needs the type, and enough to know it again. */
function inShort(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value !== "object" || value === null) return show(value);
  const keys = Object.keys(value);
  const more = keys.length > keysShown ? ", …" : "";
  const shown = keys.slice(0, keysShown).map((key) => show(key));
  const type = Object.prototype.toString.call(value);
  return keys.length === 0 ? type : `${type} with ${shown.join(", ")}${more}`;
}
