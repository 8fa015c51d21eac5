import { isDurable } from "../define.ts";

/** What to tell a workflow that yielded something that is no effect, or gave it as a branch. */
export function notAnEffect(value: unknown): TypeError {
  silence(value);
  return new TypeError(`a workflow yields effects, but this one yielded ${describe(value)}`);
}

/** A promise that was yielded is lost; if it rejects, that must not end the process. */
export function silence(value: unknown): void {
  if (value instanceof Promise) value.catch(() => undefined);
}

/** A value in a few words, with what to write instead of it. */
export function describe(value: unknown): string {
  try {
    return describeValue(value);
  } catch {
    return "an object that cannot be read; write: yield* effect"; // a proxy, or a getter that throws
  }
}

function describeValue(value: unknown): string {
  if (isDurable(value)) {
    return `the ${value.kind} "${value.functionName}" itself; write: yield* call(${value.functionName}, …)`;
  }
  switch (typeof value) {
    case "function":
      return `the function ${value.name || "(anonymous)"}; wrap what it does in an activity, or write: yield* run("name", () => …)`;
    case "object":
      return value === null ? "null; write: yield* effect" : describeObject(value);
    case "string":
      return `the string ${JSON.stringify(value.slice(0, 40))}; write: yield* effect`;
    case "undefined":
      return "nothing; write: yield* effect";
    default:
      return `the ${typeof value} ${String(value)}; write: yield* effect`;
  }
}

function describeObject(value: object): string {
  if ("then" in value && typeof value.then === "function") {
    return 'a promise, which a crash would lose; do it in an activity and write: yield* call(activity, …), or: yield* run("name", () => promise)';
  }
  switch (Object.prototype.toString.call(value)) {
    case "[object Generator]":
      return "a generator; write yield* to run it here, or all([…]), race({…}) to run it beside others";
    case "[object AsyncGenerator]":
      return "an async generator; a workflow is a plain function*, and what is async is an activity";
    case "[object Array]":
      return "an array; write: yield* all([…])";
    default:
      return `an object with the keys ${Object.keys(value).slice(0, 5).join(", ") || "(none)"}; write: yield* effect`;
  }
}
