/** Checks of single options: each names the option and the value that is wrong. */
import { parseDuration, type Duration } from "./duration.ts";
import { InvalidDurationError } from "./errors.ts";

/** @throws TypeError for what is no object, and for a name that is none of `known`: a slip would otherwise be a promise that nobody keeps. */
export function knownOptions(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`the options of ${what} must be an object, got ${show(options)}`);
  }
  // Effects come through here too, one by one: for…in makes no list of the names.
  for (const name in options) {
    if (known.includes(name) || !Object.hasOwn(options, name)) continue;
    throw new TypeError(
      known.length === 0
        ? `${what} takes no options, got "${name}"`
        : `${what} has no option "${name}"; it takes ${known.join(", ")}`,
    );
  }
}

/** Milliseconds; undefined stays so. @throws InvalidDurationError naming the option. */
export function durationOption(option: string, value: Duration): number;
export function durationOption(option: string, value: Duration | undefined): number | undefined;
export function durationOption(option: string, value: Duration | undefined): number | undefined {
  if (value === undefined) return undefined;
  try {
    return parseDuration(value);
  } catch (error) {
    if (!(error instanceof InvalidDurationError)) throw error;
    throw inOption(option, error);
  }
}

/** The stack repeats the message, and is what is printed; it may be written only when it is first read. */
function inOption(option: string, error: InvalidDurationError): InvalidDurationError {
  const { message, stack } = error;
  error.message = `${option}: ${message}`;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
  return error;
}

/** Milliseconds above 0; undefined stays so. @throws RangeError or InvalidDurationError naming the option. */
export function positiveDurationOption(option: string, value: Duration): number;
export function positiveDurationOption(
  option: string,
  value: Duration | undefined,
): number | undefined;
export function positiveDurationOption(
  option: string,
  value: Duration | undefined,
): number | undefined {
  const ms = durationOption(option, value);
  if (ms !== 0) return ms;
  throw new RangeError(
    `${option} must be longer than 0, got ${show(value)}; leave it out for none`,
  );
}

/** A text that names something; undefined stays so. @throws TypeError naming the option. */
export function nameOption(option: string, value: string | undefined): string | undefined {
  if (value === undefined || (typeof value === "string" && value !== "")) return value;
  throw new TypeError(`${option} must be a non-empty string, got ${show(value)}`);
}

/** Texts that name something; undefined stays so. @throws TypeError naming the option. */
export function namesOption(
  option: string,
  value: readonly string[] | undefined,
): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (
    Array.isArray(value) &&
    value.every((name: unknown) => typeof name === "string" && name !== "")
  ) {
    return Object.freeze([...value] as string[]);
  }
  throw new TypeError(`${option} must be an array of non-empty strings, got ${show(value)}`);
}

/** A whole number from `from` on; undefined stays so. @throws RangeError naming the option. */
export function wholeNumberOption(
  option: string,
  from: number,
  value: number | undefined,
): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value >= from)) return value;
  throw new RangeError(`${option} must be a whole number from ${from}, got ${show(value)}`);
}

/** One of some words; undefined stays so. @throws TypeError naming the option. */
export function wordOption<W extends string>(
  option: string,
  words: readonly W[],
  value: W | undefined,
): W | undefined {
  if (value === undefined || words.includes(value)) return value;
  throw new TypeError(
    `${option} must be one of ${words.map((word) => `"${word}"`).join(", ")}, got ${show(value)}`,
  );
}

/** A value as a message shows it. */
export function show(value: unknown): string {
  try {
    const text = textOf(value);
    return text.length > 100 ? `${text.slice(0, 100)}…` : text;
  } catch {
    return "an object"; // without a prototype, say
  }
}

function textOf(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  // A handle prints as its id, and would look like the text that was asked for.
  return typeof value === "object" &&
    value !== null &&
    "id" in value &&
    typeof value.id === "string"
    ? `an object whose id is ${JSON.stringify(value.id)}`
    : String(value);
}
