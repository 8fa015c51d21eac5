/** What kind of object something is, told from what it cannot fake: its prototype and the class that has it. */

const builtIns: ReadonlyMap<unknown, string> = new Map(
  [Date, Map, Set, RegExp, URL, ArrayBuffer, Promise].map(
    ({ prototype, name }): [unknown, string] => [prototype, name],
  ),
);
const builtInNames: ReadonlySet<string> = new Set(builtIns.values());

/** The name of the language's class that has this prototype, here or in another realm (a vm context, as test runners make). */
export function builtInName(prototype: unknown): string | undefined {
  const here = builtIns.get(prototype);
  if (here !== undefined) return here;
  const constructor = ownConstructor(prototype);
  const isForeign =
    constructor !== undefined &&
    builtInNames.has(constructor.name) &&
    Function.prototype.toString.call(constructor).includes("[native code]");
  return isForeign ? constructor.name : undefined;
}

/** True for Object.prototype, that of another realm, and null. */
export function isPlainPrototype(prototype: unknown): boolean {
  if (prototype === Object.prototype || prototype === null) return true;
  return (
    typeof prototype === "object" &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, "isPrototypeOf")
  );
}

/** How many prototypes a value has, counted up to three: an array has two, an instance of a subclass of Array three. */
export function chainLength(value: object): number {
  let length = 0;
  for (
    let next: unknown = Object.getPrototypeOf(value);
    next !== null && length < 3;
    next = Object.getPrototypeOf(next)
  )
    length += 1;
  return length;
}

/** True for errors, also of another realm. */
export function isError(value: object): boolean {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

/** The class whose prototype this is. */
export function ownConstructor(prototype: unknown): { readonly name: string } | undefined {
  if (typeof prototype !== "object" || prototype === null) return undefined;
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof constructor === "function" ? constructor : undefined;
}

/** "a Customer instance", as words. */
export function instance(value: object): string {
  const name = ownConstructor(Object.getPrototypeOf(value))?.name ?? "";
  if (name === "") return "an object with a prototype of its own";
  return `a${/^[AEIOU]/.test(name) ? "n" : ""} ${name} instance`;
}

/** True for the error by which the engine says that the stack is used up. */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && /call stack/i.test(error.message);
}
