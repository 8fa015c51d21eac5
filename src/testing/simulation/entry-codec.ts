import type { Payload } from "../../core/payload.ts";
import type { StoredOptions } from "../../core/step-options.ts";

/** What the interpreter hands on as it was encoded, and what is decoded: the only place in the simulation that says what it is. */

/** What an entry carries, as `encode` gave it. */
export function payloadOf(encoded: unknown): Payload {
  return encoded as Payload;
}

/** What the items of a map carry. */
export function payloadsOf(encoded: unknown): readonly Payload[] {
  return encoded as readonly Payload[];
}

/** Decoded arguments. */
export function argsOf(decoded: unknown): readonly unknown[] {
  return decoded as readonly unknown[];
}

/** What a row keeps of how its entry runs. */
export function optionsOf({
  options,
}: {
  readonly options: string | null;
}): StoredOptions & { readonly execution?: string } {
  return JSON.parse(options ?? "{}") as StoredOptions & { readonly execution?: string };
}

/** A decoded value, as its type says it is. */
export function valueOf<T>(decoded: unknown): T {
  return decoded as T;
}
