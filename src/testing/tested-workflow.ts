import { isRemote } from "../core/define.ts";
import type { AnyDurable, Workflow } from "../core/durable.ts";
import { assertDurable, validated } from "../core/effects/call.ts";
import { show } from "../core/option.ts";

/** What a test is about. */
export interface TestedWorkflow {
  readonly fn: Workflow<unknown[], unknown>;
  /** As its schema puts them out. */
  readonly args: readonly unknown[];
}

/** A workflow whose code is here, and the list of its arguments. `what`: who asks. @throws TypeError; ValidationError */
export function testedWorkflow(what: string, given: unknown, args: unknown): TestedWorkflow {
  const fn = workflowGiven(what, given);
  if (!Array.isArray(args))
    throw new TypeError(
      `${what} takes the arguments of workflow "${fn.functionName}" as a list, [] for none, got ${show(args)}`,
    );
  return { fn, args: validated(fn, args) };
}

/** A workflow whose code is here. @throws TypeError */
export function workflowGiven(what: string, given: unknown): Workflow<unknown[], unknown> {
  assertDurable(what, given);
  const fn: AnyDurable = given;
  if (fn.kind !== "workflow")
    throw new TypeError(
      `${what} takes a workflow, and "${fn.functionName}" is an activity: call it, it is a function`,
    );
  if (isRemote(fn))
    throw new TypeError(
      `the code of workflow "${fn.functionName}" is elsewhere; ${what} needs it here`,
    );
  return fn;
}

/** Entries that are there. @throws TypeError for those that are still to come, which `stent.history` gives */
export function assertHistory(what: string, history: unknown): void {
  if (typeof history === "object" && history !== null && Symbol.iterator in history) return;
  const isToCome =
    typeof history === "object" && history !== null && Symbol.asyncIterator in history;
  throw new TypeError(
    isToCome
      ? `${what} takes entries that are there: for await (const entry of stent.history(id)) entries.push(entry)`
      : `${what} takes a list of history entries, such as (await simulate(…)).history, got ${show(history)}`,
  );
}
