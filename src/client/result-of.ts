import { ExecutionRunningError } from "../core/errors.ts";
import type { Result } from "../core/result.ts";
import type { Connection } from "./connection.ts";
import { findExecution } from "./find-execution.ts";
import { outcomeOf } from "./outcome-codec.ts";

/** The outcome of an execution that has ended. @throws ExecutionNotFoundError, ExecutionRunningError */
export async function resultOf<R>({ store, codec }: Connection, id: string): Promise<Result<R>> {
  const row = await findExecution(store, id);
  if (row.endedAt !== undefined) return outcomeOf<R>(codec, row);
  throw new ExecutionRunningError(
    `execution "${id}" has not ended: it is ${row.state}; waitFor("${id}") waits for its result`,
  );
}
