/** What the journal keeps of outcomes, as values: for whoever reads it. */
import type { Outcome } from "./journal.ts";
import type { Payload, PayloadCodec } from "./payload.ts";
import { entryPlace, resultPlace, stepId } from "./places.ts";
import type { Place } from "./serializer.ts";
import { entryStatus, type EntryStatus } from "./status.ts";

/** Which run of which execution. */
export interface RunOf {
  readonly id: string;
  readonly run: number;
  readonly cut: number;
}

/** Where an entry's outcome is encoded: a child's as the child's own result, everything else at the entry. For the items of a map see `itemValuePlaces`. */
export function valuePlace(
  run: RunOf,
  entry: { readonly kind: string; readonly path: string; readonly cut?: number },
): Place {
  if (entry.kind === "child")
    return resultPlace(stepId({ ...run, cut: entry.cut ?? run.cut }, entry.path));
  return entryPlace(run.id, run.run, entry.path);
}

/** A completed or failed outcome as the workflow is given it. @throws SerializationError if it cannot be read */
export function outcomeOf(
  codec: PayloadCodec,
  status: EntryStatus,
  value: Payload | undefined,
  place: Place,
): Outcome {
  if (status === entryStatus.completed)
    return { ok: true, value: value === undefined ? undefined : codec.decode(value, place) };
  return {
    ok: false,
    error:
      value === undefined
        ? new Error("the failure was not stored")
        : codec.decodeFailure(value, place),
  };
}

/** The value of a map whose items have ended: their values in order, or settled results where failures are tolerated (`settling`). */
export function mapValue(
  codec: PayloadCodec,
  placeOf: (item: number) => Place,
  items: readonly {
    readonly item: number;
    readonly status: EntryStatus;
    readonly value: Payload | undefined;
  }[],
  settling: boolean,
): unknown[] {
  return items.map((item) => {
    const outcome = outcomeOf(codec, item.status, item.value, placeOf(item.item));
    if (!settling) {
      if (!outcome.ok) throw outcome.error;
      return outcome.value;
    }
    return outcome.ok
      ? { status: "fulfilled", value: outcome.value }
      : { status: "rejected", reason: outcome.error };
  });
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
