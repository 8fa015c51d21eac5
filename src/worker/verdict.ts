import { NonRetryableError, SerializationError } from "../core/errors.ts";
import type { Records } from "../core/interpreter/turn.ts";
import type { Payload, PayloadCodec } from "../core/payload.ts";
import { afterFailure } from "../core/retry.ts";
import type { Place } from "../core/serializer.ts";
import type { AttemptPolicy } from "../core/step-options.ts";
import type { AttemptOutcome } from "./perform.ts";

/** What becomes of a step after an attempt; payloads as they will be stored, values as replay will see them. */
export type Verdict =
  | {
      readonly kind: "completed";
      readonly payload: Payload;
      readonly value: unknown;
      readonly records: Records | undefined;
    }
  | { readonly kind: "failed"; readonly payload: Payload; readonly error: Error }
  | {
      readonly kind: "again";
      readonly payload: Payload;
      readonly delayMs: number;
      readonly error: unknown;
    };

/** How the failures of a step are counted. */
export interface Counting {
  readonly policy: AttemptPolicy;
  /** Failures before this attempt. */
  readonly failures: number;
  /** From 0 to 1, for jitter. */
  readonly random: number;
  /** Nobody wants another attempt. */
  readonly final: boolean;
}

/** Judges how an attempt ended. A result that cannot be stored is a failure that another attempt would not mend. */
export function judge(
  codec: PayloadCodec,
  place: Place,
  outcome: AttemptOutcome,
  counting: Counting,
): Verdict {
  if (!outcome.ok) return judgeFailure(codec, place, outcome.error, counting);
  try {
    const { payload, value } = codec.roundTrip(outcome.value, place, "result");
    const records =
      outcome.records === undefined ? undefined : storable(codec, place, outcome.records);
    return { kind: "completed", payload, value, records };
  } catch (error) {
    if (!(error instanceof SerializationError)) throw error;
    return failed(codec, place, error);
  }
}

/** What an attempt left behind, as replay will see it. Nothing fails by its progress, which is for people: of too much the newest is kept. */
function storable(codec: PayloadCodec, place: Place, { progress = [], ...rest }: Records): Records {
  for (let kept = progress; ; kept = kept.slice(Math.ceil(kept.length / 2))) {
    try {
      const records = kept.length === 0 ? rest : { ...rest, progress: kept };
      return codec.roundTrip(records, place, "records").value as Records;
    } catch (error) {
      if (!(error instanceof SerializationError) || kept.length === 0) throw error;
    }
  }
}

function judgeFailure(
  codec: PayloadCodec,
  place: Place,
  error: unknown,
  counting: Counting,
): Verdict {
  if (counting.final || error instanceof NonRetryableError) return failed(codec, place, error);
  const next = afterFailure(counting.policy.retry, error, counting.failures + 1, counting.random);
  if (next.kind === "giveUp") return failed(codec, place, error);
  return {
    kind: "again",
    payload: codec.encodeFailure(error, place),
    delayMs: next.delayMs,
    error,
  };
}

/** A failure as it will be stored, and as replay will see it. */
export function failed(
  codec: PayloadCodec,
  place: Place,
  error: unknown,
): Extract<Verdict, { kind: "failed" }> {
  const payload = codec.encodeFailure(error, place);
  return { kind: "failed", payload, error: codec.decodeFailure(payload, place) };
}

/** An error's text in one line, for events. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** What an error is called. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "Error";
}
