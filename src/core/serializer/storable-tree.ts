/**
 * Copies a value into a tree that holds only what superjson gives back exactly, or finds the part that cannot be stored.
 *
 *   V1  What is accepted comes back equal; anything else is refused with the path of the part that is at fault.
 *   V2  Nothing of the caller's is run, except the traps of proxies.
 *   V3  Depth and size are bounded, so the work on hostile values is.
 */
import { isJsonValue, maxJsonDepth } from "./json-values.ts";
import {
  builtInName,
  chainLength,
  instance,
  isError,
  isPlainPrototype,
  isStackOverflow,
} from "./object-kind.ts";
import { Result } from "../result.ts";
import { toTypedBytes } from "./typed-bytes.ts";

/** The objects one is inside of, and how many errors deep; keeps cycles through errors finite. */
export interface Trail {
  readonly ancestors: Set<object>;
  errorDepth: number;
  errorsLeft: number;
}

/** Turns an error inside of a value into JSON. */
export type ErrorToData = (error: object, trail: Trail) => unknown;

/** Why a value cannot be stored: the path of the part from the root, such as `[0].customer`, and what is the matter with it. */
export class Refusal extends Error {
  readonly path: string;
  readonly why: string;

  constructor(path: string, why: string) {
    super(`${path} ${why}`);
    this.path = path;
    this.why = why;
  }
}

/** Deepest nesting of values beyond JSON; superjson takes four stack frames and the whole path a level. */
const maxRichDepth = 250;
/** Most objects in a value, shared ones counted each time. */
const maxObjects = 1_000_000;
const maxLenientDepth = 8;
const maxLenientObjects = 1_000;

/** A tree for superjson. @throws Refusal naming the part that cannot be stored */
export function toTree(value: unknown, errorToData: ErrorToData): unknown {
  return prepare(value, newPreparation("rich", errorToData, newTrail()), 1);
}

/** A tree for superjson, with a readable text in place of each part that cannot be stored, and of what is too deep or too much. */
export function toLenientTree(value: unknown, errorToData: ErrorToData, trail: Trail): unknown {
  return prepare(value, newPreparation("lenient", errorToData, trail), 1);
}

/** Finds the part of a value that strict JSON would not give back. @returns undefined if there is none. */
export function findNonJson(value: unknown): Refusal | undefined {
  try {
    prepare(
      value,
      newPreparation("json", () => undefined, newTrail()),
      1,
    );
    return undefined;
  } catch (refusal) {
    if (refusal instanceof Refusal) return refusal;
    throw refusal;
  }
}

/** A trail that has just begun. */
export function newTrail(): Trail {
  return { ancestors: new Set(), errorDepth: 0, errorsLeft: maxLenientObjects };
}

interface Preparation {
  readonly mode: "json" | "rich" | "lenient";
  readonly errorToData: ErrorToData;
  readonly trail: Trail;
  readonly path: string[];
  readonly maxDepth: number;
  left: number;
}

/** An array that superjson walks into and marks; its first item says what it stands for. */
export class Tagged extends Array<unknown> {}

/**
 * A part that JSON gives back as it is, hidden from superjson, which takes seven times as long for it: an instance of a class that it
 * does not know passes through to JSON.stringify.
 */
class PlainJson {
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
  }

  toJSON(): unknown {
    return this.#value;
  }
}

function isPlainJson(prepared: unknown): boolean {
  return typeof prepared === "object" && prepared !== null
    ? prepared instanceof PlainJson
    : isJsonValue(prepared);
}

function tag(...items: readonly unknown[]): Tagged {
  return Tagged.from(items);
}

function newPreparation(
  mode: Preparation["mode"],
  errorToData: ErrorToData,
  trail: Trail,
): Preparation {
  const maxDepth = { json: maxJsonDepth, rich: maxRichDepth, lenient: maxLenientDepth }[mode];
  return {
    mode,
    errorToData,
    trail,
    path: [],
    maxDepth,
    left: mode === "lenient" ? maxLenientObjects : maxObjects,
  };
}

/** The copy. @throws Refusal, except in lenient mode */
function prepare(value: unknown, preparation: Preparation, depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return preparation.mode === "json"
        ? refuse(preparation, `is ${Object.is(value, -0) ? "-0" : value}`, noJson)
        : value;
    case "bigint":
      return preparation.mode === "json" ? refuse(preparation, "is a bigint", noJson) : value;
    case "undefined":
      return preparation.mode === "json"
        ? refuse(preparation, "is undefined", "which JSON cannot hold; use null, or leave it out")
        : value;
    case "function":
      return refuse(
        preparation,
        `is a function${named(value)}`,
        "which cannot be stored; pass plain data",
      );
    case "object":
      return value === null ? null : prepareObject(value, preparation, depth);
    default:
      return refuse(preparation, `is a ${typeof value}`, "which cannot be stored; pass plain data");
  }
}

const noJson = "which JSON cannot hold; the default serializer can";

function prepareObject(value: object, preparation: Preparation, depth: number): unknown {
  if (isError(value)) return prepareError(value, preparation); // bounded by the trail
  const { ancestors } = preparation.trail;
  if (ancestors.has(value))
    return refuse(
      preparation,
      "refers back to a value that it is part of",
      "a cycle cannot be stored, pass ids instead",
    );
  if (depth > preparation.maxDepth) {
    return refuse(
      preparation,
      `is nested deeper than ${preparation.maxDepth} levels`,
      "flatten it, or pass it in parts",
    );
  }
  preparation.left -= 1;
  if (preparation.left < 0) {
    return refuse(
      preparation,
      "is one object too many",
      "no more than 1,000,000 can be stored, shared ones counted each time; pass it in parts",
    );
  }
  ancestors.add(value);
  try {
    return prepareKnown(value, preparation, depth);
  } catch (error) {
    if (error instanceof Refusal || isStackOverflow(error)) throw error;
    return refuse(preparation, `cannot be read (${messageOf(error)})`, "pass plain data");
  } finally {
    ancestors.delete(value);
  }
}

function prepareKnown(value: object, preparation: Preparation, depth: number): unknown {
  if (Array.isArray(value)) return prepareArray(value, preparation, depth);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (isPlainPrototype(prototype))
    return preparePlain(value, prototype === null, preparation, depth);
  if (preparation.mode === "json") {
    return refuse(
      preparation,
      `is ${instance(value)}`,
      builtInName(prototype) === undefined ? passPlainData : noJson,
    );
  }
  if (value instanceof Result) return prepareResult(value, preparation, depth);
  if (ArrayBuffer.isView(value) || builtInName(prototype) === "ArrayBuffer")
    return prepareBytes(value as ArrayBufferView | ArrayBuffer, preparation);
  switch (builtInName(prototype)) {
    case "Date":
      return ownKeysRefused(value, preparation) ?? prepareDate(Date.prototype.getTime.call(value));
    case "Map":
      return ownKeysRefused(value, preparation) ?? prepareMap(value, preparation, depth);
    case "Set":
      return ownKeysRefused(value, preparation) ?? prepareSet(value, preparation, depth);
    case "RegExp":
      return ownKeysRefused(value, preparation) ?? prepareRegExp(value as RegExp);
    case "URL":
      return ownKeysRefused(value, preparation) ?? new URL((value as URL).href);
    case "Promise":
      return refuse(preparation, "is a promise", "which cannot be stored; await it first");
    default:
      if (typeof Reflect.get(value, "next") === "function") {
        return refuse(
          preparation,
          "is an iterator",
          "which cannot be stored; yield* it, or collect it into an array",
        );
      }
      return refuse(preparation, `is ${instance(value)}`, passPlainData);
  }
}

const passPlainData =
  "which would not come back as one; pass plain data, such as the fields that are needed";

function prepareArray(value: readonly unknown[], preparation: Preparation, depth: number): unknown {
  if (chainLength(value) !== 2) return refuse(preparation, `is ${instance(value)}`, passPlainData);
  const keys = Object.keys(value);
  if (value.length > 0 && keys[value.length - 1] !== String(value.length - 1)) {
    return refuse(preparation, "is an array with holes", "fill them, with null for example");
  }
  if (keys.length > value.length || Object.getOwnPropertySymbols(value).length > 0) {
    return refuse(
      preparation,
      `is an array with a property of its own (${keys[value.length] ?? "a symbol"})`,
      "pass [...array], or an object",
    );
  }
  const items = Array.from(value, (item, index) => within(preparation, `[${index}]`, item, depth));
  return preparation.mode === "rich" && items.every(isPlainJson) ? new PlainJson(value) : items;
}

function preparePlain(
  value: object,
  isBare: boolean,
  preparation: Preparation,
  depth: number,
): unknown {
  if (Object.getOwnPropertySymbols(value).length > 0) {
    return refuse(preparation, "has a symbol as a key", "which cannot be stored; pass plain data");
  }
  if (isBare && preparation.mode === "json") {
    return refuse(
      preparation,
      "is an object without a prototype",
      "which JSON does not give back as one; pass { ...object }",
    );
  }
  const toJson: unknown = Reflect.get(value, "toJSON");
  if (typeof toJson === "function" && !Object.keys(value).includes("toJSON")) {
    return refuse(
      preparation,
      "has a toJSON method",
      "so it would come back as something else; pass plain data",
    );
  }
  const entries: [string, unknown][] = [];
  let isSafe = true;
  for (const key of Object.keys(value)) {
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property === undefined) continue;
    isSafe &&= !unsafeKeys.has(key);
    const segment = identifier.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    entries.push([
      key,
      property.get === undefined && property.set === undefined
        ? within(preparation, segment, property.value, depth)
        : accessor(preparation, segment),
    ]);
  }
  if (isBare) return tag("bare", entries);
  if (preparation.mode === "rich" && entries.every(([, item]) => isPlainJson(item))) {
    return new PlainJson(value);
  }
  return isSafe || preparation.mode === "json"
    ? Object.fromEntries(entries)
    : tag("object", entries);
}

/** Keys that superjson refuses. */
const unsafeKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
const identifier = /^[A-Za-z_$][\w$]*$/;

function accessor(preparation: Preparation, segment: string): unknown {
  preparation.path.push(segment);
  const standIn = refuse(
    preparation,
    "is a getter or setter",
    "which would come back as a value; pass the value",
  );
  preparation.path.pop();
  return standIn;
}

function prepareError(error: object, preparation: Preparation): unknown {
  if (preparation.mode === "json") return refuse(preparation, `is ${instance(error)}`, noJson);
  return tag("error", JSON.stringify(preparation.errorToData(error, preparation.trail)));
}

function prepareResult(
  result: Result<unknown, unknown>,
  preparation: Preparation,
  depth: number,
): unknown {
  return result.ok
    ? tag("result", true, within(preparation, ".value", result.value, depth))
    : tag("result", false, within(preparation, ".error", result.error, depth));
}

function prepareDate(time: number): unknown {
  return Number.isNaN(time) ? tag("invalid-date") : new Date(time);
}

function prepareMap(value: object, preparation: Preparation, depth: number): unknown {
  const copy = new Map<unknown, unknown>();
  let index = 0;
  for (const [key, item] of Map.prototype.entries.call(value)) {
    const copiedKey = within(preparation, `.keys()[${index}]`, key, depth + 1);
    copy.set(
      copiedKey,
      within(
        preparation,
        typeof key === "string" ? `.get(${JSON.stringify(key)})` : `.values()[${index}]`,
        item,
        depth + 1,
      ),
    );
    index += 1;
  }
  return copy;
}

function prepareSet(value: object, preparation: Preparation, depth: number): unknown {
  const copy = new Set<unknown>();
  let index = 0;
  for (const item of Set.prototype.values.call(value)) {
    copy.add(within(preparation, `.values()[${index}]`, item, depth + 1));
    index += 1;
  }
  return copy;
}

function prepareRegExp({ source, flags, lastIndex }: RegExp): unknown {
  return lastIndex === 0 ? new RegExp(source, flags) : tag("regexp", source, flags, lastIndex);
}

function prepareBytes(value: ArrayBufferView | ArrayBuffer, preparation: Preparation): unknown {
  const bytes = toTypedBytes(value);
  return bytes === undefined
    ? refuse(preparation, `is ${instance(value)}`, passPlainData)
    : tag("bytes", bytes.name, bytes.base64);
}

function within(preparation: Preparation, segment: string, value: unknown, depth: number): unknown {
  if (typeof value === "string") return value;
  preparation.path.push(segment);
  const prepared = prepare(value, preparation, depth + 1);
  preparation.path.pop();
  return prepared;
}

/** Dates, Maps and the like may carry properties of their own, which would be lost. */
function ownKeysRefused(value: object, preparation: Preparation): string | undefined {
  const [key] = Object.keys(value);
  if (key === undefined) return undefined;
  return refuse(
    preparation,
    `is ${instance(value)} with a property of its own (${key})`,
    "which would be lost; pass a plain object",
  );
}

/** Throws, or gives the text that stands in for the part. */
function refuse(preparation: Preparation, fault: string, advice: string): string {
  if (preparation.mode === "lenient")
    return `[${fault.replace(/^(is|has|cannot) /, (word) => (word === "is " ? "" : word))}]`;
  throw new Refusal(
    shortPath(preparation.path),
    `${fault}${advice.startsWith("which") ? "," : ";"} ${advice}`,
  );
}

const keptSegments = 20;

function shortPath(path: readonly string[]): string {
  if (path.length <= 2 * keptSegments) return path.join("");
  return `${path.slice(0, keptSegments).join("")}…${path.slice(-keptSegments).join("")}`;
}

function named(fn: { readonly name: unknown }): string {
  const { name } = fn;
  return typeof name === "string" && name !== "" ? ` (${name})` : "";
}

function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return "it throws";
  }
}
