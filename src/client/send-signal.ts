import { signalName } from "../core/effects/signal.ts";
import { ExecutionFinishedError, ExecutionNotFoundError } from "../core/errors.ts";
import { knownOptions, nameOption } from "../core/option.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { signalPlace } from "../core/places.ts";
import { validate, type AnySchema } from "../core/schema.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { SignalAnswer, SignalRequest } from "../store/store.ts";
import type { Connection } from "./connection.ts";

/** How a signal is sent. */
export interface SendSignalOptions {
  /** A second signal of that name to that execution under the same key is dropped: a resend does no harm. */
  dedupeKey?: string;
  /** An open transaction of yours on the same database, as with `dispatch`: the message commits with it, or not at all. */
  transaction?: unknown;
}

type AnySignal = string | { readonly name: string; readonly schema?: AnySchema | undefined };

/** The message as it will be stored. @throws TypeError; ValidationError against the signal's schema; SerializationError */
export async function newSignal(
  codec: PayloadCodec,
  id: string,
  signal: AnySignal,
  payload: unknown,
  options: SendSignalOptions = {},
): Promise<SignalRequest> {
  knownOptions("sendSignal", options, ["dedupeKey", "transaction"]);
  const name = signalName(signal);
  const dedupeKey = nameOption("dedupeKey", options.dedupeKey);
  const schema = typeof signal === "string" ? undefined : signal.schema;
  const accepted =
    schema === undefined
      ? payload
      : await validate(schema, payload, `the payload of signal "${name}"`);
  return {
    executionId: id,
    name,
    payload: codec.encode(accepted, signalPlace(id, name)),
    // Told from the keys that workflows send under, which begin with an id.
    dedupe: dedupeKey === undefined ? undefined : `key:${JSON.stringify([name, dedupeKey])}`,
  };
}

/** Puts the message into the inbox. @throws ExecutionNotFoundError, ExecutionFinishedError */
export async function sendSignal(connection: Connection, request: SignalRequest): Promise<void> {
  failpoint("signal.before-submit");
  const answer = await connection.committer.submit("signal", request);
  failpoint("signal.after-commit");
  throwUnsent(request, answer);
}

/** The same in a transaction of the caller's. @throws also TypeError */
export async function sendSignalWithin(
  { store }: Connection,
  request: SignalRequest,
  transaction: unknown,
): Promise<void> {
  throwUnsent(request, await store.within(transaction, "signal", request));
}

function throwUnsent(request: SignalRequest, answer: SignalAnswer): void {
  switch (answer) {
    case "sent":
      return;
    case "not-found":
      throw new ExecutionNotFoundError(request.executionId);
    case "finished":
      throw new ExecutionFinishedError(
        `execution "${request.executionId}" has ended: signal "${request.name}" would reach nobody`,
      );
    default:
      answer satisfies never;
  }
}
