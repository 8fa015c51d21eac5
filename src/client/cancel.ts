import { ExecutionNotFoundError } from "../core/errors.ts";
import { knownOptions, show } from "../core/option.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { Connection } from "./connection.ts";

/** How an execution is cancelled. */
export interface CancelOptions {
  /** The text of the CancelledError. Default: "Execution cancelled". */
  reason?: string;
  /** Ends it and its children at once and runs no more of their code: the way out for blocked ones. */
  force?: boolean;
}

/** @throws TypeError naming the option. */
export function resolveCancelOptions(options: CancelOptions = {}): {
  readonly reason: string | undefined;
  readonly force: boolean;
} {
  knownOptions("cancel", options, ["reason", "force"]);
  const { reason, force = false } = options;
  if (reason !== undefined && typeof reason !== "string") {
    throw new TypeError(`reason must be a text, got ${show(reason)}`);
  }
  return { reason, force };
}

/** Asks an execution to end; one that has ended stays as it is. @throws ExecutionNotFoundError */
export async function cancel(
  connection: Connection,
  id: string,
  options: { readonly reason: string | undefined; readonly force: boolean },
): Promise<void> {
  failpoint("cancel.before-submit");
  const answer = await connection.committer.submit("cancel", { executionId: id, ...options });
  failpoint("cancel.after-commit");
  if (answer === "not-found") throw new ExecutionNotFoundError(id);
}
