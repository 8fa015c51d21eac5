/**
 * Promises that the code of activities, workflows and `run` closures leaves behind.
 *
 * An activity that starts something and does not await it (`void save()`) leaves a promise that nobody handles. If it is rejected, Node
 * ends the process, and with it every other attempt in it, for an error in one. The attempt itself cannot be failed: it may have ended
 * long before, and its outcome may be stored. So the error is logged as what it is, a fault in the activity's code, and the worker goes on.
 *
 *   U1  Whose promise it is, Node tells: it calls the listener in the async context in which the promise was made (tried on 20 with
 *       promises that were derived, rejected in a timer, or made by `import` and `fetch`). What was made outside of every attempt, a
 *       shared connection say, has no owner; while attempts run it is taken for theirs, and the log names them.
 *   U2  Nothing else is touched. A rejection that is no attempt's has the effect it has without us: Node's own, by its mode
 *       (`--unhandled-rejections`), or that of the user's listeners.
 *   U3  Errors that are thrown, not rejected, in timers and event listeners are beyond this: they end the process, as always.
 */
import type { Observer } from "../observe/observer.ts";
import { AttemptScope, currentOwner, runningScopes, type OtherCode } from "./context.ts";

const maxNamed = 10;

/** The one state of this module: the listeners of a process are its own. Workers that serve, by their observers; the first logs. */
const guards = new Map<symbol, Observer>();

/**
 * While a worker serves: keeps the process alive and logs an error when a promise of an activity is rejected and nobody handles it.
 * @returns a function that ends it; Node's own way is back when the last one is called.
 */
export function guardUnhandledRejections(observer: Observer): () => void {
  const guard = Symbol("guard");
  guards.set(guard, observer);
  if (guards.size === 1) process.on("unhandledRejection", onUnhandledRejection);
  return () => {
    if (guards.delete(guard) && guards.size === 0) {
      process.off("unhandledRejection", onUnhandledRejection);
    }
  };
}

function onUnhandledRejection(reason: unknown): void {
  const owner = currentOwner();
  if (owner instanceof AttemptScope) return logOwned(owner, reason);
  if (owner !== undefined) return logOther(owner, reason);
  const suspects = [...runningScopes()];
  if (suspects.length > 0) return logUnowned(suspects, reason);
  if (process.listenerCount("unhandledRejection") === 1) handBack(reason);
}

function logOwned(owner: AttemptScope, error: unknown): void {
  owner.log.error(
    `activity "${owner.functionName}" left a promise behind that was rejected, with nobody to handle it: ` +
      `await it in the activity, or give it a catch. The attempt's outcome is not changed by it.`,
    { error },
  );
}

function logOther({ title, executionId }: OtherCode, error: unknown): void {
  const [observer] = guards.values();
  observer?.log.error(
    `${title} left a promise behind that was rejected, with nobody to handle it: make promises in activities, and await them there. ` +
      `The execution is not changed by it.`,
    { executionId, error },
  );
}

function logUnowned(suspects: readonly AttemptScope[], error: unknown): void {
  const [observer] = guards.values();
  if (observer === undefined) return;
  const names = [...new Set(suspects.map((scope) => `"${scope.functionName}"`))];
  const more = names.length > maxNamed ? ` and ${names.length - maxNamed} more` : "";
  observer.log.error(
    `a promise was rejected with nobody to handle it, and it cannot be told whose it is; the activities that ran then: ` +
      `${names.slice(0, maxNamed).join(", ")}${more}. Whoever made the promise has to await it, or give it a catch.`,
    { error },
  );
}

/** By U2: rejected once more, without us, so that Node does what its mode says. If the process outlives it, we are back. */
function handBack(reason: unknown): void {
  process.off("unhandledRejection", onUnhandledRejection);
  void Promise.reject(reason);
  setImmediate(() => {
    if (guards.size === 0) return;
    process.off("unhandledRejection", onUnhandledRejection);
    process.on("unhandledRejection", onUnhandledRejection);
  });
}
