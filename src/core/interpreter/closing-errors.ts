/**
 * What is thrown while something is closed stands in `errors` of the error that closed it: it was first, and is the one that is told.
 * @returns false if it cannot take them
 */
export function addErrors(error: unknown, errors: readonly unknown[]): boolean {
  // A fork's error is one object wherever it was joined: none may come to contain itself.
  const added = errors.filter((each) => !leadsTo(each, error));
  if (added.length === 0) return true;
  if (!(error instanceof Error) || hasErrorsOfItsOwn(error)) return false;
  return Reflect.defineProperty(error, "errors", {
    value: [...errorsOf(error), ...added],
    configurable: true,
    enumerable: false,
    writable: true,
  });
}

/** Something else by that name, which is not ours to replace. */
function hasErrorsOfItsOwn(error: Error): boolean {
  const own = Object.getOwnPropertyDescriptor(error, "errors");
  return own !== undefined && !Array.isArray(own.value);
}

function leadsTo(from: unknown, to: unknown, seen = new Set<unknown>()): boolean {
  if (from === to) return true;
  if (!(from instanceof Error) || seen.has(from)) return false;
  seen.add(from);
  return errorsOf(from).some((next) => leadsTo(next, to, seen));
}

function errorsOf(error: Error): readonly unknown[] {
  const errors: unknown = Object.getOwnPropertyDescriptor(error, "errors")?.value;
  return Array.isArray(errors) ? (errors as unknown[]) : [];
}
