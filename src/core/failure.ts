/**
 * Errors as data, and back.
 *
 *   F1  `toFailure` takes whatever can be thrown, reads it defensively, and never throws.
 *   F2  Name, message, stack, code, cause, `errors` and own enumerable properties survive; so does the class, where it is known.
 *   F3  A Failure is JSON: it passes through any serializer.
 *
 * Something thrown that is no Error comes back as a RemoteError whose `originalName` is its type ("string", "undefined", the name of a
 * class), and whose property `thrown` is the value. As the cause of an error it comes back as the value itself.
 */
import { findErrorClass, lineageOf, remoteBases, type ErrorOrigin } from "./error-classes.ts";
import { RemoteError } from "./errors.ts";
import { isJsonValue } from "./serializer/json-values.ts";
import { isError } from "./serializer/object-kind.ts";
import { richValues } from "./serializer/rich-values.ts";
import { newTrail, type Trail } from "./serializer/storable-tree.ts";

/** An error as JSON data. */
export interface Failure {
  /** The error's name; that of its class where the class sets none. */
  readonly name: string;
  readonly message: string;
  /** Name under which the class is looked up, where it differs from `name`. */
  readonly class?: string;
  /** Whose class it is; absent for a user's. */
  readonly origin?: ErrorOrigin;
  /** User's classes that this one extends. */
  readonly bases?: readonly string[];
  /** True if the error had no name but that of a class of the language or of Stent. */
  readonly unnamed?: true;
  /** True if what was thrown is no Error; it is `properties.thrown`. */
  readonly notError?: true;
  readonly stack?: string;
  readonly code?: string | number;
  readonly cause?: Failure;
  readonly errors?: readonly Failure[];
  /** Own enumerable properties. */
  readonly properties?: Readonly<Record<string, unknown>>;
  /** What JSON cannot say of `properties`, as superjson notes it. */
  readonly meta?: unknown;
}

const maxErrorDepth = 20;
const maxErrorsInList = 100;

/** What was thrown, as data. Never throws, whatever it is given. */
export function toFailure(thrown: unknown): Failure {
  return describe(thrown, newTrail());
}

/** The error that `failure` describes: of its own class where that is known here, else a RemoteError. Its constructor is not run. */
export function fromFailure(failure: Failure): Error {
  return revive(failure);
}

/** Reads data that should be a Failure. @returns undefined if it is none. */
export function parseFailure(data: unknown): Failure | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { name, message } = data as { readonly name?: unknown; readonly message?: unknown };
  return typeof name === "string" && typeof message === "string" ? (data as Failure) : undefined;
}

const rich = richValues({
  toData: describe,
  fromData: (data) => revive(parseFailure(data) ?? unreadable),
});

const unreadable: Failure = {
  name: "Error",
  origin: "language",
  message: "(an error that could not be read: something about it throws)",
};

// ── to data ──

function describe(thrown: unknown, trail: Trail): Failure {
  try {
    if (typeof thrown !== "object" || thrown === null || !isError(thrown))
      return describeValue(thrown, trail);
    const limit = limitReached(thrown, trail);
    if (limit !== undefined) return { name: "Error", origin: "language", message: limit };
    trail.ancestors.add(thrown);
    trail.errorDepth += 1;
    trail.errorsLeft -= 1;
    try {
      return describeError(thrown, trail);
    } finally {
      trail.ancestors.delete(thrown);
      trail.errorDepth -= 1;
    }
  } catch {
    return unreadable;
  }
}

function limitReached(error: object, trail: Trail): string | undefined {
  if (trail.ancestors.has(error)) return `(circular: ${text(read(error, "message"))})`;
  if (trail.errorDepth >= maxErrorDepth)
    return `(errors nested deeper than ${maxErrorDepth} levels are not kept)`;
  if (trail.errorsLeft <= 0) return "(too many errors; the rest is not kept)";
  return undefined;
}

function describeError(error: object, trail: Trail): Failure {
  const named = describeName(error);
  const stack = read(error, "stack");
  const code = read(error, "code");
  const cause = read(error, "cause");
  const errors = Object.prototype.propertyIsEnumerable.call(error, "errors")
    ? undefined
    : read(error, "errors");
  return {
    ...named,
    message: text(read(error, "message")),
    ...(typeof stack === "string" ? { stack } : {}),
    ...(isCode(code) && named.class !== "DOMException" && code !== remoteCode(error)
      ? { code }
      : {}),
    ...(cause === undefined && !Object.hasOwn(error, "cause")
      ? {}
      : { cause: describe(cause, trail) }),
    ...(Array.isArray(errors) ? { errors: describeAll(errors, trail) } : {}),
    ...describeProperties(error, isCode(code), Array.isArray(errors), trail),
  };
}

type Names = Pick<Failure, "name" | "class" | "origin" | "bases" | "unnamed">;

function describeName(error: object): Names {
  const given = read(error, "name");
  const lineage = lineageOf(error);
  const name = typeof given === "string" && given !== "" ? given : lineage.name;
  if (lineage.origin === "stent" && lineage.name === "RemoteError")
    return describeRemoteName(error, name);
  if (lineage.origin !== undefined) {
    return {
      name,
      ...(lineage.name === name ? {} : { class: lineage.name }),
      origin: lineage.origin,
    };
  }
  const bases = lineage.bases.length === 0 ? {} : { bases: lineage.bases };
  const isUnnamed = name !== lineage.name && !Object.hasOwn(error, "name") && isBuiltInName(name);
  if (isUnnamed) return { name: lineage.name, unnamed: true, ...bases };
  return { name, ...(lineage.name === name ? {} : { class: lineage.name }), ...bases };
}

function describeRemoteName(error: object, name: string): Names {
  const originalName = text(read(error, "originalName"));
  const bases = read(error, remoteBases);
  return {
    name,
    ...(originalName === name ? {} : { class: originalName }),
    ...(Array.isArray(bases) ? { bases: bases.filter((base) => typeof base === "string") } : {}),
  };
}

function isBuiltInName(name: string): boolean {
  return (
    findErrorClass(name, "language") !== undefined || findErrorClass(name, "stent") !== undefined
  );
}

/** The code that a RemoteError has of itself, not from its original. */
function remoteCode(error: object): string | undefined {
  return error instanceof RemoteError ? ownRemoteCode : undefined;
}

const ownRemoteCode = "REMOTE_ERROR";

function describeAll(errors: readonly unknown[], trail: Trail): Failure[] {
  const kept = errors.slice(0, maxErrorsInList).map((error) => describe(error, trail));
  const rest = errors.length - kept.length;
  if (rest > 0)
    kept.push({ name: "Error", origin: "language", message: `(${rest} more errors are not kept)` });
  return kept;
}

/** Own enumerable properties that stand nowhere else in the failure. */
function describeProperties(
  error: object,
  hasCode: boolean,
  hasErrors: boolean,
  trail: Trail,
): Pick<Failure, "properties" | "meta"> {
  const isRemote = error instanceof RemoteError;
  const properties: Record<string, unknown> = {};
  let count = 0;
  for (const key of Object.keys(error)) {
    if (key === "message" || key === "stack" || key === "cause") continue;
    if (
      (key === "code" && hasCode) ||
      (key === "errors" && hasErrors) ||
      (key === "originalName" && isRemote)
    )
      continue;
    const value = read(error, key);
    if (typeof value === "function") continue; // a method that is an own property
    define(properties, key, value, true);
    count += 1;
  }
  return count === 0 ? {} : encodeProperties(properties, trail);
}

function encodeProperties(
  properties: Record<string, unknown>,
  trail: Trail,
): Pick<Failure, "properties" | "meta"> {
  if (isJsonValue(properties)) return { properties };
  const { json, meta } = rich.encodeLeniently(properties, trail);
  return { properties: json as Record<string, unknown>, ...(meta === undefined ? {} : { meta }) };
}

function describeValue(thrown: unknown, trail: Trail): Failure {
  const isNothing = thrown === undefined || thrown === null;
  const code = typeof thrown === "object" && thrown !== null ? read(thrown, "code") : undefined;
  return {
    name: typeName(thrown),
    message: isNothing
      ? `${thrown} was thrown, or rejected with, instead of an error`
      : text(thrown),
    notError: true,
    ...(isCode(code) ? { code } : {}),
    ...encodeProperties({ thrown }, trail),
  };
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const constructor = read(value, "constructor");
  const name = typeof constructor === "function" ? constructor.name : "";
  return typeof name === "string" && name !== "" ? name : "object";
}

/** What the error says under that key; a text in place of what throws. */
function read(error: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(error, key);
  } catch {
    return "(could not be read: its getter throws)";
  }
}

function text(value: unknown): string {
  try {
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null) {
      const message = read(value, "message");
      if (typeof message === "string") return message;
      if (isJsonValue(value)) return JSON.stringify(value).slice(0, maxPreview);
      if (value.toString === Object.prototype.toString) return `[${typeName(value)}]`;
    }
    return String(value);
  } catch {
    return "(could not be read)";
  }
}

const maxPreview = 1_000;

function isCode(code: unknown): code is string | number {
  return (
    typeof code === "string" ||
    (typeof code === "number" && Number.isFinite(code) && !Object.is(code, -0))
  );
}

// ── from data ──

function revive(failure: Failure): Error {
  const className = typeof failure.class === "string" ? failure.class : failure.name;
  const errorClass =
    failure.notError === true ? undefined : findErrorClass(className, failure.origin);
  const error =
    errorClass === undefined ? newRemote(failure, className) : newError(failure, errorClass);
  define(
    error,
    "stack",
    typeof failure.stack === "string" ? failure.stack : `${failure.name}: ${failure.message}`,
  );
  if (isCode(failure.code) && read(error, "code") !== failure.code)
    define(error, "code", failure.code, true);
  if (failure.cause !== undefined) define(error, "cause", reviveCause(failure.cause));
  if (Array.isArray(failure.errors)) define(error, "errors", failure.errors.map(reviveCause));
  for (const [key, value] of Object.entries(decodeProperties(failure))) {
    if (!unsettable.has(key)) define(error, key, value, true);
  }
  return error;
}

const unsettable: ReadonlySet<string> = new Set(["message", "stack", "cause"]);

function reviveCause(data: unknown): unknown {
  const failure = parseFailure(data) ?? unreadable;
  return failure.notError === true ? decodeProperties(failure)["thrown"] : revive(failure);
}

function newError(
  failure: Failure,
  errorClass: NonNullable<ReturnType<typeof findErrorClass>>,
): Error {
  if (errorClass === DOMException) return new DOMException(failure.message, failure.name);
  const error = bareError(failure.message, errorClass);
  if (failure.unnamed !== true && error.name !== failure.name) define(error, "name", failure.name);
  return error;
}

function newRemote(failure: Failure, originalName: string): Error {
  const error = bareError(failure.message, RemoteError);
  define(error, "name", failure.name);
  define(error, "code", isCode(failure.code) ? failure.code : ownRemoteCode, true);
  define(error, "originalName", originalName, true);
  if (failure.bases !== undefined) define(error, remoteBases, failure.bases);
  return error;
}

/** A true error, made as `new errorClass` would be, but by Error's constructor and without a stack (1.1 us instead of 2.4). */
function bareError(
  message: string,
  errorClass: NonNullable<ReturnType<typeof findErrorClass>>,
): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return Reflect.construct(Error, [message], errorClass) as Error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function decodeProperties(failure: Failure): Readonly<Record<string, unknown>> {
  const { properties, meta } = failure;
  if (typeof properties !== "object" || properties === null) return {};
  if (meta === undefined) return properties;
  try {
    return rich.decode({ json: properties, meta }) as Record<string, unknown>;
  } catch {
    return properties; // written by a newer version: what JSON says of it is better than nothing
  }
}

function define(target: object, key: PropertyKey, value: unknown, enumerable = false): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true, enumerable });
}
