/**
 * Which error classes come back as themselves.
 *
 *   K1  A class is known by identity where an error is thrown: a user's own class called TypeError or CancelledError is not ours.
 *   K2  It is found by its name, within its origin, where the error comes back.
 */
import { stentErrorBrand, stentErrors } from "./errors.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- any constructor of errors will do
type AnyErrorClass = abstract new (...args: any[]) => Error;

/** Whose class it is; absent for a user's. */
export type ErrorOrigin = "language" | "stent";

/** An error's class in words: its name under which it is looked up, its origin, and the user's classes it extends. */
export interface ErrorLineage {
  readonly name: string;
  readonly origin?: ErrorOrigin;
  /** Names of the classes between this one and Error; only for a user's class. */
  readonly bases: readonly string[];
}

const languageErrors: ReadonlyMap<string, AnyErrorClass> = new Map(
  [
    Error,
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    AggregateError,
    DOMException, // what AbortSignal and fetch throw
  ].map((errorClass): [string, AnyErrorClass] => [errorClass.name, errorClass]),
);

/** The one state of this module, by contract: what `registerError` was given in this process. */
const registered = { byName: new Map<string, AnyErrorClass>(), names: new Map<unknown, string>() };

/**
 * Makes a class come back as itself in `catch` blocks of workflows and from `result()`. Its constructor is not run then: message,
 * stack, cause and own properties are put back. A name that is taken passes to the class registered last.
 * @throws TypeError if it is no class of errors or has no name.
 */
export function registerError(
  // oxlint-disable-next-line typescript/no-explicit-any -- any constructor of errors will do
  errorClass: new (...args: any[]) => Error,
  name: string = errorClass.name,
): void {
  if (typeof errorClass !== "function" || !(errorClass.prototype instanceof Error)) {
    throw new TypeError("registerError takes a class that extends Error");
  }
  if (typeof name !== "string" || name === "") {
    throw new TypeError(
      'an error class without a name needs one: registerError(errorClass, "CardDeclined")',
    );
  }
  registered.byName.set(name, errorClass);
  registered.names.set(errorClass, name);
}

/** The class of that name and origin in this process, if it is known here. */
export function findErrorClass(
  name: string,
  origin: ErrorOrigin | undefined,
): AnyErrorClass | undefined {
  if (origin === "language") return languageErrors.get(name);
  if (origin === "stent")
    return Object.hasOwn(stentErrors, name)
      ? stentErrors[name as keyof typeof stentErrors]
      : undefined;
  return registered.byName.get(name);
}

/** The name under which a class is looked up: the one it is registered under, else its own. */
export function errorClassName(errorClass: AnyErrorClass): string {
  return registered.names.get(errorClass) ?? errorClass.name;
}

/** The class of an error, and what it extends. */
export function lineageOf(error: object): ErrorLineage {
  const known = knownClass(Object.getPrototypeOf(error));
  if (known?.origin !== undefined) return { ...known, bases: [] };
  const names = userClassNames(error);
  return { name: known?.name ?? names[0] ?? "Error", bases: names.slice(1) };
}

/** True if the error is of this class, directly, by inheritance, or by the name of its class where it stands for another. */
export function isErrorOf(error: unknown, wanted: AnyErrorClass | string): boolean {
  if (typeof wanted !== "string" && error instanceof wanted) return true;
  if (typeof error !== "object" || error === null) return false;
  const names = new Set(allNames(error));
  if (typeof wanted === "string") return names.has(wanted);
  return names.has(wanted.name) || names.has(errorClassName(wanted));
}

/** On a RemoteError, hidden: the names of the classes that the original's class extended. */
export const remoteBases: unique symbol = Symbol.for("stentjs.error.bases");

interface KnownClass {
  readonly name: string;
  readonly origin?: ErrorOrigin;
}

function knownClass(prototype: unknown): KnownClass | undefined {
  if (typeof prototype !== "object" || prototype === null) return undefined;
  if (Object.hasOwn(prototype, stentErrorBrand)) {
    return {
      name: String((prototype as { [stentErrorBrand]?: unknown })[stentErrorBrand]),
      origin: "stent",
    };
  }
  const constructor = constructorOf(prototype);
  const name = registered.names.get(constructor);
  if (name !== undefined) return { name };
  if (constructor === undefined) return undefined;
  // An error of another realm (a vm context, as test runners make) has that realm's TypeError: native, of that name.
  const isLanguage = languageErrors.get(constructor.name) === constructor || isNative(constructor);
  return isLanguage && languageErrors.has(constructor.name)
    ? { name: constructor.name, origin: "language" }
    : undefined;
}

/** The names of a user's class and of those it extends, outermost first, up to the language's Error. */
function userClassNames(error: object): string[] {
  const names: string[] = [];
  for (const prototype of prototypesOf(error)) {
    const known = knownClass(prototype);
    const name = known?.name ?? constructorOf(prototype)?.name;
    if (name !== undefined && name !== "" && name !== "Object" && name !== "Error")
      names.push(name);
  }
  return names;
}

function allNames(error: object): string[] {
  const names = userClassNames(error);
  if (error instanceof Error) names.push("Error");
  try {
    names.push(...ownNames(error));
  } catch {
    // a getter that throws: the names of its classes must do
  }
  return names;
}

function ownNames(error: object): string[] {
  const own = error as {
    readonly name?: unknown;
    readonly originalName?: unknown;
    readonly [remoteBases]?: unknown;
  };
  const bases = own[remoteBases];
  const names = [own.name, own.originalName, ...(Array.isArray(bases) ? (bases as unknown[]) : [])];
  return names.filter((name) => typeof name === "string");
}

const maxPrototypes = 32;

function* prototypesOf(value: object): Generator<object> {
  let prototype: unknown = Object.getPrototypeOf(value);
  for (
    let depth = 0;
    depth < maxPrototypes && typeof prototype === "object" && prototype !== null;
    depth += 1
  ) {
    yield prototype;
    prototype = Object.getPrototypeOf(prototype);
  }
}

function constructorOf(prototype: object): { readonly name: string } | undefined {
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof constructor === "function" ? constructor : undefined;
}

function isNative(constructor: unknown): boolean {
  return Function.prototype.toString.call(constructor).includes("[native code]");
}
