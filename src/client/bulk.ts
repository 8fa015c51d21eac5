import { ExecutionRunningError } from "../core/errors.ts";
import { knownOptions, wholeNumberOption, wordOption } from "../core/option.ts";
import { finalStates } from "../core/status.ts";
import type { ExecutionQuery, ExecutionRow } from "../store/store.ts";
import { cancel } from "./cancel.ts";
import { removeExecutions } from "../store/cleaning.ts";
import type { Connection } from "./connection.ts";
import { queryOf, type ExecutionFilter } from "./execution-filter.ts";
import { retry } from "./retry.ts";

/** What can be done to many executions. */
export type BulkAction = "cancel" | "retry" | "delete";

/** How much a bulk act does. */
export interface BulkOptions {
  /** Counts, and does nothing. */
  dryRun?: boolean;
  /** At most so many. Default: all. */
  limit?: number;
}

/** How a bulk act went. */
export interface BulkResult {
  readonly matched: number;
  /** Ids. */
  readonly done: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: Error }[];
}

/** Acts that are handed in together; deleting takes longer than the others. */
const batchSizes = { cancel: 500, retry: 100, delete: 50 } as const;

/** The same act on everything that a filter matches, newest first, in batches. @throws TypeError, RangeError for a wrong filter or option */
export async function bulk(
  connection: Connection,
  action: BulkAction,
  filter: ExecutionFilter,
  options: BulkOptions = {},
): Promise<BulkResult> {
  wordOption("the action of bulk", ["cancel", "retry", "delete"], action);
  knownOptions("bulk", options, ["dryRun", "limit"]);
  const query = bulkQuery(action, filter);
  let left = wholeNumberOption("limit", 1, options.limit) ?? Infinity;
  if (options.dryRun === true) {
    const matched = Math.min(left, await connection.store.countExecutions(query));
    return { matched, done: [], failed: [] };
  }
  const done: string[] = [];
  const failed: { id: string; error: Error }[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; left > 0;) {
    const limit = Math.min(left, batchSizes[action]);
    const rows = await connection.store.executions({ ...query, before, limit });
    const errors = await acts[action](connection, rows);
    for (const [index, { id }] of rows.entries()) {
      const error = errors[index];
      if (error === undefined) done.push(id);
      else failed.push({ id, error });
    }
    left -= rows.length;
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) break;
    before = last.key;
  }
  return { matched: done.length + failed.length, done, failed };
}

/** Only what has ended can be deleted. */
function bulkQuery(action: BulkAction, filter: ExecutionFilter): Omit<ExecutionQuery, "limit"> {
  const query = queryOf(filter);
  if (action !== "delete") return query;
  const ended = (query.states ?? finalStates).filter((state) =>
    (finalStates as readonly string[]).includes(state),
  );
  return { ...query, states: ended };
}

/** For each execution what stood in the way; undefined where it was done. */
const acts: Readonly<
  Record<
    BulkAction,
    (connection: Connection, rows: readonly ExecutionRow[]) => Promise<(Error | undefined)[]>
  >
> = {
  cancel: (connection, rows) =>
    Promise.all(
      rows.map(({ id }) => errorOf(cancel(connection, id, { reason: undefined, force: false }))),
    ),

  retry: (connection, rows) =>
    Promise.all(
      rows.map(async (row) => {
        const error = await errorOf(retry(connection, row.id, { from: "failure", force: false }));
        // It had ended when it was listed: it goes on together with a parent or child of this bulk.
        return error instanceof ExecutionRunningError && row.endedAt !== undefined
          ? undefined
          : error;
      }),
    ),

  delete: async ({ committer, store }, rows) => {
    const keys = rows.map(({ key }) => key);
    const { removed } = await removeExecutions({ committer }, keys);
    const gone = new Set(removed);
    return Promise.all(
      rows.map(async ({ id, key }) => {
        if (gone.has(id) || (await store.executionByKey(key)) === undefined) return undefined;
        return new ExecutionRunningError(
          `execution "${id}" has children under way; it can be deleted when they have ended`,
        );
      }),
    );
  },
};

async function errorOf(act: Promise<void>): Promise<Error | undefined> {
  try {
    await act;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
