import { SerializationError } from "../core/errors.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import type { Place } from "../core/serializer.ts";

/** What is read, or the error that says why it cannot be: for whoever shows what there is. */
export function orUnreadable<T>(read: () => T): T | SerializationError {
  try {
    return read();
  } catch (error) {
    if (error instanceof SerializationError) return error;
    throw error;
  }
}

/** An error that is stored, or the one that says why it cannot be read. */
export function storedErrorOf(
  codec: PayloadCodec,
  payload: Payload | undefined,
  place: Place,
): Error | undefined {
  return payload === undefined
    ? undefined
    : orUnreadable(() => codec.decodeFailure(payload, place));
}
