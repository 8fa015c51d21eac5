import type { Place } from "./serializer.ts";

/** Place of an execution's arguments. */
export function inputPlace(executionId: string): Place {
  return { kind: "input", owner: executionId };
}

/** Place of an execution's result or failure. */
export function resultPlace(executionId: string): Place {
  return { kind: "result", owner: executionId };
}

/** Place of what a journal entry carries and of its outcome. */
export function entryPlace(executionId: string, run: number, path: string): Place {
  return { kind: "entry", owner: executionId, path: `${run}/${path}` };
}

/** Place of a message. */
export function signalPlace(executionId: string, name: string): Place {
  return { kind: "signal", owner: executionId, path: name };
}

/** Place of a value of an execution's own state. */
export function statePlace(executionId: string, name: string): Place {
  return { kind: "state", owner: executionId, path: name };
}

/** Place of a result that is kept for other executions, under a name made of function and key. */
export function storedResultPlace(name: string): Place {
  return { kind: "stored-result", owner: name };
}

/** Id of the task of one step: another for every execution, run, path and cut. Handed to activities as their idempotency key too. */
export function stepId(
  execution: { readonly id: string; readonly run: number; readonly cut: number },
  path: string,
): string {
  const cut = execution.cut === 0 ? "" : `.${execution.cut}`;
  return `${execution.id}/${execution.run}${cut}/${path}`;
}

/** Id of a task: that of its step, and once its dead letter has been replayed, how often. The step's idempotency key stays what it was. */
export function taskIdOf(
  execution: Parameters<typeof stepId>[0],
  path: string,
  { replays }: { readonly replays?: number },
): string {
  const id = stepId(execution, path);
  return replays === undefined ? id : `${id}~${replays}`;
}

/** Path of one item of a map. */
export function itemPath(path: string, item: number): string {
  return `${path}.${item}`;
}
