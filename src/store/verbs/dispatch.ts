import type { DispatchAnswer, Dispatched, DispatchRequest, NewExecution } from "../store.ts";
import { tagsColumn, type Batch, type RowOf, type Statements } from "../batch.ts";
import type { Procedure } from "../procedure.ts";
import { forgetRun } from "./next-run.ts";

/** Where a new execution stands in a tree. */
export interface Lineage {
  readonly parent: number;
  readonly parentRun: number;
  readonly parentSeq: number;
  /** Of a child of a map: its item. */
  readonly parentItem?: number;
  readonly root: number;
}

/** Starts executions; if one of them may not be started, none is. */
export function* dispatch(batch: Batch, request: DispatchRequest): Procedure<DispatchAnswer> {
  if (request.executions.every((execution) => execution.ownId === true)) {
    return yield* batch.each(request.executions, (execution, index) =>
      create(batch, execution, request.adopt[index]),
    );
  }
  const standing = yield* batch.each(request.executions, ({ id }) => existing(batch, id));
  const answers = standing.map((row, index): Dispatched | undefined => {
    const execution = request.executions[index];
    if (row === undefined || execution === undefined) return undefined;
    if (row.name !== execution.name)
      return { kind: "refused", reason: "other-function", name: row.name };
    if (request.ifExists === "reject") return { kind: "refused", reason: "exists", name: row.name };
    return restarts(request, row) ? undefined : { kind: "joined" };
  });
  const twice = sameIdTwice(request.executions);
  if (twice !== undefined) {
    return request.executions.map(({ id, name }) =>
      id === twice ? { kind: "refused", reason: "exists", name } : { kind: "joined" },
    );
  }
  if (answers.some((answer) => answer?.kind === "refused")) {
    return answers.map((answer) => answer ?? { kind: "joined" });
  }
  return yield* batch.each(request.executions, function* (execution, index) {
    const answer = answers[index];
    if (answer !== undefined) return answer;
    const row = standing[index];
    const session = request.adopt[index];
    if (row === undefined) return yield* create(batch, execution, session);
    return yield* restart(batch, row, execution, yield* adopterOf(batch, execution, session));
  });
}

/** Whether one of the executions that are there would begin anew. */
export function* wouldRestart(batch: Batch, request: DispatchRequest): Procedure<boolean> {
  if (request.ifExists !== "restart-if-failed") return false;
  const rows = yield* batch.each(request.executions, ({ id }) => existing(batch, id));
  return rows.some((row) => row !== undefined && restarts(request, row));
}

function restarts({ ifExists }: DispatchRequest, { ended_at, state }: Standing): boolean {
  return ifExists === "restart-if-failed" && ended_at !== null && state !== "completed";
}

type Standing = RowOf<Statements["executions"]["byId"]>;

function* existing(batch: Batch, id: string): Procedure<Standing | undefined> {
  return yield* batch.sql.executions.byId.get({ id });
}

function* create(
  batch: Batch,
  execution: NewExecution,
  session: number | undefined,
): Procedure<Dispatched> {
  const adopter = yield* adopterOf(batch, execution, session);
  if (adopter === undefined) batch.hintReady();
  const columns = yield* columnsOf(batch, execution, adopter);
  const { insert, insertTimed } = batch.sql.executions;
  const statement = execution.totalTimeoutMs === undefined ? insert : insertTimed;
  const key = yield* statement.insert(columns);
  return { kind: "created", key, claim: adopter === undefined ? 0 : 1, now: batch.now };
}

function sameIdTwice(executions: readonly NewExecution[]): string | undefined {
  if (executions.length < 2) return undefined;
  const ids = new Set<string>();
  for (const { id } of executions) {
    if (ids.has(id)) return id;
    ids.add(id);
  }
  return undefined;
}

/** Starts a child, which waits for a worker. */
export function* insertChild(
  batch: Batch,
  execution: NewExecution,
  lineage: Lineage,
): Procedure<void> {
  batch.hintReady();
  const { insert, insertItem } = batch.sql.executions;
  const statement = lineage.parentItem === undefined ? insert : insertItem;
  statement.do({ ...(yield* columnsOf(batch, execution, undefined)), ...lineage });
}

function* restart(
  batch: Batch,
  { key, run }: { readonly key: number; readonly run: number },
  execution: NewExecution,
  adopter: number | undefined,
): Procedure<Dispatched> {
  yield* forgetRun(batch, key, run, "none");
  batch.sql.sessions.removeLetters.do({ execution: key });
  const row = yield* batch.sql.executions.restart.get({
    ...(yield* columnsOf(batch, execution, adopter)),
    key,
  });
  if (adopter === undefined) batch.hintReady();
  return { kind: "restarted", key, claim: row?.claim ?? 0, now: batch.now };
}

function* columnsOf(
  batch: Batch,
  execution: NewExecution,
  adopter: number | undefined,
): Procedure<Record<string, unknown>> {
  const { now } = batch;
  const notBefore = now + execution.delayMs;
  return {
    id: execution.id,
    kind: execution.kind,
    name: execution.name,
    version: execution.version,
    state: adopter === undefined ? "pending" : "running",
    input: execution.input,
    options: execution.options,
    queue: execution.queue,
    rank: -execution.priority,
    tags: tagsColumn(execution.tags),
    lane: yield* batch.lane({
      kind: execution.kind,
      name: execution.name,
      version: execution.version,
      queue: execution.queue,
      tags: execution.tags,
    }),
    now,
    startedAt: adopter === undefined ? null : now,
    notBefore,
    maxDuration: execution.maxDurationMs,
    deadline: execution.maxDurationMs === undefined ? null : notBefore + execution.maxDurationMs,
    giveUpAt: execution.totalTimeoutMs === undefined ? null : notBefore + execution.totalTimeoutMs,
    dueAt: notBefore,
    worker: adopter,
    claim: adopter === undefined ? 0 : 1,
    gates: execution.gates,
  };
}

function* adopterOf(
  batch: Batch,
  execution: NewExecution,
  session: number | undefined,
): Procedure<number | undefined> {
  // What has gates passes them in a claim.
  if (session === undefined || execution.delayMs > 0 || execution.gates !== undefined)
    return undefined;
  return (yield* batch.isLive(session)) ? session : undefined;
}
