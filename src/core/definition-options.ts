/** Options of activities and workflows, checked where the author can see the mistake: at the definition, and at `with`. */
import type { ActivityOptions, AnyDurable, WorkflowOptions } from "./durable.ts";
import type { Duration } from "./duration.ts";
import { knownOptions, positiveDurationOption, show } from "./option.ts";
import { checkRetry } from "./retry.ts";

type Kind = AnyDurable["kind"];
/** Those of both kinds at once: each is checked if it is there, and it is there only in the kind that takes it. */
type DefinitionOptions = ActivityOptions<never> & WorkflowOptions<never>;

const ofBoth = [
  "queue",
  "priority",
  "tags",
  "retry",
  "version",
  "cached",
  "idempotent",
  "idempotencyKey",
  "maxConcurrent",
  "rateLimit",
];
/** What travels with a call: `input`, which is code, does not. */
const ofCall: Readonly<Record<Kind, readonly string[]>> = {
  activity: [...ofBoth, "timeout", "totalTimeout", "heartbeatTimeout"],
  workflow: [...ofBoth, "maxDuration"],
};
const ofDefinition: Readonly<Record<Kind, readonly string[]>> = {
  activity: ofCall.activity,
  workflow: [...ofCall.workflow, "input"],
};
const durations = ["timeout", "totalTimeout", "heartbeatTimeout", "maxDuration"] as const;

/** @throws TypeError, RangeError or InvalidDurationError naming the option and the function */
export function checkDefinitionOptions(kind: Kind, name: string, options: unknown): void {
  const fn = `${kind} "${name}"`;
  knownOptions(fn, options, ofDefinition[kind]);
  checkValues(fn, options as DefinitionOptions);
}

/** The options of `with`. @throws as `checkDefinitionOptions` */
export function checkCallOptions(kind: Kind, name: string, options: unknown): void {
  const fn = `${kind} "${name}"`;
  knownOptions(`with of ${fn}`, options, ofCall[kind]);
  checkValues(fn, options as DefinitionOptions);
}

function checkValues(fn: string, options: DefinitionOptions): void {
  const { retry, queue, priority, tags, version } = options;
  if (retry !== undefined) checkRetry(retry, `retry of ${fn}`);
  for (const name of durations) positiveDurationOption(`${name} of ${fn}`, options[name]);
  if (queue !== undefined && (typeof queue !== "string" || queue === "")) {
    throw new TypeError(`queue of ${fn} must be a non-empty string`);
  }
  if (priority !== undefined && !Number.isSafeInteger(priority)) {
    throw new TypeError(`priority of ${fn} must be a whole number, got ${String(priority)}`);
  }
  if (
    tags !== undefined &&
    !(Array.isArray(tags) && tags.every((tag) => typeof tag === "string" && tag !== ""))
  ) {
    throw new TypeError(`tags of ${fn} must be an array of non-empty strings`);
  }
  checkLimits(fn, options);
  checkResults(fn, options);
  if (version !== undefined && (typeof version !== "string" || version === "")) {
    throw new TypeError(`version of ${fn} must be a non-empty string`);
  }
}

function checkResults(fn: string, { cached, idempotent, idempotencyKey }: DefinitionOptions): void {
  for (const [name, option] of Object.entries({ cached, idempotent })) {
    if (option === undefined || typeof option === "boolean") continue;
    knownOptions(`${name} of ${fn}`, option, ["ttl"]);
    if ((option as { readonly ttl?: Duration }).ttl === undefined)
      throw new TypeError(`${name} of ${fn} needs a ttl, or true for no end`);
    positiveDurationOption(`ttl of ${name} of ${fn}`, option.ttl);
  }
  if (idempotencyKey !== undefined) keyFunction(`idempotencyKey of ${fn}`, idempotencyKey);
}

function checkLimits(fn: string, { maxConcurrent, rateLimit }: DefinitionOptions): void {
  if (typeof maxConcurrent === "object" && maxConcurrent !== null) {
    knownOptions(`maxConcurrent of ${fn}`, maxConcurrent, ["limit", "key"]);
    wholeNumberFromOne(`limit of maxConcurrent of ${fn}`, maxConcurrent.limit);
    keyFunction(`key of maxConcurrent of ${fn}`, maxConcurrent.key);
  } else if (maxConcurrent !== undefined) {
    wholeNumberFromOne(`maxConcurrent of ${fn}`, maxConcurrent);
  }
  if (rateLimit === undefined) return;
  knownOptions(`rateLimit of ${fn}`, rateLimit, ["limit", "per", "key"]);
  wholeNumberFromOne(`limit of rateLimit of ${fn}`, rateLimit.limit);
  const { per } = rateLimit as { readonly per?: Duration };
  if (per === undefined)
    throw new TypeError(`rateLimit of ${fn} needs per, the time in which its bucket fills up`);
  positiveDurationOption(`per of rateLimit of ${fn}`, per);
  if (rateLimit.key !== undefined) keyFunction(`key of rateLimit of ${fn}`, rateLimit.key);
}

function wholeNumberFromOne(what: string, value: unknown): void {
  if (!(Number.isSafeInteger(value) && (value as number) >= 1))
    throw new RangeError(`${what} must be a whole number from 1, got ${show(value)}`);
}

function keyFunction(what: string, key: unknown): void {
  if (typeof key !== "function")
    throw new TypeError(`${what} must be a function of the arguments, got ${show(key)}`);
}
