/** One text for equal values, as a key: the order of an object's keys, of a Set and of a Map does not matter. */
import { SerializationError } from "./errors.ts";
import { toFailure } from "./failure.ts";
import { isError } from "./serializer/object-kind.ts";
import { Result } from "./result.ts";

const maxDepth = 1_000;
const maxParts = 1_000_000;

/**
 * Canonical text of a value, made for argument lists: tells 1 from "1" and null from undefined, but neither -0 from 0 nor a property that
 * is undefined from one that is absent, nor trailing undefined arguments from none. Plain values give canonical JSON.
 * @throws SerializationError for what has no text: functions, symbols, instances of classes, cycles
 */
export function canonicalJson(value: unknown): string {
  try {
    return write(Array.isArray(value) ? withoutTrailingUndefined(value) : value, 0, {
      partsLeft: maxParts,
    });
  } catch (error) {
    if (error instanceof SerializationError) throw error;
    throw new SerializationError(
      "an idempotency key cannot be made of these arguments; give an idempotencyKey function",
      { cause: error },
    );
  }
}

interface Budget {
  partsLeft: number;
}

function withoutTrailingUndefined(items: readonly unknown[]): readonly unknown[] {
  return items.slice(0, items.findLastIndex((item) => item !== undefined) + 1);
}

function write(value: unknown, depth: number, budget: Budget): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      return String(value); // "0" for -0; NaN and Infinity are no words of JSON, so nothing else reads so
    case "boolean":
    case "undefined":
      return String(value);
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : writeObject(value, depth + 1, budget);
    default:
      throw unkeyable(`a ${typeof value}`);
  }
}

function writeObject(value: object, depth: number, budget: Budget): string {
  budget.partsLeft -= 1;
  if (depth > maxDepth || budget.partsLeft < 0)
    throw unkeyable("a value that is too deep, too large or refers back to itself");
  if (Array.isArray(value))
    return `[${Array.from(value, (item) => write(item, depth, budget)).join(",")}]`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof Map)
    return `Map(${sorted(Array.from(value, ([key, item]) => `${write(key, depth, budget)}:${write(item, depth, budget)}`))})`;
  if (value instanceof Set)
    return `Set(${sorted(Array.from(value, (item) => write(item, depth, budget)))})`;
  if (value instanceof URL) return `URL(${JSON.stringify(value.href)})`;
  if (value instanceof RegExp) return `RegExp(${JSON.stringify([value.source, value.flags])})`;
  if (value instanceof Result)
    return `Result(${value.ok},${write(value.ok ? value.value : value.error, depth, budget)})`;
  if (isError(value)) return writeError(value);
  if (ArrayBuffer.isView(value))
    return writeBytes(value, value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return writeBytes(value, value, 0, value.byteLength);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw unkeyable("an instance of a class");
  return writePlain(value, depth, budget);
}

function writePlain(value: object, depth: number, budget: Budget): string {
  const properties = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${write(item, depth, budget)}`);
  return `{${properties.join(",")}}`;
}

/** An error's stack differs from one throw to the next, so it is no part of the key. */
function writeError(error: object): string {
  const { name, message, code } = toFailure(error);
  return `Error(${JSON.stringify([name, message, code ?? null])})`;
}

function writeBytes(
  value: object,
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
): string {
  return `${Object.prototype.toString.call(value).slice(8, -1)}(${Buffer.from(buffer, offset, length).toString("base64")})`;
}

function sorted(texts: readonly string[]): string {
  return texts.toSorted().join(",");
}

function unkeyable(what: string): SerializationError {
  return new SerializationError(
    `an idempotency key cannot be made of ${what}: pass plain data, or give an idempotencyKey function`,
  );
}
