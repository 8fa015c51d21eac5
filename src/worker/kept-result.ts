import { gatesFrom } from "../core/gates.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import { storedResultPlace } from "../core/places.ts";

/** A result as it is kept for others, where the work is run once for all of them. `gates`: of the work. */
export function keptFor(
  codec: PayloadCodec,
  gates: string | undefined,
  value: unknown,
): Payload | undefined {
  const result = gates === undefined ? undefined : gatesFrom(gates).result;
  return result === undefined ? undefined : codec.encode(value, storedResultPlace(result.name));
}
