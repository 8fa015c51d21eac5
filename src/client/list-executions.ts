import { wholeNumberOption } from "../core/option.ts";
import type { Connection } from "./connection.ts";
import { cursorOf, positionOf } from "./cursor.ts";
import { limitOf, queryOf, type ExecutionFilter } from "./execution-filter.ts";
import type { ExecutionSummary } from "./execution-state.ts";
import type { Page } from "./page.ts";
import { summaryOf } from "./state-of.ts";

const list = "executions";
const defaultLimit = 10;

/** Executions that match, newest first. @throws TypeError, RangeError for a wrong filter */
export async function listExecutions(
  { store }: Connection,
  filter: ExecutionFilter = {},
): Promise<Page<ExecutionSummary>> {
  const query = queryOf(filter);
  const limit = limitOf(filter.limit, defaultLimit);
  const offset = wholeNumberOption("offset", 0, filter.offset) ?? 0;
  const [before] = positionOf(list, filter.cursor) ?? [];
  const rows = await store.executions({
    ...query,
    ...(before === undefined ? {} : { before }),
    offset,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => summaryOf(row)),
    nextCursor: last === undefined ? undefined : cursorOf(list, [last.key]),
  };
}
