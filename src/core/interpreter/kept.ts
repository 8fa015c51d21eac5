import type { Outcome } from "../journal.ts";

/**
 * What the journal keeps of an outcome that the workflow is given (by C4): the error as it was before a `catch` block or the closing of
 * siblings could put something into it, which a replay would put in once more. A value is kept as it is.
 */
export function kept(outcome: Outcome): Outcome {
  return outcome.ok ? outcome : { ok: false, error: copyOf(outcome.error) };
}

/** The same class, message, stack and own properties. What is no error of the language's kind (a DOMException) is not copied. */
function copyOf(error: unknown): unknown {
  if (!(error instanceof Error) || Object.prototype.toString.call(error) !== "[object Error]")
    return error;
  const copy = Object.setPrototypeOf(new Error(), Object.getPrototypeOf(error) as object) as Error;
  return Object.defineProperties(copy, Object.getOwnPropertyDescriptors(error));
}
