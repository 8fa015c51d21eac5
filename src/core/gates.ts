/** What has to be open before work may begin: a place of `maxConcurrent`, a token of `rateLimit`. Decided where the work is asked for, by the caller. */
import type { AnyDurable, DurableOptions } from "./durable.ts";
import { parseDuration } from "./duration.ts";
import { show } from "./option.ts";

/** Gates of one piece of work, as they are stored with it. */
export interface Gates {
  /** At most so many at a time under this name. */
  readonly limit?: { readonly name: string; readonly places: number };
  /** Starts under this name: a bucket of so many tokens, which fills up evenly within `perMs`. */
  readonly rate?: { readonly name: string; readonly tokens: number; readonly perMs: number };
}

type Options = DurableOptions<readonly unknown[]>;

/** The gates of a call, as text; undefined for work that has none. @throws TypeError for a key that is no text; what a key function throws */
export function gatesOf(fn: AnyDurable, args: readonly unknown[]): string | undefined {
  const { maxConcurrent, rateLimit } = fn.options as Options;
  if (maxConcurrent === undefined && rateLimit === undefined) return undefined;
  const { functionName: name } = fn;
  const gates: Gates = {
    ...(maxConcurrent === undefined
      ? {}
      : {
          limit:
            typeof maxConcurrent === "number"
              ? { name: gateName("limit", name), places: maxConcurrent }
              : {
                  name: gateName(
                    "limit",
                    name,
                    keyOf(`maxConcurrent of "${name}"`, maxConcurrent.key, args),
                  ),
                  places: maxConcurrent.limit,
                },
        }),
    ...(rateLimit === undefined
      ? {}
      : {
          rate: {
            name: gateName(
              "rate",
              name,
              rateLimit.key && keyOf(`rateLimit of "${name}"`, rateLimit.key, args),
            ),
            tokens: rateLimit.limit,
            perMs: parseDuration(rateLimit.per),
          },
        }),
  };
  return JSON.stringify(gates);
}

/** Gates that were stored. */
export function gatesFrom(text: string): Gates {
  return JSON.parse(text) as Gates;
}

/** The function's name and key of a gate's name. */
export function ofGate(name: string): { readonly fn: string; readonly key: string | undefined } {
  const [, fn, key] = JSON.parse(name) as [string, string, string?];
  return { fn, key };
}

function gateName(kind: "limit" | "rate", name: string, key?: string): string {
  return JSON.stringify(key === undefined ? [kind, name] : [kind, name, key]);
}

/** Longest key: it stands in an index. */
const maxKeyLength = 1_000;

function keyOf(
  what: string,
  key: (...args: readonly unknown[]) => string,
  args: readonly unknown[],
): string {
  const made: unknown = key(...args);
  if (typeof made !== "string")
    throw new TypeError(`the key of ${what} must be a string, got ${show(made)}`);
  if (made.length > maxKeyLength)
    throw new TypeError(
      `the key of ${what} must have at most ${maxKeyLength} characters, got ${made.length}`,
    );
  return made;
}
