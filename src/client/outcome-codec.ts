import { SerializationError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { resultPlace } from "../core/places.ts";
import { Result } from "../core/result.ts";
import type { EndedExecution } from "../store/store.ts";

/** How an execution that has ended did so. @throws SerializationError if what is stored cannot be read. */
export function outcomeOf<R>(
  codec: PayloadCodec,
  { id, state, result }: EndedExecution,
): Result<R> {
  const place = resultPlace(id);
  if (result === undefined) {
    throw new SerializationError(`the stored outcome of execution ${id} (${state}) is missing`);
  }
  return state === "completed"
    ? Result.Ok(codec.decode(result, place) as R)
    : Result.Error(codec.decodeFailure(result, place));
}
