import type { Placement } from "../core/step-options.ts";
import type { NewTask } from "../store/store.ts";

/** A call that waits in the queue for whoever may take it. */
export function newTask(call: {
  readonly seq: number;
  readonly path: string;
  readonly name: string;
  readonly placement: Placement;
  readonly attempt: number;
  readonly failures: number;
  readonly gates?: string | undefined;
}): NewTask {
  const { seq, path, name, placement, attempt, failures, gates } = call;
  return {
    seq,
    path,
    name,
    attempt,
    failures,
    queue: placement.queue,
    priority: placement.priority,
    tags: placement.tags,
    delayMs: 0,
    error: undefined,
    itemFrom: undefined,
    itemTo: undefined,
    here: false,
    gates,
  };
}
