import { SerializationError } from "../core/errors.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { statePlace } from "../core/places.ts";
import { Result } from "../core/result.ts";
import type { ExecutionRow, Store } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import type { ExecutionState, ExecutionSummary } from "./execution-state.ts";
import { findExecution } from "./find-execution.ts";
import { openWorkOf } from "./open-work.ts";
import { orUnreadable } from "./or-unreadable.ts";
import { outcomeOf } from "./outcome-codec.ts";
import { progressOf } from "./progress.ts";
import { unweighed, waitingFor } from "./waiting-for.ts";

/** An execution as it stands: a few indexed reads. What of it cannot be read is told as the error that says so, beside the rest. @throws ExecutionNotFoundError */
export async function stateOf<R>(connection: Connection, id: string): Promise<ExecutionState<R>> {
  const { store, codec } = connection;
  const row = await findExecution(store, id);
  const open = await openWorkOf(store, row);
  const waiting = await waitingFor(connection, row, open, await store.now());
  const counters = await store.counters(row.key);
  return {
    ...summaryOf(row),
    result: row.endedAt === undefined ? undefined : readOutcome<R>(codec, row),
    ...(await progressOf(store, codec, row, open)),
    waitingFor: waiting.map((reason) => unweighed(reason)),
    counters: Object.fromEntries(counters.map(({ name, value }) => [name, value])),
    customState: await customStateOf(store, codec, row),
  };
}

/** What lists tell of an execution. */
export function summaryOf(row: ExecutionRow): ExecutionSummary {
  return {
    id: row.id,
    workflow: row.name,
    version: row.version,
    state: row.state,
    createdAt: new Date(row.createdAt),
    startedAt: row.startedAt === undefined ? undefined : new Date(row.startedAt),
    completedAt: row.endedAt === undefined ? undefined : new Date(row.endedAt),
    retries: Math.max(0, row.attempt - 1),
    tags: row.tags,
    priority: row.priority,
    queue: row.queue,
    parentId: row.parentId,
  };
}

function readOutcome<R>(codec: PayloadCodec, row: ExecutionRow): Result<R> {
  const outcome = orUnreadable(() => outcomeOf<R>(codec, row));
  return outcome instanceof SerializationError ? Result.Error(outcome) : outcome;
}

async function customStateOf(
  store: Store,
  codec: PayloadCodec,
  { key, id }: ExecutionRow,
): Promise<Record<string, unknown>> {
  const values = await store.state(key);
  return Object.fromEntries(
    values.map(({ name, value }) => [
      name,
      orUnreadable(() => codec.decode(value, statePlace(id, name))),
    ]),
  );
}
