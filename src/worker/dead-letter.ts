import { showsMessage, type Payload } from "../core/payload.ts";
import { taskIdOf } from "../core/places.ts";
import type { Placement, StoredOptions } from "../core/step-options.ts";
import type { ClaimedExecution, NewDeadLetter } from "../store/store.ts";
import { nameOf, reasonOf } from "./verdict.ts";

/** The dead letter of a step that has used up its attempts and ended its execution. */
export function deadLetterOf(step: {
  readonly execution: Pick<ClaimedExecution, "id" | "run" | "cut" | "kind" | "createdAt">;
  /** Where its task ran. */
  readonly placement: Placement;
  readonly path: string;
  readonly seq: number;
  readonly item: number;
  readonly name: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  /** What is stored of how it runs. */
  readonly options?: StoredOptions;
  readonly error: unknown;
  readonly payload: Payload;
}): NewDeadLetter {
  const { execution, placement, path, seq, item } = step;
  const task = taskIdOf(execution, path, step.options ?? {});
  return {
    task,
    seq,
    item,
    // Of an error that is encrypted only the name: the message is for those who can read it.
    reason: showsMessage(step.payload, step.error) ? reasonOf(step.error) : nameOf(step.error),
    error: step.payload,
    record: JSON.stringify({
      id: task,
      executionId: execution.id,
      name: step.name,
      kind: seq === -1 ? execution.kind : "activity",
      state: "failed",
      attempt: step.attempt,
      maxAttempts: step.maxAttempts,
      queue: placement.queue,
      priority: placement.priority,
      tags: placement.tags,
      createdAt: execution.createdAt,
      run: execution.run,
      path,
    }),
  };
}
