import {
  CleanedUpError,
  ExecutionFinishedError,
  ExecutionNotFoundError,
  ExecutionRunningError,
} from "../core/errors.ts";
import { knownOptions, wordOption } from "../core/option.ts";
import { failpoint } from "../runtime/failpoint.ts";
import type { RetryAnswer } from "../store/store.ts";
import type { Connection } from "./connection.ts";

/** How an execution that has stopped goes on. */
export interface RetryOptions {
  /**
   * "failure" (default): a failed, timed-out or blocked execution goes on from the effect that stopped it.
   * "start": a failed, timed-out or cancelled one runs again from the top, as a new run.
   */
  from?: "failure" | "start";
  /** Goes on though something was done in the world after the failure; what was done stays done. */
  force?: boolean;
}

/** @throws TypeError naming the option. */
export function resolveRetryOptions(options: RetryOptions = {}): Required<RetryOptions> {
  knownOptions("retry", options, ["from", "force"]);
  return {
    from: wordOption("from", ["failure", "start"], options.from) ?? "failure",
    force: options.force ?? false,
  };
}

/** @throws ExecutionNotFoundError, ExecutionFinishedError, ExecutionRunningError, CleanedUpError */
export async function retry(
  connection: Connection,
  id: string,
  options: Required<RetryOptions>,
): Promise<void> {
  failpoint("retry.before-submit");
  const answer = await connection.committer.submit("retry", { executionId: id, ...options });
  failpoint("retry.after-commit");
  const refusal = refusalOf(answer, id);
  if (refusal !== undefined) throw refusal;
}

function refusalOf(answer: RetryAnswer, id: string): Error | undefined {
  switch (answer.kind) {
    case "done":
      return undefined;
    case "not-found":
      return new ExecutionNotFoundError(id);
    case "running":
      return new ExecutionRunningError(
        `execution "${id}" has not ended: there is nothing to retry; why("${id}") says what it waits for`,
      );
    case "finished":
      return new ExecutionFinishedError(
        `execution "${id}" completed or was cancelled, so it cannot go on from a failure; ` +
          `a cancelled one can be started again with from: "start"`,
      );
    case "cleaned-up":
      return new CleanedUpError(
        `execution "${answer.executionId}" cannot go on from its failure: after it ${answer.steps.join(", ")} was done, ` +
          `and may have taken back what it would build on. Use from: "start", or force: true to go on all the same`,
        answer.steps,
      );
    default:
      return answer satisfies never;
  }
}
