/** Middleware that more than one test has use for. */
import { now, signal, type Middleware } from "stentjs";

/** Every call waits until it is approved. */
export const policy: Middleware = function* policy(effect, next) {
  if (effect.kind === "call") yield* signal("approved");
  return yield* next(effect);
};

/** What fails is handed on once more. */
export const again: Middleware = function* again(effect, next) {
  try {
    return yield* next(effect);
  } catch {
    return yield* next(effect);
  }
};

/** Looks at the clock before every call. */
export const timed: Middleware = function* timed(effect, next) {
  if (effect.kind === "call") yield* now();
  return yield* next(effect);
};

export const passing: Middleware = function* passing(effect, next) {
  return yield* next(effect);
};
