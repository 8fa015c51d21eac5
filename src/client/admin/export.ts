import { knownOptions } from "../../core/option.ts";
import { inputPlace, statePlace } from "../../core/places.ts";
import { executionStates } from "../../core/status.ts";
import type { ExecutionRow } from "../../store/store.ts";
import type { Connection } from "../connection.ts";
import { asError } from "../../core/entry-outcome.ts";
import { findExecution } from "../find-execution.ts";
import { history, type HistoryEntry } from "../history.ts";
import { orUnreadable } from "../or-unreadable.ts";
import { outcomeOf } from "../outcome-codec.ts";
import { lineOf, type BundleHead } from "./bundle-codec.ts";

/** What goes out with an execution. */
export interface ExportOptions {
  /** Its children as well, and theirs, each behind its parent. Default false. */
  children?: boolean;
}

type Read = <T>(read: (connection: Connection) => Promise<T>) => Promise<T>;

/** So many children of one execution are read at a time. */
const pageSize = 500;

/** The lines of an execution: a head, then its history. @throws ExecutionNotFoundError at the first step; TypeError for a wrong option */
export async function* exportLines(
  read: Read,
  id: string,
  options: ExportOptions = {},
): AsyncGenerator<string, void, void> {
  knownOptions("export", options, ["children"]);
  const row = await read(({ store }) => findExecution(store, id));
  yield lineOf(await read((connection) => headOf(connection, row)));
  for await (const entry of history(read, id)) yield lineOf(entry);
  if (options.children !== true) return;
  for (let offset = 0; ; offset += pageSize) {
    const children = await read(({ store }) =>
      store.executions({ parentId: id, states: executionStates, limit: pageSize, offset }),
    );
    for (const child of children) yield* exportLines(read, child.id, options);
    if (children.length < pageSize) return;
  }
}

async function headOf({ store, codec }: Connection, row: ExecutionRow): Promise<BundleHead> {
  const { id, kind, version, state, parentId, run, attempt, queue, priority, tags, blocked } = row;
  const counters = await store.counters(row.key);
  const values = await store.state(row.key);
  const args = orUnreadable(() => codec.decode(row.input, inputPlace(id)));
  return {
    stent: 1,
    id,
    kind,
    workflow: row.name,
    version,
    args: Array.isArray(args) ? args : [args],
    state,
    parent: parentId,
    run,
    attempt,
    queue,
    priority,
    tags,
    createdAt: new Date(row.createdAt),
    startedAt: dateOf(row.startedAt),
    completedAt: dateOf(row.endedAt),
    outcome: row.endedAt === undefined ? undefined : endOf(codec, row),
    blocked,
    counters: Object.fromEntries(counters.map(({ name, value }) => [name, value])),
    customState: Object.fromEntries(
      values.map(({ name, value }) => [
        name,
        orUnreadable(() => codec.decode(value, statePlace(id, name))),
      ]),
    ),
  };
}

function endOf(codec: Connection["codec"], row: ExecutionRow): HistoryEntry["outcome"] {
  const result = orUnreadable(() => outcomeOf(codec, row));
  if (result instanceof Error) return { ok: false, error: result };
  return result.ok
    ? { ok: true, value: result.value }
    : { ok: false, error: asError(result.error) };
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}
