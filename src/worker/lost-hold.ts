import { LeaseLostError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { resultPlace } from "../core/places.ts";
import type { ExecutionRow } from "../store/store.ts";

/** What attempts are told whose worker has been taken for dead. */
export function leaseLost(): LeaseLostError {
  return new LeaseLostError("the lease of this worker was lost");
}

/** Why an execution is not held here any more: it was ended by others, as `force` does, or taken from a worker that was taken for dead. */
export function lossOf(codec: PayloadCodec, row: ExecutionRow | undefined): Error {
  const ended = row?.state === "cancelled" || row?.state === "timed_out";
  return ended && row.result !== undefined
    ? codec.decodeFailure(row.result, resultPlace(row.id))
    : leaseLost();
}
