import { isGeneratorFunction } from "./define.ts";
import type { Effect, Flow } from "./effects/effect.ts";

/** A named generator function around an effect: what it yields is done in its place, and what it returns is the effect's outcome. */
export type Middleware = (
  effect: Effect<unknown>,
  next: (effect: Effect<unknown>) => Flow<unknown>,
) => Flow<unknown>;

/** @returns them, in their order. @throws TypeError for what is no list of generator functions with a name each, told apart by it */
export function checkMiddleware(given: unknown): readonly Middleware[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw new TypeError("middleware must be an array of functions");
  const names = new Set<string>();
  for (const each of given as unknown[]) {
    if (typeof each !== "function" || !isGeneratorFunction(each as () => unknown))
      throw new TypeError(
        "middleware takes generator functions: function* name(effect, next) { return yield* next(effect); }",
      );
    if (each.name === "")
      throw new TypeError(
        "a middleware needs a name, by which the runs that began with it know it: function* name(effect, next) { … }",
      );
    if (names.has(each.name))
      throw new TypeError(`two middlewares have the name "${each.name}"; give one another name`);
    names.add(each.name);
  }
  return Object.freeze([...(given as Middleware[])]);
}
