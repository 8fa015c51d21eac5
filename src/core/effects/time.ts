import type { Duration } from "../duration.ts";
import { durationOption, show } from "../option.ts";
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
  return makeEffect<SleepEffect>({ kind: "sleep", duration: durationOption("sleep", duration) });
}

/** Durable timer until an instant (a Date, or milliseconds since 1970); one in the past is due at once. @throws TypeError for what is neither; RangeError for a number that is no instant. */
export function sleepUntil(instant: Date | number): Effect<void> {
  return makeEffect<SleepUntilEffect>({ kind: "sleepUntil", at: Math.ceil(msOf(instant)) });
}

const lastInstantMs = 8.64e15;

function msOf(instant: Date | number): number {
  // Date may be another realm's, or a clock's in a test; null and "5", which are numbers to Number(), are none here.
  const given = Object.prototype.toString.call(instant);
  const at = given === "[object Date]" || typeof instant === "number" ? Number(instant) : undefined;
  if (at !== undefined && Math.abs(at) <= lastInstantMs) return at;
  const message = `sleepUntil takes a valid Date or milliseconds since 1970, got ${show(instant)}`;
  throw typeof instant === "number" ? new RangeError(message) : new TypeError(message);
}

const nowEffect = makeEffect<NowEffect>({ kind: "now" });

/** The time by the worker's clock, recorded once: replay sees the same. */
export function now(): Effect<Date> {
  return nowEffect;
}
