import { DeleteResult, InsertResult, MergeResult, UpdateResult } from "kysely";

/**
 * What Kysely gives for a statement that writes, as plain data with the same fields: `(tx) => tx.insertInto(…).execute()` is the shortest
 * closure there is, and what it gives has to be storable. Everything else as it is.
 */
export function plainResults(value: unknown): unknown {
  if (!Array.isArray(value)) return plainResult(value);
  return value.some(isResult) ? value.map(plainResult) : value;
}

function plainResult(value: unknown): unknown {
  return isResult(value) ? { ...value } : value;
}

function isResult(value: unknown): value is object {
  return (
    value instanceof InsertResult ||
    value instanceof UpdateResult ||
    value instanceof DeleteResult ||
    value instanceof MergeResult
  );
}
