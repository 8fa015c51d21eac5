import { ExecutionExistsError } from "./errors.ts";

/** Why an execution was not started: one that has its id already, which may be of another function. */
export interface StandingExecution {
  readonly reason: "other-function" | "exists";
  /** Of what it is an execution. */
  readonly name: string;
}

/** The error of a dispatch that was refused. */
export function executionExists(
  { reason, name }: StandingExecution,
  wanted: { readonly id: string; readonly name: string },
): ExecutionExistsError {
  return new ExecutionExistsError(
    reason === "other-function"
      ? `the id "${wanted.id}" belongs to an execution of "${name}", not of "${wanted.name}"; use another id`
      : `an execution of "${name}" has the id "${wanted.id}" already; pass ifExists: "join" to get that one, ` +
          `or "restart-if-failed" to start it anew where it failed`,
  );
}
