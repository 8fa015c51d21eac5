/**
 * What has to be open before work may begin: its stored result (`idempotent`, `cached`), which then stands for it; a place of `maxConcurrent`; a
 * token of `rateLimit`. Decided where the work is asked for, by the caller.
 */
import { canonicalJson } from "./canonical.ts";
import type { AnyDurable, DurableOptions } from "./durable.ts";
import { parseDuration } from "./duration.ts";
import { show } from "./option.ts";

/** Gates of one piece of work, as they are stored with it. */
export interface Gates {
  /** Run once under this name; what it comes to is kept for so long, or for ever. */
  readonly result?: { readonly name: string; readonly ttlMs?: number };
  /** At most so many at a time under this name. */
  readonly limit?: { readonly name: string; readonly places: number };
  /** Starts under this name: a bucket of so many tokens, which fills up evenly within `perMs`. */
  readonly rate?: { readonly name: string; readonly tokens: number; readonly perMs: number };
}

type Options = DurableOptions<readonly unknown[]>;

/** Whether work of a function has gates. */
export function mayHaveGates({ options }: AnyDurable): boolean {
  const { maxConcurrent, rateLimit, cached, idempotent } = options;
  return maxConcurrent !== undefined || rateLimit !== undefined || isOn(cached) || isOn(idempotent);
}

/** The gates of a call, as text; undefined for work that has none. `digest`: a short text for a long one. @throws TypeError for a key that is no text; SerializationError for arguments that make none; what a key function throws */
export function gatesOf(
  fn: AnyDurable,
  args: readonly unknown[],
  digest: (text: string) => string,
): string | undefined {
  if (!mayHaveGates(fn)) return undefined;
  const gates: Gates = {
    ...resultGate(fn, args, digest),
    ...limitGate(fn, args),
    ...rateGate(fn, args),
  };
  return JSON.stringify(gates);
}

function isOn(option: Options["cached"]): boolean {
  return option !== undefined && option !== false;
}

/** A result is found by function, version and arguments; a key of one's own holds over versions. */
function resultGate(
  fn: AnyDurable,
  args: readonly unknown[],
  digest: (text: string) => string,
): Pick<Gates, "result"> {
  const { cached, idempotent, idempotencyKey, version } = fn.options as Options;
  const how = isOn(idempotent) ? idempotent : cached;
  if (how === undefined || how === false) return {};
  const kind = isOn(idempotent) ? "once" : "cached";
  const { functionName: name } = fn;
  const key =
    idempotencyKey === undefined
      ? digest(canonicalJson([version ?? null, args]))
      : keyOf(`idempotencyKey of "${name}"`, idempotencyKey, args);
  const made = idempotencyKey === undefined ? [kind, name, key] : [kind, name, key, "own"];
  const ttl = how === true ? undefined : parseDuration(how.ttl);
  return { result: { name: JSON.stringify(made), ...(ttl === undefined ? {} : { ttlMs: ttl }) } };
}

function limitGate(fn: AnyDurable, args: readonly unknown[]): Pick<Gates, "limit"> {
  const { maxConcurrent } = fn.options as Options;
  if (maxConcurrent === undefined) return {};
  const { functionName: name } = fn;
  if (typeof maxConcurrent === "number")
    return { limit: { name: gateName("limit", name), places: maxConcurrent } };
  const key = keyOf(`key of maxConcurrent of "${name}"`, maxConcurrent.key, args);
  return { limit: { name: gateName("limit", name, key), places: maxConcurrent.limit } };
}

function rateGate(fn: AnyDurable, args: readonly unknown[]): Pick<Gates, "rate"> {
  const { rateLimit } = fn.options as Options;
  if (rateLimit === undefined) return {};
  const { functionName: name } = fn;
  const { limit, per, key } = rateLimit;
  const own = key && keyOf(`key of rateLimit of "${name}"`, key, args);
  return {
    rate: { name: gateName("rate", name, own), tokens: limit, perMs: parseDuration(per) },
  };
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
    throw new TypeError(`the ${what} must give a string, got ${show(made)}`);
  if (made.length > maxKeyLength)
    throw new TypeError(
      `the ${what} must give at most ${maxKeyLength} characters, got ${made.length}`,
    );
  return made;
}
