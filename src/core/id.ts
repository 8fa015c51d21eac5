/** Ids that callers give: a slip is told here, where the database would only say that it cannot bind it. */
import { show } from "./option.ts";

/** @throws TypeError naming the method, for what is no text: a handle, say, whose id was meant. */
export function checkExecutionId(method: string, id: unknown): void {
  if (typeof id === "string") return;
  throw new TypeError(
    `${method} takes the id of an execution, a text such as handle.id; got ${show(id)}`,
  );
}

/** @throws TypeError naming the method, for what is no text. */
export function checkTaskId(method: string, id: unknown): void {
  if (typeof id === "string") return;
  throw new TypeError(
    `${method} takes the id of a task, a text such as deadLetter.task.id; got ${show(id)}`,
  );
}
