import { knownOptions, nameOption, show, wholeNumberOption } from "../core/option.ts";
import { executionStates, type ExecutionStatus } from "../core/status.ts";
import type { ExecutionQuery } from "../store/store.ts";

/** Which executions. */
export interface ExecutionFilter {
  /** How its id begins. */
  idPrefix?: string;
  state?: ExecutionStatus | readonly ExecutionStatus[];
  /** The function's name. */
  workflow?: string;
  /** "default" names the unqueued. */
  queue?: string;
  /** It is one of theirs. */
  tag?: string;
  /** Id of the execution that started them as its children. */
  parent?: string;
  /** Created at that time or later. */
  since?: Date;
  /** Created at that time or before. */
  until?: Date;
  /** Contained in the error's text. */
  error?: string;
  /** Default 10. */
  limit?: number;
  offset?: number;
  /** The `nextCursor` of the page before. */
  cursor?: string;
}

const known = [
  "idPrefix",
  "state",
  "workflow",
  "queue",
  "tag",
  "parent",
  "since",
  "until",
  "error",
  "limit",
  "offset",
  "cursor",
];

/** What a filter asks the store for; `limit`, `offset` and `cursor` are for the list. @throws TypeError, RangeError naming the option */
export function queryOf(filter: ExecutionFilter): Omit<ExecutionQuery, "limit"> {
  knownOptions("a filter of executions", filter, known);
  const states = statesOf(filter.state);
  const since = timeOf("since", filter.since);
  const until = timeOf("until", filter.until);
  const error = nameOption("error", filter.error);
  const named = {
    idPrefix: nameOption("idPrefix", filter.idPrefix),
    name: nameOption("workflow", filter.workflow),
    queue: nameOption("queue", filter.queue),
    tag: nameOption("tag", filter.tag),
    parentId: nameOption("parent", filter.parent),
  };
  return {
    ...Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    ...(states === undefined ? {} : { states }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    // The store looks for it in what is stored, which is JSON.
    ...(error === undefined ? {} : { error: JSON.stringify(error).slice(1, -1) }),
  };
}

/** @throws RangeError */
export function limitOf(limit: number | undefined, fallback: number): number {
  return wholeNumberOption("limit", 1, limit) ?? fallback;
}

function statesOf(state: ExecutionFilter["state"]): readonly ExecutionStatus[] | undefined {
  if (state === undefined) return undefined;
  const states: readonly unknown[] = Array.isArray(state) ? state : [state];
  if (states.every((each) => isStatus(each))) return states;
  const wrong = states.find((each) => !isStatus(each));
  throw new TypeError(`state must be of ${executionStates.join(", ")}, got ${show(wrong)}`);
}

const statuses: ReadonlySet<unknown> = new Set(executionStates);

function isStatus(value: unknown): value is ExecutionStatus {
  return statuses.has(value);
}

function timeOf(option: string, time: Date | undefined): number | undefined {
  if (time === undefined) return undefined;
  const ms = time instanceof Date ? time.getTime() : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new TypeError(`${option} must be a valid Date, got ${show(time)}`);
}
