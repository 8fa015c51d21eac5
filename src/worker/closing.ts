/** How a whole execution is closed, being cancelled or past its deadline: why, what that waits for, and how long. */
import type { AnyEffect } from "../core/effects/any-effect.ts";
import { CancelledError, ExpiryError } from "../core/errors.ts";
import type { Coroutine } from "../core/interpreter/coroutine.ts";
import type { ExecutionStatus } from "../core/status.ts";
import type { Store } from "../store/store.ts";
import { reasonIn } from "./cancel-reason.ts";
import type { LocalSteps } from "./local-steps.ts";
import type { Replica } from "./replica.ts";

/** Why a whole execution is to be closed now, if it is. */
export function closingReason(
  execution: {
    readonly state: ExecutionStatus;
    readonly cancelReason: string | undefined;
    readonly deadline: number | undefined;
    readonly name: string;
  },
  coroutine: Coroutine | undefined,
  now: number,
): CancelledError | ExpiryError | undefined {
  if (coroutine?.closingReason !== undefined) return undefined;
  if (execution.state === "cancelling") return new CancelledError(reasonIn(execution.cancelReason));
  if (execution.deadline !== undefined && execution.deadline <= now) {
    return new ExpiryError(
      "EXECUTION_TIMED_OUT",
      `workflow "${execution.name}" passed its maxDuration`,
    );
  }
  return undefined;
}

/** Paths of attempts, tasks and children that have begun: closing waits for them. */
export async function begunPaths(
  store: Store,
  execution: number,
  replica: Replica,
  local: LocalSteps,
): Promise<string[]> {
  const paths = new Set(local.paths());
  const waiting = [...replica.coroutine.pending()];
  if (waiting.some((leaf) => leaf.kind === "call" || leaf.kind === "map")) {
    const tasks = await store.tasks({ execution, limit: Number.MAX_SAFE_INTEGER });
    const arrivals = await store.arrivals(execution);
    const begun = new Set(
      [...tasks.filter((task) => task.worker !== undefined), ...arrivals].map((row) => row.seq),
    );
    for (const leaf of waiting) {
      const open = replica.open.get(leaf.path);
      if (open !== undefined && begun.has(open.seq)) paths.add(leaf.path);
    }
  }
  for (const leaf of waiting) if (isOverWorkflow(leaf)) paths.add(leaf.path);
  return [...paths];
}

/** A child, or a map whose items are children. */
function isOverWorkflow({ effect }: { readonly effect: AnyEffect }): boolean {
  return (effect.kind === "call" || effect.kind === "map") && effect.fn.kind === "workflow";
}

/** When it is not waited for any longer. */
export function graceEnd({ closingAt }: Replica, graceMs: number): number {
  return closingAt === undefined ? Infinity : closingAt + graceMs;
}

export function graceIsOver(replica: Replica, graceMs: number, now: number): boolean {
  return (
    replica.closingAt !== undefined &&
    isLate(replica.coroutine) &&
    now >= graceEnd(replica, graceMs)
  );
}

/** It is being closed, and waits for what had begun before. */
export function isLate(coroutine: Coroutine): boolean {
  if (coroutine.closingReason === undefined) return false;
  for (const leaf of coroutine.pending()) if (leaf.late) return true;
  return false;
}
