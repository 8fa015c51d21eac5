import assert from "node:assert/strict";

/** Fails unless everything in `expected` is the same in `actual`, which may have more. Node 20 has no `partialDeepStrictEqual`. */
export function assertPart(actual: unknown, expected: unknown): void {
  assert.deepEqual(partOf(actual, expected), expected);
}

function partOf(actual: unknown, like: unknown): unknown {
  if (typeof like !== "object" || like === null || typeof actual !== "object" || actual === null)
    return actual;
  if (Array.isArray(like))
    return Array.isArray(actual)
      ? actual.map((one, index) => (index < like.length ? partOf(one, like[index]) : one))
      : actual;
  return Object.fromEntries(
    Object.entries(like).map(([name, part]) => [
      name,
      partOf((actual as Record<string, unknown>)[name], part),
    ]),
  );
}
