import type { Argv } from "yargs";
import type { ExecutionFilter, ExecutionStatus } from "stentjs";
import { UsageError } from "./usage-error.ts";

/** Which executions. */
export interface FilterArguments {
  readonly state: readonly string[] | undefined;
  readonly workflow: string | undefined;
  readonly queue: string | undefined;
  readonly tag: string | undefined;
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly parent: string | undefined;
  readonly error: string | undefined;
}

/** Declares them. */
export function filterOptions<A>(yargs: Argv<A>): Argv<A & FilterArguments> {
  const text = (describe: string) => ({ type: "string", requiresArg: true, describe }) as const;
  return yargs
    .option("state", {
      alias: "s",
      type: "string",
      array: true,
      requiresArg: true,
      coerce: states,
      describe: "Only in these states; commas separate several",
    })
    .option("workflow", { alias: "w", ...text("Only of this function") })
    .option("queue", text("Only of this queue; default names the unqueued"))
    .option("tag", text("Only with this tag"))
    .option("since", text("Created then or later: an ISO time, or a duration ago (2h)"))
    .option("until", text("Created then or before"))
    .option("parent", text("Only children of this execution"))
    .option("error", text("Only those whose error contains this"));
}

function states(given: readonly string[] | undefined): string[] | undefined {
  return given?.flatMap((text) => text.split(",")).filter((text) => text !== "");
}

/** What they ask for. @throws UsageError */
export async function filterOf(given: FilterArguments): Promise<ExecutionFilter> {
  const { workflow, queue, tag, parent, error, since, until, state } = given;
  const named = { workflow, queue, tag, parent, error };
  return {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(state === undefined ? {} : { state: state as readonly ExecutionStatus[] }),
    ...(since === undefined ? {} : { since: await timeOf(since) }),
    ...(until === undefined ? {} : { until: await timeOf(until) }),
  };
}

/** Whether any of them is given. */
export function hasFilter(given: FilterArguments): boolean {
  const { state, workflow, queue, tag, parent, error, since, until } = given;
  return [state, workflow, queue, tag, parent, error, since, until].some(
    (each) => each !== undefined,
  );
}

/** An ISO time, or so long ago. @throws UsageError, InvalidDurationError */
export async function timeOf(text: string): Promise<Date> {
  const { parseDuration } = await import("stentjs");
  const at = /^\d{4}-/.test(text) ? Date.parse(text) : Date.now() - parseDuration(text);
  if (Number.isNaN(at)) {
    throw new UsageError(`no time: "${text}"; write 2026-11-21T09:00:00Z, or 2h for two hours ago`);
  }
  return new Date(at);
}
