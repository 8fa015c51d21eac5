/** Failures that are too long: what may go, in which order. */
import type { Failure } from "./failure.ts";

/** Messages keep at least so many characters while there is something else to take away. */
const keptMessageLength = 1_000;

/**
 * The failure, cut to at most `maxBytes` of JSON: its stack first, then those of causes and `errors`, long messages, properties, `errors`,
 * causes, and last the rest of the message. A text that was cut ends in "… (shortened)".
 */
export function shortenFailure(failure: Failure, maxBytes: number): Failure {
  let short = failure;
  for (const cut of cuts) {
    const excess = jsonBytes(short) - maxBytes;
    if (excess <= 0) return short;
    short = cut(short, excess);
  }
  return jsonBytes(short) <= maxBytes ? short : bareMinimum(short, maxBytes);
}

type Cut = (failure: Failure, excess: number) => Failure;

const cuts: readonly Cut[] = [
  cutStack,
  (failure) => inner(failure, dropStack),
  cutMessages,
  (failure) =>
    without(
      inner(failure, (nested) => without(nested, "properties", "meta")),
      "properties",
      "meta",
    ),
  (failure) => without(failure, "errors"),
  (failure) => without(failure, "cause"),
];

/** Keeps the top of the stack, as many whole lines as there is room for. */
function cutStack(failure: Failure, excess: number): Failure {
  const { stack } = failure;
  if (stack === undefined) return failure;
  const kept = stack.slice(0, Math.max(0, stack.length - excess - ending.length));
  const lines = kept.slice(0, Math.max(0, kept.lastIndexOf("\n")));
  return lines === "" ? dropStack(failure) : { ...failure, stack: `${lines}\n${ending}` };
}

function dropStack(failure: Failure): Failure {
  return without(failure, "stack");
}

function cutMessages(failure: Failure): Failure {
  return cutMessage(inner(dropStack(failure), cutMessage));
}

function cutMessage(failure: Failure): Failure {
  return { ...failure, message: cutText(failure.message, keptMessageLength) };
}

function bareMinimum(failure: Failure, maxBytes: number): Failure {
  const { name, message, class: className, origin, code, notError } = failure;
  // A character takes at most six bytes of JSON.
  const room = Math.max(0, Math.floor((maxBytes - 200) / 6));
  return {
    name: cutText(name, Math.min(100, room)),
    message: cutText(message, room),
    ...(className === undefined || className.length > 100 ? {} : { class: className }),
    ...(origin === undefined ? {} : { origin }),
    ...(code === undefined || String(code).length > 100 ? {} : { code }),
    ...(notError === undefined ? {} : { notError }),
  };
}

/** Applies `change` to every cause and every one of `errors`, at any depth. */
function inner(failure: Failure, change: (nested: Failure) => Failure): Failure {
  const deep = (nested: Failure): Failure => change(inner(nested, change));
  return {
    ...failure,
    ...(failure.cause === undefined ? {} : { cause: deep(failure.cause) }),
    ...(failure.errors === undefined ? {} : { errors: failure.errors.map(deep) }),
  };
}

function without(failure: Failure, ...keys: readonly (keyof Failure)[]): Failure {
  return Object.fromEntries(
    Object.entries(failure).filter(([key]) => !keys.includes(key as keyof Failure)),
  ) as unknown as Failure;
}

const ending = "… (shortened)";

function cutText(text: string, maxLength: number): string {
  return text.length <= maxLength
    ? text
    : text.slice(0, Math.max(0, maxLength - ending.length)) + ending;
}

function jsonBytes(failure: Failure): number {
  return Buffer.byteLength(JSON.stringify(failure));
}
