import type { Duration } from "../duration.ts";
import { checkExecutionId } from "../id.ts";
import { durationOption, knownOptions } from "../option.ts";
import { validateNow, type AnySchema, type StandardSchema } from "../schema.ts";
import { makeEffect, type Effect } from "./effect.ts";

/** T is what the receiver gets, In what the sender gives. The sender validates against `schema`; what the schema puts out is stored and delivered. */
export interface SignalDefinition<T, In = T> {
  readonly name: string;
  readonly schema?: StandardSchema<T, In>;
}

/** Wait for a message. */
export interface SignalEffect<out T = unknown> extends Effect<T> {
  readonly kind: "signal";
  readonly name: string;
  /** Milliseconds. */
  readonly timeout?: number;
}
/** Send a message to an execution. */
export interface SendSignalEffect extends Effect<void> {
  readonly kind: "sendSignal";
  readonly execution: string;
  readonly name: string;
  readonly payload: unknown;
}

/** A signal's name with the type of its payload, and a schema that senders are held to. @throws TypeError for an empty name or another option. */
export function defineSignal<T>(name: string): SignalDefinition<T>;
export function defineSignal<T, In = T>(
  name: string,
  options: { schema: StandardSchema<T, In> },
): SignalDefinition<T, In>;
export function defineSignal(
  name: string,
  options?: { schema: StandardSchema<unknown, unknown> },
): SignalDefinition<unknown> {
  signalName(name);
  if (options !== undefined) knownOptions("defineSignal", options, ["schema"]);
  return Object.freeze({ name, ...options });
}

const known = ["timeout"];

/**
 * Wait for the next message of that name. FIFO inbox: messages sent early are kept, none is lost or delivered twice.
 * @throws TypeError or InvalidDurationError for a wrong name or option; ExpiryError (code WAIT_EXPIRED) at the wait, past `timeout`.
 */
export function signal<T = unknown>(
  // oxlint-disable-next-line typescript/no-explicit-any -- the sender's type does not matter here
  name: string | SignalDefinition<T, any>,
  options?: { timeout?: Duration },
): Effect<T> {
  if (options !== undefined) knownOptions("signal", options, known);
  const timeout = durationOption("timeout of signal", options?.timeout);
  return makeEffect<SignalEffect<T>>({
    kind: "signal",
    name: signalName(name),
    ...(timeout === undefined ? {} : { timeout }),
  });
}

/**
 * Send a message to another execution, exactly once.
 * @throws TypeError for an id that is none; ValidationError against the signal's schema; at the yield ExecutionNotFoundError, ExecutionFinishedError, SerializationError.
 */
export function sendSignal<In>(
  execution: string,
  // oxlint-disable-next-line typescript/no-explicit-any -- the receiver's type does not matter here
  name: string | SignalDefinition<any, In>,
  payload: In,
): Effect<void> {
  checkExecutionId("sendSignal", execution);
  return makeEffect<SendSignalEffect>({
    kind: "sendSignal",
    execution,
    name: signalName(name),
    payload: typeof name === "string" ? payload : validatedPayload(name, payload),
  });
}

/** The name of a signal given by name or definition. @throws TypeError if it has none. */
export function signalName(signalOrName: string | { readonly name: string }): string {
  const name: unknown = typeof signalOrName === "string" ? signalOrName : signalOrName?.name;
  if (typeof name !== "string" || name === "")
    throw new TypeError("a signal needs a name: a non-empty string");
  return name;
}

function validatedPayload(
  definition: { readonly name: string; readonly schema?: AnySchema | undefined },
  payload: unknown,
): unknown {
  return definition.schema === undefined
    ? payload
    : validateNow(definition.schema, payload, `the payload of signal "${definition.name}"`);
}
