import { ExpiryError } from "./errors.ts";

/** What a call of an activity, a job or an item of a map ends with once its totalTimeout has passed. */
export function outOfTime(activity: string): ExpiryError {
  return new ExpiryError(
    "ATTEMPT_TIMED_OUT",
    `activity "${activity}" had no outcome within its totalTimeout`,
  );
}
