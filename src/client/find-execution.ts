import { ExecutionNotFoundError } from "../core/errors.ts";
import type { ExecutionRow, Store } from "../store/store.ts";

/** The execution of that id. @throws ExecutionNotFoundError */
export async function findExecution(store: Store, id: string): Promise<ExecutionRow> {
  const row = await store.execution(id);
  if (row === undefined) throw new ExecutionNotFoundError(id);
  return row;
}
