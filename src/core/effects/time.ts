import { parseDuration, type Duration } from "../duration.ts";
import { makeEffect, type Effect } from "./effect.ts";

/** Wait for a time. */
export interface SleepEffect extends Effect<void> {
  readonly kind: "sleep";
  /** Milliseconds. */
  readonly duration: number;
}
/** Wait until an instant. */
export interface SleepUntilEffect extends Effect<void> {
  readonly kind: "sleepUntil";
  /** Milliseconds since 1970. */
  readonly at: number;
}
/** The time, as the workflow first saw it. */
export interface NowEffect extends Effect<Date> {
  readonly kind: "now";
}

/** Durable timer. Holds no worker slot and no memory; the wake-up time is recorded once. @throws InvalidDurationError */
export function sleep(duration: Duration): Effect<void> {
  return makeEffect<SleepEffect>({ kind: "sleep", duration: parseDuration(duration) });
}

/** Durable timer until an instant (a Date, or milliseconds since 1970); one in the past is due at once. @throws RangeError for no valid instant. */
export function sleepUntil(instant: Date | number): Effect<void> {
  const at = Number(instant);
  if (!Number.isFinite(at) || Math.abs(at) > 8.64e15) {
    throw new RangeError(
      `sleepUntil takes a valid Date or milliseconds since 1970, got ${String(instant)}`,
    );
  }
  return makeEffect<SleepUntilEffect>({ kind: "sleepUntil", at: Math.ceil(at) });
}

const nowEffect = makeEffect<NowEffect>({ kind: "now" });

/** The time by the worker's clock, recorded once: replay sees the same. */
export function now(): Effect<Date> {
  return nowEffect;
}
