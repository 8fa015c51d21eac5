/** When and after what delay a failed attempt is repeated. Decides only; the caller brings chance and counts failures. */
import { errorClassName, isErrorOf } from "./error-classes.ts";
import { parseDuration, type Duration } from "./duration.ts";
import { NonRetryableError } from "./errors.ts";
import { durationOption, knownOptions, show } from "./option.ts";

/** A class of errors. */
// oxlint-disable-next-line typescript/no-explicit-any -- any constructor of errors will do
export type ErrorClass = abstract new (...args: any[]) => Error;

/** Says of a live error whether it is retried: true after the policy's delay, `{ after }` after this one, false not at all. */
export type RetryPredicate = (error: unknown, attempt: number) => boolean | { after: Duration };

/** How often and after what delay failed attempts are repeated: min(initialDelay × backoffFactor^(attempt−1), maxDelay), ± jitter share. */
export interface RetryPolicy {
  /** Attempts in all, the first included. Activities 3, workflows 1. An attempt that is lost with its worker is not counted, except under 1, which means: started once at most. */
  maxAttempts?: number;
  /** Before the second attempt. Default "1s". */
  initialDelay?: Duration;
  /** By this the delay grows with each failure. Default 2. */
  backoffFactor?: number;
  /** Longest delay, before jitter. Default "60s". */
  maxDelay?: Duration;
  /** ± share of the delay, 0…1. Default 0.1. */
  jitter?: number;
  /** Which errors are retried: classes (by instanceof or name) or a predicate. Default: every error but NonRetryableError. */
  retryFor?: readonly ErrorClass[] | RetryPredicate;
}

/** A retry policy that may also name error classes by text, as one that has travelled does. */
export type RetrySettings = Omit<RetryPolicy, "retryFor"> & {
  retryFor?: readonly (ErrorClass | string)[] | RetryPredicate;
};

/** A retry policy as data that travels with a call: delays in milliseconds, classes by name; only what was set. */
export interface RetryData {
  readonly maxAttempts?: number;
  readonly initialDelay?: number;
  readonly backoffFactor?: number;
  readonly maxDelay?: number;
  readonly jitter?: number;
  readonly retryFor?: readonly string[];
}

/** A retry policy with everything decided and checked. */
export interface ResolvedRetry {
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly backoffFactor: number;
  readonly maxDelayMs: number;
  readonly jitter: number;
  readonly retryFor: readonly (ErrorClass | string)[] | RetryPredicate | undefined;
}

/** What to do after an attempt failed; `predicateError` is what a `retryFor` predicate threw, which ends the retries. */
export type AfterFailure =
  | { readonly kind: "retry"; readonly delayMs: number }
  | { readonly kind: "giveUp"; readonly predicateError?: unknown };

const defaults = { initialDelay: "1s", backoffFactor: 2, maxDelay: "60s", jitter: 0.1 } as const;
const known = ["maxAttempts", "initialDelay", "backoffFactor", "maxDelay", "jitter", "retryFor"];

/**
 * A policy as its author wrote it; `what` says where. Only here are misspelt options refused: one that has travelled may come from a
 * newer version.
 * @throws as `resolveRetry`; TypeError for a name that is none of a policy's.
 */
export function checkRetry(policy: RetrySettings, what: string): void {
  resolveRetry(policy, 1, what);
  knownOptions(what, policy, known);
}

/**
 * Every option of a policy decided, checked once.
 * @throws RangeError, TypeError or InvalidDurationError naming the option, `what` it is of, and its value.
 */
export function resolveRetry(
  policy: RetrySettings | undefined,
  defaultMaxAttempts: number,
  what = "retry",
): ResolvedRetry {
  if (
    policy !== undefined &&
    (typeof policy !== "object" || policy === null || Array.isArray(policy))
  ) {
    throw new TypeError(
      `${what} must be an object such as { maxAttempts: 5 }, got ${show(policy)}`,
    );
  }
  const {
    maxAttempts = defaultMaxAttempts,
    initialDelay = defaults.initialDelay,
    backoffFactor = defaults.backoffFactor,
    maxDelay = defaults.maxDelay,
    jitter = defaults.jitter,
    retryFor,
  } = policy ?? {};
  if (
    maxAttempts !== Number.POSITIVE_INFINITY &&
    !(Number.isSafeInteger(maxAttempts) && maxAttempts >= 1)
  ) {
    throw new RangeError(
      `maxAttempts of ${what} must be a whole number from 1, or Infinity, got ${show(maxAttempts)}`,
    );
  }
  if (!(Number.isFinite(backoffFactor) && backoffFactor >= 0)) {
    throw new RangeError(
      `backoffFactor of ${what} must be a number from 0, got ${show(backoffFactor)}`,
    );
  }
  if (!(typeof jitter === "number" && jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`jitter of ${what} must be a number from 0 to 1, got ${show(jitter)}`);
  }
  return {
    maxAttempts,
    initialDelayMs: durationOption(`initialDelay of ${what}`, initialDelay),
    backoffFactor,
    maxDelayMs: durationOption(`maxDelay of ${what}`, maxDelay),
    jitter,
    retryFor: checkedRetryFor(retryFor, what),
  };
}

/** Delay in whole milliseconds after so many failures; `random` is a number from 0 to 1. */
export function retryDelayMs(policy: ResolvedRetry, failures: number, random: number): number {
  if (policy.initialDelayMs === 0) return 0; // 0 × Infinity is NaN
  const grown = policy.initialDelayMs * policy.backoffFactor ** (failures - 1);
  const delayMs = Math.min(grown, policy.maxDelayMs);
  return Math.max(0, Math.round(delayMs * (1 + policy.jitter * (2 * random - 1))));
}

/**
 * What to do after an attempt threw `error`; `failures` counts the failed attempts, this one included, and `random` is a number from 0
 * to 1. A predicate that throws, or answers with something else than a boolean or `{ after }`, ends the retries.
 */
export function afterFailure(
  policy: ResolvedRetry,
  error: unknown,
  failures: number,
  random: number,
): AfterFailure {
  if (failures >= policy.maxAttempts || isErrorOf(error, NonRetryableError))
    return { kind: "giveUp" };
  const { retryFor } = policy;
  if (typeof retryFor === "function") {
    try {
      const answer = parseAnswer(retryFor(error, failures));
      if (answer === false) return { kind: "giveUp" };
      if (answer !== true) return { kind: "retry", delayMs: answer.afterMs };
    } catch (predicateError) {
      return { kind: "giveUp", predicateError };
    }
  } else if (retryFor !== undefined && !retryFor.some((wanted) => isErrorOf(error, wanted))) {
    return { kind: "giveUp" };
  }
  return { kind: "retry", delayMs: retryDelayMs(policy, failures, random) };
}

/** Merges a policy set at the place of call over the definition's: what `override` leaves out stays. */
export function mergeRetry(
  base: RetryPolicy | undefined,
  override: RetryPolicy | undefined,
): RetryPolicy;
export function mergeRetry(
  base: RetrySettings | undefined,
  override: RetrySettings | undefined,
): RetrySettings;
export function mergeRetry(
  base: RetrySettings | undefined,
  override: RetrySettings | undefined,
): RetrySettings {
  const given = Object.entries(override ?? {}).filter(([, value]) => value !== undefined);
  return { ...base, ...Object.fromEntries(given) };
}

/**
 * A policy as data that can travel with a call: only what was set, so that it merges over the definition's.
 * @throws TypeError for a predicate, which is code; RangeError, TypeError or InvalidDurationError for a wrong value.
 */
export function retryToData(policy: RetrySettings): RetryData {
  const { maxAttempts, initialDelay, backoffFactor, maxDelay, jitter, retryFor } = policy;
  if (typeof retryFor === "function") {
    throw new TypeError(
      "retryFor given with a call must be a list of error classes: a predicate is code and cannot travel with the call; put it into the definition",
    );
  }
  const resolved = resolveRetry(policy, 1);
  return {
    // Infinity is no JSON.
    ...(maxAttempts === undefined
      ? {}
      : { maxAttempts: Math.min(resolved.maxAttempts, Number.MAX_SAFE_INTEGER) }),
    ...(initialDelay === undefined ? {} : { initialDelay: resolved.initialDelayMs }),
    ...(backoffFactor === undefined ? {} : { backoffFactor }),
    ...(maxDelay === undefined ? {} : { maxDelay: resolved.maxDelayMs }),
    ...(jitter === undefined ? {} : { jitter }),
    ...(retryFor === undefined
      ? {}
      : {
          retryFor: retryFor.map((wanted) =>
            typeof wanted === "string" ? wanted : errorClassName(wanted),
          ),
        }),
  };
}

/** A policy that has travelled, for `mergeRetry` and `resolveRetry`. */
export function retryFromData(data: RetryData): RetrySettings {
  return data;
}

function checkedRetryFor(
  retryFor: RetrySettings["retryFor"],
  what: string,
): ResolvedRetry["retryFor"] {
  if (retryFor === undefined || (typeof retryFor === "function" && !isErrorClass(retryFor)))
    return retryFor;
  if (typeof retryFor === "function")
    throw new TypeError(`retryFor of ${what} takes a list of error classes: [${retryFor.name}]`);
  if (
    !Array.isArray(retryFor) ||
    !retryFor.every((wanted) => typeof wanted === "string" || typeof wanted === "function")
  ) {
    throw new TypeError(`retryFor of ${what} must be a list of error classes, or a predicate`);
  }
  return retryFor;
}

function isErrorClass(fn: unknown): boolean {
  return fn === Error || (typeof fn === "function" && fn.prototype instanceof Error);
}

function parseAnswer(answer: unknown): boolean | { readonly afterMs: number } {
  if (typeof answer === "boolean") return answer;
  if (typeof answer === "object" && answer !== null && "after" in answer) {
    return { afterMs: parseDuration(answer.after as Duration) };
  }
  const given = answer instanceof Promise ? "a promise" : typeof answer;
  if (answer instanceof Promise) answer.catch(() => undefined);
  throw new TypeError(`a retryFor predicate must answer true, false or { after }, got ${given}`);
}
