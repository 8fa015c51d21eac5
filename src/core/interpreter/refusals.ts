import { DeadlockError, NotSupportedError, TurnLimitError } from "../errors.ts";
import type { Settlement } from "./node.ts";

/** What the interpreter throws at a yield. */

/** How many effects in a row may be answered at once before the workflow waits for anything; past it TurnLimitError is thrown at the yield. */
export const maxUnwaitedEffects = 100_000;
/** Longest path of an effect: branches within branches. PostgreSQL keeps no index entry over 2,704 bytes. */
export const maxPathLength = 1_000;

/** An error, thrown at the yield. */
export type Refusal = Extract<Settlement, { kind: "error" }>;

export function failed(error: unknown): Refusal {
  return { kind: "error", error };
}

export function notSupported(kind: string): Refusal {
  return failed(
    new NotSupportedError(
      `the effect ${JSON.stringify(kind)} is not supported by this version of Stent`,
    ),
  );
}

export function usedTwice(what: string): Refusal {
  return failed(
    new TypeError(
      `the same generator was given to ${what} twice, or runs already; ` +
        "call its function once for each branch, or write branch(fn, …)",
    ),
  );
}

export function continuesElsewhere(): Refusal {
  return failed(
    new TypeError(
      "continueAsNew ends the whole run: yield it in the body of the workflow itself, not in a branch, a shield or an undo step, and not while the execution is being closed",
    ),
  );
}

export function undoInUndo(): Refusal {
  return failed(
    new TypeError(
      "compensate in an undo step: nothing undoes an undo step; what it does has to be safe to repeat",
    ),
  );
}

export function noSuchTask(what: string, id: string): Refusal {
  return failed(
    new TypeError(
      `${what} takes a task that fork has given in this run of the workflow; there is none with the id ${JSON.stringify(id)}`,
    ),
  );
}

export function joinsItself(): Refusal {
  return failed(
    new TypeError(
      "a branch cannot join the fork that it is part of: it would wait for its own end",
    ),
  );
}

export function waitsInCircle(): DeadlockError {
  return new DeadlockError(
    "every branch of the workflow waits for the end of another one, in a circle; one of them has to end without its join or cancel",
  );
}

export function nestedTooDeeply(): Refusal {
  return failed(
    new RangeError(
      `branches are nested too deeply: the path of an effect may have ${maxPathLength} characters. ` +
        "Make the inner ones a child workflow: call(workflow, …)",
    ),
  );
}

export function tooManyEffects(): TurnLimitError {
  return new TurnLimitError(
    `the workflow yielded ${maxUnwaitedEffects} effects in a row without waiting for anything: a loop without an end? ` +
      "Sleep or call something in it, or use continueAsNew",
  );
}
