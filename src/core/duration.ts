/** Durations: what people write, and the milliseconds they mean. */
import { InvalidDurationError } from "./errors.ts";

/** A duration as named parts, which are added up. */
export interface DurationParts {
  weeks?: number;
  days?: number;
  hours?: number;
  minutes?: number;
  seconds?: number;
  milliseconds?: number;
}

/** "30s", "1h30m", "2d8h", "1w", "250ms" (strict: whole string, no spaces, no sign), a number of milliseconds, or parts. */
export type Duration = string | number | DurationParts;

/** The longest duration there is: 100 years of 365.25 days, in milliseconds. */
export const maxDurationMs = 100 * 365.25 * 86_400_000;

const maxTextLength = 64;
const wholeText = /^(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+$/;
const token = /(\d+(?:\.\d+)?)(ms|[smhdw])/g;

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const partMs: ReadonlyMap<string, number> = new Map([
  ["milliseconds", 1],
  ["seconds", 1_000],
  ["minutes", 60_000],
  ["hours", 3_600_000],
  ["days", 86_400_000],
  ["weeks", 604_800_000],
]);

/**
 * Reads a duration; 0 is allowed.
 * @returns whole milliseconds: a fraction is rounded up, so that nothing fires early.
 * @throws InvalidDurationError naming the text it could not read; also for NaN, negative, infinite and more than 100 years.
 */
export function parseDuration(value: Duration): number {
  if (typeof value === "number") return inRange(value, value);
  if (typeof value === "string") return inRange(fromText(value), value);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return inRange(fromParts(value), value);
  }
  throw new InvalidDurationError(show(value));
}

function fromText(text: string): number {
  if (text.length > maxTextLength) {
    throw new InvalidDurationError(text, `it is longer than ${maxTextLength} characters`);
  }
  if (!wholeText.test(text)) throw new InvalidDurationError(text);
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(token)) {
    totalMs += Number(amount) * (unitMs[unit ?? ""] ?? Number.NaN);
  }
  return totalMs;
}

function fromParts(parts: DurationParts): number {
  const entries = Object.entries(parts);
  if (entries.length === 0) throw new InvalidDurationError("{}");
  let totalMs = 0;
  for (const [part, amount] of entries) {
    const ms = partMs.get(part);
    if (ms === undefined) {
      throw new InvalidDurationError(
        show(parts),
        `"${part}" is none of ${[...partMs.keys()].join(", ")}`,
      );
    }
    if (amount === undefined) continue;
    if (typeof amount !== "number" || !(amount >= 0)) {
      throw new InvalidDurationError(
        show(parts),
        `${part} must be a number from 0, got ${show(amount)}`,
      );
    }
    totalMs += amount * ms;
  }
  return totalMs;
}

function inRange(ms: number, value: Duration): number {
  if (!(ms >= 0 && ms <= maxDurationMs)) {
    throw new InvalidDurationError(
      show(value),
      "it must be from 0 to 100 years, in milliseconds if it is a number",
    );
  }
  // 1.1s is 1100.0000000000002 in binary floating point: what is a billionth off is whole.
  const whole = Math.round(ms);
  return Math.abs(ms - whole) < 1e-9 * Math.max(1, whole) ? whole : Math.ceil(ms);
}

function show(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return `an ${typeof value}`;
  }
}
